#include "wire/candidate.h"

#include "wire/canonical_testing.h"

namespace ipop::wire {
namespace {

std::optional<ByteVector> rewrite(Bytes input) {
  Reader reader(input);
  const Endpoint endpoint = read_candidate(reader);
  if (!reader.done()) return std::nullopt;
  ByteVector out;
  Writer writer(out);
  write_candidate(endpoint, writer);
  return out;
}

struct Case {
  const char* hex;
  const char* text;  // null: refused
};

class CandidateTest : public testing::TestWithParam<Case> {};

TEST_P(CandidateTest, ReadsOrRefuses) {
  const auto bytes = from_hex(GetParam().hex);
  ASSERT_TRUE(bytes);
  ASSERT_EQ(bytes->size(), kCandidateSize);
  Reader reader(*bytes);
  const Endpoint endpoint = read_candidate(reader);
  EXPECT_EQ(reader.ok(), GetParam().text != nullptr);
  if (GetParam().text != nullptr) {
    EXPECT_EQ(endpoint.to_string(), GetParam().text);
    EXPECT_TRUE(is_candidate(endpoint));
  } else {
    EXPECT_EQ(endpoint, Endpoint{});
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, CandidateTest,
    testing::Values(Case{"04cb007107000000000000000000000000d204", "203.0.113.7:1234"},
                    Case{"040a53000200000000000000000000000001ff", "10.83.0.2:65281"},
                    Case{"047f0000010000000000000000000000000100", "127.0.0.1:1"},
                    Case{"0620010db80000000000000000000000010700", "[2001:db8::1]:7"},
                    Case{"06fe800000000000000000000000000001ffff", "[fe80::1]:65535"},
                    Case{"04cb0071070000000000000000000000000000", nullptr},  // port 0
                    Case{"0620010db80000000000000000000000010000", nullptr},  // port 0
                    Case{"0400000000000000000000000000000000d204", nullptr},  // unspecified
                    Case{"0600000000000000000000000000000000d204", nullptr},  // unspecified
                    Case{"04e000000100000000000000000000000001ff", nullptr},  // multicast
                    Case{"06ff0200000000000000000000000000010700", nullptr},  // multicast
                    Case{"04ffffffff00000000000000000000000001ff", nullptr},  // broadcast
                    Case{"0600000000000000000000ffffcb0071070700", nullptr},  // mapped
                    Case{"04cb007107000000000000000000000001d204", nullptr},  // padding
                    Case{"04cb007107010000000000000000000000d204", nullptr},  // padding
                    Case{"00cb007107000000000000000000000000d204", nullptr},  // family
                    Case{"05cb007107000000000000000000000000d204", nullptr},
                    Case{"0acb007107000000000000000000000000d204", nullptr},
                    Case{"84cb007107000000000000000000000000d204", nullptr},
                    Case{"ffcb007107000000000000000000000000d204", nullptr}));

TEST(Candidate, IsCanonical) {
  for (const char* text : {"203.0.113.7:1234", "[2001:db8::1]:7", "[fe80::2]:65535"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint);
    ByteVector bytes;
    Writer writer(bytes);
    write_candidate(*endpoint, writer);
    EXPECT_EQ(bytes.size(), kCandidateSize);
    expect_canonical_exact(rewrite, bytes);
  }
}

TEST(Candidate, RandomBytesNeverHaveTwoEncodings) {
  SeededRng rng(11);
  std::size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes = random_bytes(rng, kCandidateSize);
    bytes[0] = std::byte(rng.below(8));
    if (rng.below(2) == 0) std::fill(bytes.begin() + 5, bytes.begin() + 17, std::byte{0});
    expect_canonical_or_refused(rewrite, bytes);
    accepted += rewrite(bytes) ? 1U : 0U;
  }
  EXPECT_GT(accepted, 1000U);
}

}  // namespace
}  // namespace ipop::wire
