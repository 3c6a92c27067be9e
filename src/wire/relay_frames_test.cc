#include "wire/relay_frames.h"

#include "wire/canonical_testing.h"
#include "wire/frames.h"

namespace ipop::wire {
namespace {

/// By the one door.
std::optional<ByteVector> rewrite(Bytes input) {
  const auto frame = parse_frame(input);
  if (!frame) return std::nullopt;
  ByteVector out;
  write_frame(*frame, out);
  return out;
}

ByteVector bytes_of(const Frame& frame) {
  ByteVector out;
  write_frame(frame, out);
  return out;
}

const std::string kNode(32, '1');

const std::vector<std::pair<Frame, std::string>>& frames() {
  static const std::vector<std::pair<Frame, std::string>> all{
      {RelayOpen{.role = RelayOpen::Role::Carry,
                 .request = 0x0102,
                 .far = filled<NodeId>(0x11),
                 .label = RelayLabel{0x0a0b0c0d}},
       "190002010000" + kNode + "0d0c0b0a"},
      {RelayOpen{.role = RelayOpen::Role::Offer,
                 .request = 3,
                 .far = filled<NodeId>(0x11),
                 .label = RelayLabel{1}},
       "190103000000" + kNode + "01000000"},
      {RelayOk{.request = 3, .label = RelayLabel{2}}, "1a0300000002000000"},
      {RelayNo{.request = 4, .reason = RelayRefusal::Quota}, "1b0400000002"},
      {RelayClose{.label = RelayLabel{5}}, "1c05000000"},
  };
  return all;
}

TEST(RelayFrames, HaveTheBytesOfTheTable) {
  for (const auto& [frame, hex] : frames()) {
    EXPECT_EQ(to_hex(bytes_of(frame)), hex);
    const auto back = parse_frame(*from_hex(hex));
    ASSERT_TRUE(back) << hex;
    EXPECT_EQ(back->index(), frame.index());
  }
}

TEST(RelayFrames, AreCanonical) {
  for (const auto& [frame, hex] : frames()) expect_canonical_exact(rewrite, bytes_of(frame));
}

TEST(RelayFrames, RandomBytesNeverHaveTwoEncodings) {
  SeededRng rng(23);
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes = random_bytes(rng, 1 + rng.below(28));
    bytes[0] = static_cast<std::byte>(0x19 + rng.below(4));
    if (rng.below(2) == 0 && bytes.size() > 1) bytes[1] = static_cast<std::byte>(rng.below(3));
    expect_canonical_or_refused(rewrite, bytes);
  }
}

struct Bad {
  const char* why;
  std::string hex;
  Errc code;
};

class BadRelayFrame : public testing::TestWithParam<Bad> {};

TEST_P(BadRelayFrame, IsRefused) {
  const auto bytes = from_hex(GetParam().hex);
  ASSERT_TRUE(bytes);
  const auto r = parse_frame(*bytes);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadRelayFrame,
    testing::Values(Bad{"open cut", "190003000000" + kNode + "010000", Errc::Truncated},
                    Bad{"open long", "190003000000" + kNode + "0100000000", Errc::BadValue},
                    Bad{"open role", "190203000000" + kNode + "01000000", Errc::BadValue},
                    Bad{"open label", "190003000000" + kNode + "00000000", Errc::BadValue},
                    Bad{"ok cut", "1a03000000020000", Errc::Truncated},
                    Bad{"ok long", "1a030000000200000000", Errc::BadValue},
                    Bad{"ok label", "1a0300000000000000", Errc::BadValue},
                    Bad{"no cut", "1b04000000", Errc::Truncated},
                    Bad{"no long", "1b040000000200", Errc::BadValue},
                    Bad{"no reason", "1b0400000004", Errc::BadValue},
                    Bad{"close cut", "1c050000", Errc::Truncated},
                    Bad{"close long", "1c0500000000", Errc::BadValue},
                    Bad{"close label", "1c00000000", Errc::BadValue},
                    Bad{"a relayed datagram is no frame", "1001000000c4", Errc::BadValue},
                    Bad{"type 0x24", "2405000000", Errc::BadValue}));

}  // namespace
}  // namespace ipop::wire
