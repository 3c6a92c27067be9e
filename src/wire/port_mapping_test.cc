#include "wire/port_mapping.h"

#include "wire/canonical_testing.h"
#include "wire/port_mapping_testing.h"

namespace ipop::wire {
namespace {

const auto kNonce = PcpNonce::from(from_hex("000102030405060708090a0b").value()).value();
const IpAddress kClient = Ipv4{0xc0a80102};

ByteVector bytes(std::string_view hex) {
  const auto out = from_hex(hex);
  EXPECT_TRUE(out) << hex;
  return out.value_or(ByteVector{});
}

TEST(PortMapping, WritesTheRequestsOfPcp) {
  ByteVector out;
  write_pcp_map_request({.nonce = kNonce,
                         .client = kClient,
                         .internal_port = 40000,
                         .suggested = {Ipv4{0xcb007107}, 40001},
                         .lifetime_seconds = 7200},
                        out);
  EXPECT_EQ(to_hex(out),
            "0201000000001c20"                  // version, MAP, reserved, lifetime
            "00000000000000000000ffffc0a80102"  // client
            "000102030405060708090a0b"          // nonce
            "110000009c409c41"                  // UDP, reserved, internal and suggested port
            "00000000000000000000ffffcb007107");
  out.clear();
  write_pcp_announce_request(IpAddress::parse("2001:db8::2").value(), out);
  EXPECT_EQ(to_hex(out), "020000000000000020010db8000000000000000000000002");
}

TEST(PortMapping, WritesTheRequestsOfNatPmp) {
  ByteVector out;
  write_nat_pmp_address_request(out);
  EXPECT_EQ(to_hex(out), "0000");
  out.clear();
  write_nat_pmp_map_request(
      {.internal_port = 40000, .suggested_port = 40001, .lifetime_seconds = 7200}, out);
  EXPECT_EQ(to_hex(out), "000100009c409c4100001c20");
}

struct Good {
  const char* hex;
  PortMappingResponse response;
};

const Good kGood[] = {
    {"028100000000070800000e10000000000000000000000000"
     "000102030405060708090a0b110000009c40c350"
     "00000000000000000000ffffcb007107",
     PcpMapped{kNonce, 40000, {Ipv4{0xcb007107}, 50000}, 1800, 3600}},
    {"028100000000007800000001000000000000000000000000"
     "000102030405060708090a0b110000009c409c40"
     "20010db8000000000000000000000002",
     PcpMapped{kNonce, 40000, {IpAddress::parse("2001:db8::2").value(), 40000}, 120, 1}},
    {"028000000000000000000e10000000000000000000000000", PcpAnnounce{3600}},
    {"028100020000070800000e10000000000000000000000000"
     "000102030405060708090a0b"
     "000000000000000000000000000000000000000000000000",
     PcpError{2, 2, 1800, 3600, kNonce}},
    {"028100030000070800000e10000000000000000000000000", PcpError{2, 3, 1800, 3600, {}}},
    {"018100010000070800000e10000000000000000000000000", PcpError{1, 1, 1800, 3600, {}}},
    {"0080000000000e10cb007107", NatPmpAddress{Ipv4{0xcb007107}, 3600}},
    {"0081000000000e109c40c35000001c20", NatPmpMapped{40000, 50000, 7200, 3600}},
    {"0000000100000e10", NatPmpError{1, 3600}},  // RFC 6886 3.5, to a PCP request
    {"0081000200000e10", NatPmpError{2, 3600}},
};

TEST(PortMapping, ReadsEveryKindOfResponse) {
  for (const Good& good : kGood) {
    const auto parsed = parse_port_mapping_response(bytes(good.hex));
    ASSERT_TRUE(parsed) << good.hex;
    EXPECT_EQ(*parsed, good.response) << good.hex;
    EXPECT_EQ(to_hex(write_port_mapping_response(good.response)), good.hex);
  }
}

TEST(PortMapping, RefusesEveryShorterSuccess) {
  for (const Good& good : kGood) {
    const ByteVector whole = bytes(good.hex);
    const bool error = std::holds_alternative<PcpError>(good.response) ||
                       std::holds_alternative<NatPmpError>(good.response);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      const ByteVector cut = to_vector(Bytes(whole).first(n));
      const auto parsed = parse_port_mapping_response(cut);
      // The header is enough to know that it failed.
      const bool enough = error && whole[0] != std::byte{0} && n >= 24 && n % 4 == 0;
      EXPECT_EQ(parsed.has_value(), enough) << good.hex << " cut to " << n;
    }
  }
}

TEST(PortMapping, PassesOverTheOptionsOfPcp) {
  // PREFER_FAILURE (2, no data), FILTER (3, 20 bytes), an unknown optional one of 5 bytes.
  const char* options[] = {"02000000", "030000141122334455667788990011223344556677889900",
                           "fe0000051122334455000000"};
  for (const Good& good : {kGood[0], kGood[2]}) {
    std::string hex = good.hex;
    for (const char* option : options) {
      hex += option;
      const auto parsed = parse_port_mapping_response(bytes(hex));
      ASSERT_TRUE(parsed) << hex;
      EXPECT_EQ(*parsed, good.response);
    }
    for (const char* bad : {"02000004", "0200ffff", "02000001", "fe00000511223344"}) {
      EXPECT_FALSE(parse_port_mapping_response(bytes(hex + bad))) << bad;
    }
    std::string many = good.hex;
    while (many.size() / 2 < kPcpSizeMax) many += "02000000";
    EXPECT_TRUE(parse_port_mapping_response(bytes(many)));
    EXPECT_FALSE(parse_port_mapping_response(bytes(many + "02000000")));
  }
}

TEST(PortMapping, TakesALongAnswerOfANatPmpGatewayToAPcpRequest) {
  // Some gateways send the request back with their own header.
  ByteVector answer = bytes("0081000100000e10");
  answer.resize(60);
  const auto parsed = parse_port_mapping_response(answer);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, PortMappingResponse(NatPmpError{1, 3600}));
}

TEST(PortMapping, RefusesWhatIsNoResponse) {
  struct Bad {
    const char* hex;
    Errc code;
  };
  for (const Bad& bad : {
           Bad{"", Errc::Truncated},
           Bad{"00", Errc::Truncated},
           Bad{"0000", Errc::Truncated},                       // our own request
           Bad{"000100009c409c4100001c20", Errc::BadValue},    // our own request
           Bad{"0001000100000e10", Errc::BadValue},            // no response bit, a MAP request
           Bad{"0000000000000e10cb007107", Errc::BadValue},    // no response bit
           Bad{"0080000000000e10cb00710700", Errc::BadValue},  // longer
           Bad{"0081000000000e109c40c35000001c2000000000", Errc::BadValue},
           Bad{"0082000000000e109c40c35000001c20", Errc::Unsupported},  // TCP
           Bad{"0083000000000e10", Errc::Unsupported},
           Bad{"02800000000000000000", Errc::Truncated},
           Bad{"020000000000000000000e10000000000000000000000000", Errc::BadValue},     // a request
           Bad{"02800000000000000000000000000000000000000000000000", Errc::BadValue},   // 25 bytes
           Bad{"028200000000000000000e10000000000000000000000000", Errc::Unsupported},  // PEER
           Bad{"018000000000000000000e10000000000000000000000000", Errc::Unsupported},
           Bad{"038100020000000000000e10000000000000000000000000", Errc::Unsupported},
           Bad{"028100000000070800000e10000000000000000000000000", Errc::Truncated},
           Bad{"028100000000070800000e10000000000000000000000000"
               "000102030405060708090a0b060000009c40c350"  // TCP
               "00000000000000000000ffffcb007107",
               Errc::BadValue},
       }) {
    const auto parsed = parse_port_mapping_response(bytes(bad.hex));
    ASSERT_FALSE(parsed) << bad.hex;
    EXPECT_EQ(parsed.error().code, bad.code) << bad.hex;
  }
}

TEST(PortMapping, RequestsAndResponsesAreNeverTakenForEachOther) {
  ByteVector map;
  write_pcp_map_request({.nonce = kNonce, .client = kClient, .internal_port = 7}, map);
  ByteVector announce;
  write_pcp_announce_request(kClient, announce);
  for (const ByteVector& request : {map, announce}) {
    EXPECT_TRUE(read_port_mapping_request(request));
    EXPECT_FALSE(parse_port_mapping_response(request));
  }
  for (const Good& good : kGood) EXPECT_FALSE(read_port_mapping_request(bytes(good.hex)));
}

}  // namespace
}  // namespace ipop::wire
