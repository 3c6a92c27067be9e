#include "wire/diagnosis.h"

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

const std::string kNats =
    "01020301"
    "00000000";
const std::string kV4 = "04cb0071070000000000000000000000005ca3";
const std::string kV6 = "0620010db80000000000000000000000015ca3";
const std::string kAnswered =
    "01"
    "05"
    "04"
    "e02e0000";  // 4 of 5, 12 ms
const std::string kNoAddress =
    "02"
    "00"
    "00"
    "00000000";

Diagnosis diagnosis() {
  Diagnosis::Findings findings{.port = 41820,
                               .v4 = {.has_address = true,
                                      .mapping = NatMapping::EndpointIndependent,
                                      .filtering = NatFiltering::AddressAndPortDependent,
                                      .ports = NatPorts::Preserved},
                               .v6 = {},
                               .forwarding = PortForwarding::NatPmp,
                               .path = PathInUse::Relay,
                               .tests = {}};
  findings.tests.push_back({.endpoint = *Endpoint::parse("203.0.113.7:41820"),
                            .outcome = TestOutcome::Answered,
                            .sent = 5,
                            .answered = 4,
                            .rtt_us = 12000});
  findings.tests.push_back(
      {.endpoint = *Endpoint::parse("[2001:db8::1]:41820"), .outcome = TestOutcome::NoAddress});
  return {.request = 0x0102, .state = Diagnosis::State::Done, .findings = findings};
}

std::string findings_hex(const std::string& tests) { return "5ca3" + kNats + "0302" + tests; }

const std::vector<std::pair<Frame, std::string>>& frames() {
  static const std::vector<std::pair<Frame, std::string>> all{
      {Diagnose{0x0102}, "2002010000"},
      {diagnosis(), "210201000001" + findings_hex("02" + kV4 + kAnswered + kV6 + kNoAddress)},
      {Diagnosis{.request = 0x0102, .state = Diagnosis::State::Busy, .findings = {}},
       "210201000002"},
  };
  return all;
}

TEST(DiagnosisFrames, HaveTheBytesOfTheTable) {
  for (const auto& [frame, hex] : frames()) {
    EXPECT_EQ(to_hex(bytes_of(frame)), hex);
    const auto back = parse_frame(*from_hex(hex));
    ASSERT_TRUE(back) << hex;
    EXPECT_EQ(back->index(), frame.index());
  }
  EXPECT_EQ(std::get<Diagnosis>(*parse_frame(bytes_of(diagnosis()))), diagnosis());
}

TEST(DiagnosisFrames, AreCanonical) {
  for (const auto& [frame, hex] : frames()) expect_canonical_exact(rewrite, bytes_of(frame));
}

TEST(DiagnosisFrames, TheLongestFitsOnePacket) {
  Diagnosis longest = diagnosis();
  longest.findings->tests.resize(kDiagnosisTestsMax, longest.findings->tests.front());
  EXPECT_LE(bytes_of(longest).size(), kFrameSizeMax);
  EXPECT_TRUE(parse_frame(bytes_of(longest)));
}

TEST(DiagnosisFrames, RandomBytesNeverHaveTwoEncodings) {
  SeededRng rng(41);
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes = random_bytes(rng, 1 + rng.below(80));
    bytes[0] = static_cast<std::byte>(0x20 + rng.below(2));
    for (std::size_t at = 5; at < bytes.size(); ++at) {
      if (rng.below(4) != 0) bytes[at] = static_cast<std::byte>(rng.below(6));
    }
    expect_canonical_or_refused(rewrite, bytes);
  }
}

struct Bad {
  const char* why;
  std::string hex;
  Errc code;
};

class BadDiagnosisFrame : public testing::TestWithParam<Bad> {};

TEST_P(BadDiagnosisFrame, IsRefused) {
  const auto bytes = from_hex(GetParam().hex);
  ASSERT_TRUE(bytes);
  const auto r = parse_frame(*bytes);
  ASSERT_FALSE(r) << GetParam().why;
  EXPECT_EQ(r.error().code, GetParam().code) << GetParam().why;
}

std::string with_test(const std::string& figures) {
  return "210201000001" + findings_hex("01" + kV4 + figures);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadDiagnosisFrame,
    testing::Values(
        Bad{"request cut", "20020100", Errc::Truncated},
        Bad{"request long", "200201000000", Errc::BadValue},
        Bad{"type 0x25", "2502010000", Errc::BadValue},
        Bad{"no state", "2102010000", Errc::Truncated},
        Bad{"state", "210201000003", Errc::BadValue},
        Bad{"busy with findings", "210201000002" + findings_hex("00"), Errc::BadValue},
        Bad{"running without findings", "210201000000", Errc::Truncated},
        Bad{"address flag",
            "210201000001"
            "5ca3"
            "02020301"
            "00000000"
            "030200",
            Errc::BadValue},
        Bad{"mapping",
            "210201000001"
            "5ca3"
            "01050301"
            "00000000"
            "030200",
            Errc::BadValue},
        Bad{"filtering",
            "210201000001"
            "5ca3"
            "01020401"
            "00000000"
            "030200",
            Errc::BadValue},
        Bad{"ports",
            "210201000001"
            "5ca3"
            "01020304"
            "00000000"
            "030200",
            Errc::BadValue},
        Bad{"forwarding",
            "210201000001"
            "5ca3" +
                kNats + "060200",
            Errc::BadValue},
        Bad{"path",
            "210201000001"
            "5ca3" +
                kNats + "030500",
            Errc::BadValue},
        Bad{"too many tests", "210201000001" + findings_hex("09"), Errc::BadValue},
        Bad{"tests missing", "210201000001" + findings_hex("01"), Errc::Truncated},
        Bad{"more than the tests", "210201000001" + findings_hex("0000"), Errc::BadValue},
        Bad{"outcome", with_test("06000000000000"), Errc::BadValue},
        Bad{"answered more than sent", with_test("010506e02e0000"), Errc::BadValue},
        Bad{"answered by none", with_test("010500e02e0000"), Errc::BadValue},
        Bad{"silence that was answered", with_test("000501e02e0000"), Errc::BadValue},
        Bad{"silence with a round trip", with_test("000500e02e0000"), Errc::BadValue},
        Bad{"silence after nothing", with_test("00000000000000"), Errc::BadValue},
        Bad{"refused but sent", with_test("03010000000000"), Errc::BadValue},
        Bad{"untried but sent", with_test("05010000000000"), Errc::BadValue},
        Bad{"no candidate", "210201000001" + findings_hex("01" + std::string(38, '0') + kNoAddress),
            Errc::BadValue}));

}  // namespace
}  // namespace ipop::wire
