#include "dataplane/icmp.h"

#include <gtest/gtest.h>

#include "dataplane/test_packets.h"

namespace ipop::dataplane {
namespace {

using test::ip_packet;
using test::PacketOptions;
using test::v4;
using test::v6;

std::unique_ptr<Packet> packet_of(Bytes bytes) {
  auto packet = std::make_unique<Packet>();
  copy_bytes(packet->read_area(), bytes);
  packet->resize(bytes.size());
  return packet;
}

PacketOptions v6_options(std::uint8_t protocol) {
  return {.source = v6("fd00::1"), .destination = v6("fd00::2"), .protocol = protocol};
}

TEST(ReplaceByTooBig, Ipv4) {
  for (const std::size_t payload : {8U, 100U, 528U, 529U, 1480U, 65515U}) {
    const ByteVector original = ip_packet({}, ByteVector(payload, std::byte{0x77}));
    const auto packet = packet_of(original);
    const auto inner = parse_inner(packet->data());
    ASSERT_TRUE(replace_by_too_big(*packet, *inner, {.mtu = 1380}));
    const Bytes answer = packet->data();
    const auto got = parse_inner(answer);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->size, answer.size());
    EXPECT_EQ(answer.size(), std::min<std::size_t>(576, original.size() + 28));
    EXPECT_EQ(got->source, inner->destination) << "never an address of our own";
    EXPECT_EQ(got->destination, inner->source);
    EXPECT_EQ(got->protocol, kProtocolIcmp);
    EXPECT_EQ(test::slow_sum(answer.first(20)), 0xffff) << "header checksum";
    const Bytes icmp = answer.subspan(20);
    EXPECT_EQ(test::slow_sum(icmp), 0xffff) << "ICMP checksum";
    EXPECT_EQ(test::get16(icmp, 0), 0x0304U);
    EXPECT_EQ(test::get16(icmp, 4), 0U);
    EXPECT_EQ(test::get16(icmp, 6), 1380U);
    EXPECT_TRUE(equal_bytes(icmp.subspan(8), Bytes(original).first(icmp.size() - 8)));
  }
}

TEST(ReplaceByTooBig, Ipv6) {
  for (const std::size_t payload : {1U, 1241U, 1400U, 65000U}) {
    const ByteVector original = ip_packet(v6_options(17), ByteVector(payload, std::byte{0x77}));
    const auto packet = packet_of(original);
    const auto inner = parse_inner(packet->data());
    ASSERT_TRUE(replace_by_too_big(*packet, *inner, {.mtu = 1280}));
    const Bytes answer = packet->data();
    const auto got = parse_inner(answer);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->size, answer.size());
    EXPECT_EQ(answer.size(), std::min<std::size_t>(1280, original.size() + 48));
    EXPECT_EQ(got->source, inner->destination);
    EXPECT_EQ(got->destination, inner->source);
    EXPECT_EQ(got->protocol, kProtocolIcmpV6);
    const Bytes icmp = answer.subspan(40);
    EXPECT_EQ(test::slow_transport_sum(got->source, got->destination, 58, icmp), 0xffff);
    EXPECT_EQ(test::get16(icmp, 0), 0x0200U);
    EXPECT_EQ(test::get16(icmp, 4), 0U);
    EXPECT_EQ(test::get16(icmp, 6), 1280U);
    EXPECT_TRUE(equal_bytes(icmp.subspan(8), Bytes(original).first(icmp.size() - 8)));
  }
}

ByteVector icmp_body(unsigned type) {
  ByteVector out(64);
  out[0] = static_cast<std::byte>(type);
  return out;
}

TEST(ReplaceByTooBig, NeverAnswersErrorsFragmentsOrGroups) {
  struct Case {
    std::string name;
    ByteVector packet;
    bool answered;
  };
  const ByteVector body(64);
  std::vector<Case> cases = {
      {"UDP", ip_packet({}, body), true},
      {"UDP to a member", ip_packet({.destination = v4("10.83.255.254")}, body), true},
      {"first fragment", ip_packet({.fragment = 0x2000}, body), true},
      {"later fragment", ip_packet({.fragment = 0x2001}, body), false},
      {"multicast", ip_packet({.destination = v4("224.0.0.251")}, body), false},
      {"limited broadcast", ip_packet({.destination = v4("255.255.255.255")}, body), false},
      {"directed broadcast", ip_packet({.destination = v4("10.83.255.255")}, body), false},
      {"class E", ip_packet({.destination = v4("240.0.0.1")}, body), false},
      {"to nowhere", ip_packet({.destination = v4("0.0.0.0")}, body), false},
      {"from nowhere", ip_packet({.source = v4("0.0.0.0")}, body), false},
      {"from a group", ip_packet({.source = v4("239.1.1.1")}, body), false},
      {"from a broadcast", ip_packet({.source = v4("10.83.255.255")}, body), false},
      {"ICMP without a type", ip_packet({.protocol = 1}, {}), false},
      {"v6 UDP", ip_packet(v6_options(17), body), true},
      {"v6 multicast", ip_packet({.source = v6("fd00::1"), .destination = v6("ff02::fb")}, body),
       false},
      {"v6 from nowhere", ip_packet({.source = v6("::"), .destination = v6("fd00::2")}, body),
       false},
      {"v6 later fragment", ip_packet(v6_options(44), *from_hex("1100000800000001aabbccdd")),
       false},
      {"v6 ICMP without a type", ip_packet(v6_options(58), {}), false},
      {"v6 ICMP error behind an extension header",
       ip_packet(v6_options(60), *from_hex("3a000000000000000100000000000000")), false},
  };
  for (unsigned type = 0; type < 256; ++type) {
    const bool error4 = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    cases.push_back(
        {"ICMP " + std::to_string(type), ip_packet({.protocol = 1}, icmp_body(type)), !error4});
    cases.push_back({"ICMPv6 " + std::to_string(type), ip_packet(v6_options(58), icmp_body(type)),
                     type >= 128 && type != 137});
  }
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto packet = packet_of(c.packet);
    const auto inner = parse_inner(packet->data());
    ASSERT_TRUE(inner.has_value());
    const TooBigOptions options{.mtu = 1280, .pool = Prefix4::parse("10.83.0.0/16")};
    EXPECT_EQ(replace_by_too_big(*packet, *inner, options), c.answered);
    if (!c.answered) { EXPECT_TRUE(equal_bytes(packet->data(), c.packet)) << "unchanged"; }
  }
}

}  // namespace
}  // namespace ipop::dataplane
