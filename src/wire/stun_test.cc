#include "wire/stun.h"

#include "wire/canonical_testing.h"
#include "wire/stun_testing.h"

namespace ipop::wire {
namespace {

ByteVector bytes(std::string_view hex) {
  const auto out = from_hex(hex);
  EXPECT_TRUE(out) << hex;
  return out.value_or(ByteVector{});
}

Endpoint endpoint(std::string_view text) { return Endpoint::parse(text).value(); }

const StunTransaction kTransaction =
    StunTransaction::from(bytes("b7e7a701bc34d686fa87dfae")).value();

/// RFC 5769 2.2: SOFTWARE, XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT.
const ByteVector kIpv4Response = bytes(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96");
/// RFC 5769 2.3.
const ByteVector kIpv6Response = bytes(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c");
/// RFC 5769 2.1, a request.
const ByteVector kRequest = bytes(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf");

Errc refused(Bytes datagram) {
  const auto parsed = parse_stun_response(datagram);
  EXPECT_FALSE(parsed) << to_hex(datagram);
  return parsed ? Errc::Os : parsed.error().code;
}

TEST(Stun, ReadsTheResponsesOfRfc5769) {
  const auto v4 = parse_stun_response(kIpv4Response);
  ASSERT_TRUE(v4);
  EXPECT_EQ(*v4, StunResponse(StunSuccess{kTransaction, endpoint("192.0.2.1:32853"), {}, {}}));
  const auto v6 = parse_stun_response(kIpv6Response);
  ASSERT_TRUE(v6);
  const auto mapped = endpoint("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  EXPECT_EQ(*v6, StunResponse(StunSuccess{kTransaction, mapped, {}, {}}));
  EXPECT_EQ(stun_transaction(kIpv6Response), kTransaction);
}

TEST(Stun, ARequestIsNoResponse) {
  EXPECT_EQ(stun_transaction(kRequest), kTransaction);
  EXPECT_EQ(refused(kRequest), Errc::BadValue);
}

TEST(Stun, WritesARequestWithoutAttributes) {
  ByteVector out;
  write_stun_request(kTransaction, false, out);
  EXPECT_EQ(to_hex(out), "000100002112a442b7e7a701bc34d686fa87dfae");
}

TEST(Stun, WritesTheFingerprintThatTheResponseOfRfc5769Checks) {
  // The parser's sum is held to the published vectors; the writer's to the parser's.
  ByteVector out{std::byte{0x55}};
  write_stun_request(kTransaction, true, out);
  out.erase(out.begin());
  ASSERT_EQ(out.size(), 28U);
  EXPECT_EQ(stun_transaction(out), kTransaction);
  out[0] = std::byte{0x01};  // the type of a response: the sum no longer fits
  out[1] = std::byte{0x01};
  EXPECT_EQ(parse_stun_response(out).error().what, "stun fingerprint");
}

TEST(Stun, EveryBitFlipUnderAFingerprintIsRefused) {
  for (const ByteVector& good : {kIpv4Response, kIpv6Response}) {
    ByteVector flipped = good;
    for (std::size_t i = 0; i < 8 * flipped.size(); ++i) {
      const auto bit = static_cast<std::byte>(1U << (i % 8));
      flipped[i / 8] ^= bit;
      const auto parsed = parse_stun_response(flipped);
      // A flip in the fingerprint's own type makes it an attribute to ignore after the integrity.
      const bool type = i / 8 >= good.size() - 8 && i / 8 < good.size() - 6;
      EXPECT_EQ(parsed.has_value(), type) << "bit " << i;
      flipped[i / 8] ^= bit;
    }
  }
}

TEST(Stun, EveryOtherLengthIsRefused) {
  for (std::size_t n = 0; n < kIpv4Response.size(); ++n) {
    const ByteVector cut = to_vector(Bytes(kIpv4Response).first(n));
    EXPECT_EQ(refused(cut), Errc::Truncated) << n;
    EXPECT_FALSE(stun_transaction(cut)) << n;
  }
  ByteVector longer = kIpv4Response;
  for (int i = 0; i < 8; ++i) {
    longer.push_back(std::byte{0});
    EXPECT_EQ(refused(longer), Errc::BadValue) << i;
  }
}

TEST(Stun, WhatServersWriteComesBack) {
  for (const char* mapped : {"203.0.113.7:1", "[2001:db8::7]:65535", "10.0.0.1:4000"}) {
    const StunSuccess success{kTransaction, endpoint(mapped), endpoint("198.51.100.1:3478"),
                              endpoint("[2001:db8::1]:3479")};
    const auto parsed = parse_stun_response(stun_success(success));
    ASSERT_TRUE(parsed) << mapped;
    EXPECT_EQ(*parsed, StunResponse(success));
  }
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{300, 400, 420, 500, 699}) {
    const auto parsed = parse_stun_response(stun_failure({kTransaction, code}));
    ASSERT_TRUE(parsed) << code;
    EXPECT_EQ(*parsed, StunResponse(StunFailure{kTransaction, code}));
  }
}

TEST(Stun, PrefersTheXoredAddressAndFallsBackToThePlainOne) {
  const auto plain = stun_address(endpoint("198.51.100.9:9"));
  const auto xored = stun_xor_address(endpoint("198.51.100.8:8"), kTransaction);
  const auto mapped = [](const std::vector<StunAttributeForTest>& attributes) {
    const auto parsed = parse_stun_response(stun_message(0x0101, kTransaction, attributes));
    return parsed ? std::get<StunSuccess>(*parsed).mapped.to_string() : "refused";
  };
  EXPECT_EQ(mapped({{0x0001, plain}}), "198.51.100.9:9");
  EXPECT_EQ(mapped({{0x0001, plain}, {0x0020, xored}}), "198.51.100.8:8");
  // The first of a kind counts, what follows the integrity does not, old attributes are passed by.
  EXPECT_EQ(mapped({{0x0020, xored}, {0x0020, plain}}), "198.51.100.8:8");
  EXPECT_EQ(mapped({{0x0001, plain}, {0x0008, ByteVector(20)}, {0x0020, xored}}), "198.51.100.9:9");
  EXPECT_EQ(mapped({{0x0004, plain}, {0x0005, plain}, {0x0020, xored}}), "198.51.100.8:8");
  EXPECT_EQ(mapped({{0x8fff, ByteVector(3)}, {0x0020, xored}}), "198.51.100.8:8");
}

TEST(Stun, AnOtherAddressThatNobodyCanCallIsLeftOut) {
  StunSuccess success{kTransaction, endpoint("203.0.113.7:1"), Endpoint{Ipv4{}, 3478},
                      Endpoint{Ipv4{0xc0000201}, 0}};
  const auto parsed = parse_stun_response(stun_success(success));
  success.origin.reset();
  success.other.reset();
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, StunResponse(success));
}

struct Bad {
  const char* name;
  std::uint16_t type;
  std::vector<StunAttributeForTest> attributes;
  Errc code;
};

TEST(Stun, RefusesWhatIsNoAnswer) {
  const auto good = stun_xor_address(endpoint("198.51.100.8:8"), kTransaction);
  const auto xored = [](const Endpoint& e) { return stun_xor_address(e, kTransaction); };
  ByteVector family = good;
  family[1] = std::byte{3};
  ByteVector wrong_family = good;
  wrong_family[1] = std::byte{2};
  const ByteVector shorter = to_vector(Bytes(good).first(7));
  ByteVector longer = good;
  longer.push_back(std::byte{0});
  const Ipv6 mapped = Ipv6::parse("::ffff:192.0.2.1").value();
  const std::vector<Bad> table{
      {"nothing", 0x0101, {}, Errc::BadValue},
      {"family", 0x0101, {{0x0020, family}}, Errc::BadValue},
      {"length of the other family", 0x0101, {{0x0020, wrong_family}}, Errc::BadValue},
      {"short address", 0x0101, {{0x0020, shorter}}, Errc::BadValue},
      {"long address", 0x0101, {{0x0020, longer}}, Errc::BadValue},
      {"empty address", 0x0101, {{0x0020, {}}}, Errc::BadValue},
      {"port 0", 0x0101, {{0x0020, xored({Ipv4{0xc0000201}, 0})}}, Errc::BadValue},
      {"unspecified", 0x0101, {{0x0020, xored({Ipv4{}, 7})}}, Errc::BadValue},
      {"multicast", 0x0101, {{0x0020, xored({Ipv4{0xe0000001}, 7})}}, Errc::BadValue},
      {"IPv4-mapped", 0x0101, {{0x0020, xored({mapped, 7})}}, Errc::BadValue},
      {"broken origin", 0x0101, {{0x0020, good}, {0x802b, shorter}}, Errc::BadValue},
      {"broken other", 0x0101, {{0x0020, good}, {0x802c, family}}, Errc::BadValue},
      {"integrity of 16 bytes", 0x0101, {{0x0020, good}, {0x0008, ByteVector(16)}}, Errc::BadValue},
      {"unknown", 0x0101, {{0x0020, good}, {0x7fff, {}}}, Errc::Unsupported},
      {"unknown, first", 0x0101, {{0x0021, {}}, {0x0020, good}}, Errc::Unsupported},
      {"fingerprint not last", 0x0101, {{0x8028, ByteVector(4)}, {0x0020, good}}, Errc::BadValue},
      {"fingerprint wrong", 0x0101, {{0x0020, good}, {0x8028, ByteVector(4)}}, Errc::BadValue},
      {"too many", 0x0101, std::vector<StunAttributeForTest>(33, {0x8022, {}}), Errc::BadValue},
      {"too long", 0x0101, {{0x0020, good}, {0x8022, ByteVector(1280)}}, Errc::BadValue},
      {"indication", 0x0011, {{0x0020, good}}, Errc::BadValue},
      {"another method", 0x0103, {{0x0020, good}}, Errc::BadValue},
      {"error without a code", 0x0111, {{0x0020, good}}, Errc::BadValue},
      {"error of 3 bytes", 0x0111, {{0x0009, bytes("000004")}}, Errc::BadValue},
      {"error class 2", 0x0111, {{0x0009, bytes("00000200")}}, Errc::BadValue},
      {"error class 7", 0x0111, {{0x0009, bytes("00000700")}}, Errc::BadValue},
      {"error number 100", 0x0111, {{0x0009, bytes("00000464")}}, Errc::BadValue},
  };
  for (const Bad& bad : table) {
    EXPECT_EQ(refused(stun_message(bad.type, kTransaction, bad.attributes)), bad.code) << bad.name;
  }
  // An attribute that reaches beyond the end.
  ByteVector beyond = stun_message(0x0101, kTransaction, {{0x0020, good}});
  beyond[23] = std::byte{12};
  EXPECT_EQ(refused(beyond), Errc::BadValue);
}

TEST(Stun, LooksLikeStunOnlyWithItsCookieAndItsLength) {
  const ByteVector good = stun_success({kTransaction, endpoint("192.0.2.1:7"), {}, {}});
  EXPECT_EQ(stun_transaction(good), kTransaction);
  for (std::size_t i = 0; i < 64; ++i) {
    ByteVector flipped = good;
    flipped[i / 8] ^= static_cast<std::byte>(0x80U >> (i % 8));
    const bool still = i >= 2 && i < 16;  // other methods and classes are STUN, too
    EXPECT_EQ(stun_transaction(flipped).has_value(), still) << i;
  }
}

TEST(Stun, RandomChangesPassOnlyWhereTheyHideTheFingerprint) {
  SeededRng rng(3);
  std::size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    ByteVector input = kIpv6Response;
    for (auto n = rng.below(4); n < 4; ++n) {
      input[rng.below(input.size())] = static_cast<std::byte>(rng.below(256));
    }
    input.resize(rng.below(8) == 0 ? rng.below(input.size()) : input.size());
    if (!parse_stun_response(input)) continue;
    ++accepted;
    ASSERT_EQ(input.size(), kIpv6Response.size());
    const auto type = [](Bytes b) { return to_hex(b.subspan(b.size() - 8, 2)); };
    EXPECT_TRUE(input == kIpv6Response || type(input) != type(kIpv6Response)) << to_hex(input);
  }
  EXPECT_GT(accepted, 100U);
}

}  // namespace
}  // namespace ipop::wire
