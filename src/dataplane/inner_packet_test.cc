#include "dataplane/inner_packet.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "dataplane/test_packets.h"

namespace ipop::dataplane {
namespace {

using test::ip_packet;
using test::PacketOptions;
using test::v4;
using test::v6;

ByteVector hex(std::string_view text) { return *from_hex(text); }

PacketOptions v6_options(std::uint8_t protocol) {
  return {.source = v6("fd00::1"), .destination = v6("fd00::2"), .protocol = protocol};
}

TEST(ParseInner, ReadsIpv4) {
  const ByteVector packet =
      ip_packet({.protocol = 6, .traffic_class = 0xb9}, hex("00010203040506070809"));
  const auto got = parse_inner(packet);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->source, IpAddress(v4("10.83.0.1")));
  EXPECT_EQ(got->destination, IpAddress(v4("10.83.0.2")));
  EXPECT_EQ(got->ecn, Ecn::Ect1);
  EXPECT_EQ(got->protocol, 6);
  EXPECT_EQ(got->fragment, Fragment::Whole);
  EXPECT_FALSE(got->may_fragment);
  EXPECT_EQ(got->size, packet.size());
  EXPECT_EQ(got->transport, 20U);
}

TEST(ParseInner, ReadsIpv6) {
  PacketOptions options = v6_options(17);
  options.traffic_class = 0xba;
  const ByteVector packet = ip_packet(options, hex("0001"));
  const auto got = parse_inner(packet);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->source, options.source);
  EXPECT_EQ(got->destination, options.destination);
  EXPECT_EQ(got->ecn, Ecn::Ect0);
  EXPECT_EQ(got->protocol, 17);
  EXPECT_EQ(got->fragment, Fragment::Whole);
  EXPECT_FALSE(got->may_fragment);
  EXPECT_EQ(got->size, packet.size());
  EXPECT_EQ(got->transport, 40U);
}

TEST(ParseInner, Ipv4FlagsAndPadding) {
  const struct {
    unsigned field;
    Fragment fragment;
    bool may_fragment;
  } cases[] = {
      {0x0000, Fragment::Whole, true}, {0x4000, Fragment::Whole, false},
      {0x2000, Fragment::First, true}, {0x6000, Fragment::First, false},
      {0x0001, Fragment::Later, true}, {0x3fff, Fragment::Later, true},
      {0x8000, Fragment::Whole, true},  // the reserved "evil" bit
  };
  for (const auto& c : cases) {
    ByteVector packet = ip_packet({.fragment = c.field}, hex("0011223344556677"));
    const std::size_t size = packet.size();
    packet.resize(size + 13);
    const auto got = parse_inner(packet);
    ASSERT_TRUE(got.has_value()) << c.field;
    EXPECT_EQ(got->fragment, c.fragment) << c.field;
    EXPECT_EQ(got->may_fragment, c.may_fragment) << c.field;
    EXPECT_EQ(got->size, size) << "padding is not part of the packet";
  }
}

TEST(ParseInner, RefusesMalformedIpv4) {
  const ByteVector good = ip_packet({}, hex("0011223344556677"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto got = parse_inner(Bytes(good).first(size));
    ASSERT_FALSE(got.has_value()) << size;
    EXPECT_EQ(got.error().code, Errc::Truncated) << size;
  }
  for (unsigned version = 0; version < 16; ++version) {
    ByteVector bad = good;
    bad[0] = static_cast<std::byte>(version * 16 + 5);
    EXPECT_EQ(parse_inner(bad).has_value(), version == 4) << version;
  }
  for (unsigned words = 0; words < 16; ++words) {
    ByteVector packet = good;
    packet[0] = static_cast<std::byte>(0x40 + words);
    EXPECT_EQ(parse_inner(packet).has_value(), words >= 5 && words * 4 <= good.size()) << words;
  }
  for (unsigned size = 0; size < 40; ++size) {
    ByteVector packet = good;
    test::set16(packet, 2, size);
    EXPECT_EQ(parse_inner(packet).has_value(), size >= 20 && size <= good.size()) << size;
  }
}

TEST(ParseInner, RefusesTruncatedIpv6) {
  const ByteVector good = ip_packet(v6_options(17), hex("0011223344556677"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto got = parse_inner(Bytes(good).first(size));
    ASSERT_FALSE(got.has_value()) << size;
    EXPECT_EQ(got.error().code, Errc::Truncated);
  }
}

// Rows: next header of the IPv6 header, what follows, and what is found there.
TEST(ParseInner, Ipv6ExtensionHeaders) {
  struct Want {
    std::uint8_t protocol;
    std::size_t transport;
    Fragment fragment = Fragment::Whole;
  };
  const std::string tcp(40, '0');
  const std::string dest_to_tcp = "0600000000000000";
  const struct {
    const char* name;
    std::uint8_t next;
    std::string rest;
    std::optional<Want> want;
  } cases[] = {
      {"none", 6, tcp, Want{6, 40}},
      {"hop by hop", 0, dest_to_tcp + tcp, Want{6, 48}},
      {"destination options of 16 bytes", 60, "06010000000000000000000000000000" + tcp,
       Want{6, 56}},
      {"routing, then destination options", 43, "3c00000000000000" + dest_to_tcp + tcp,
       Want{6, 56}},
      {"authentication counts in words of four", 51, "060100000000000000000000" + tcp, Want{6, 52}},
      {"mobility", 135, dest_to_tcp + tcp, Want{6, 48}},
      {"ESP ends the chain", 50, dest_to_tcp, Want{50, 40}},
      {"no next header ends it", 59, dest_to_tcp, Want{59, 40}},
      {"unknown protocol ends it", 200, dest_to_tcp, Want{200, 40}},
      {"first fragment", 44, "0600000100000001" + tcp, Want{6, 48, Fragment::First}},
      {"atomic fragment", 44, "0600000000000001" + tcp, Want{6, 48, Fragment::Whole}},
      {"later fragment", 44, "0600000800000001aabb", Want{6, 48, Fragment::Later}},
      {"later fragment does not look on", 44, "3c00000800000001ff", Want{60, 48, Fragment::Later}},
      {"first fragment goes on", 44, "3c00000100000001" + dest_to_tcp + tcp,
       Want{6, 56, Fragment::First}},
      {"fragment header's second byte is no length", 44, "06ff000100000001" + tcp,
       Want{6, 48, Fragment::First}},
      {"header of zero bytes left", 0, "", std::nullopt},
      {"header cut short", 0, "06000000000000", std::nullopt},
      {"header longer than the packet", 0, "0601000000000000", std::nullopt},
      {"authentication header longer than the packet", 51, "06ff000000000000", std::nullopt},
      {"fragment header cut short", 44, "060000010000", std::nullopt},
      {"first fragment without the rest of the chain", 44, "3c00000100000001", std::nullopt},
      {"chain that never ends", 60,
       [] {
         std::string s;
         for (int i = 0; i < 9; ++i) s += "3c00000000000000";
         return s;
       }(),
       std::nullopt},
      {"eight headers", 60,
       [] {
         std::string s;
         for (int i = 0; i < 7; ++i) s += "3c00000000000000";
         return s + "0600000000000000";
       }(),
       Want{6, 104}},
      {"256 bytes of header", 0, "061f" + std::string(508, '0'), Want{6, 296}},
      {"264 bytes of header", 0, "0620" + std::string(524, '0'), std::nullopt},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const ByteVector packet = ip_packet(v6_options(c.next), hex(c.rest));
    const auto got = parse_inner(packet);
    ASSERT_EQ(got.has_value(), c.want.has_value());
    if (!got) continue;
    EXPECT_EQ(got->protocol, c.want->protocol);
    EXPECT_EQ(got->transport, c.want->transport);
    EXPECT_EQ(got->fragment, c.want->fragment);
  }
}

TEST(SetEcn, ChangesTheBitsAndKeepsTheChecksumRight) {
  for (unsigned traffic_class = 0; traffic_class < 256; traffic_class += 3) {
    for (unsigned bits = 0; bits < 4; ++bits) {
      for (const bool is_v6 : {false, true}) {
        PacketOptions options = is_v6 ? v6_options(17) : PacketOptions{};
        options.traffic_class = traffic_class;
        ByteVector packet = ip_packet(options, hex("0011"));
        set_ecn(packet, static_cast<Ecn>(bits));
        options.traffic_class = (traffic_class & ~3U) | bits;
        ByteVector want = ip_packet(options, hex("0011"));
        if (!is_v6) { EXPECT_EQ(test::slow_sum(Bytes(packet).first(20)), 0xffff); }
        if (!is_v6) test::set16(packet, 10, test::get16(want, 10));
        EXPECT_EQ(to_hex(packet), to_hex(want));
      }
    }
  }
}

struct MssCase {
  const char* name;
  unsigned flags;
  std::string options;
  unsigned mtu;
  std::string want_v4;  ///< the options afterwards
  std::string want_v6;
};

// 1400 = 0x578, less 40 = 1360 = 0x550, less 60 = 1340 = 0x53c; 1460 = 0x5b4.
const MssCase kMssCases[] = {
    {"too large", 2, "020405b4", 1400, "02040550", "0204053c"},
    {"SYN+ACK", 18, "020405b4", 1400, "02040550", "0204053c"},
    {"between the two families' limits", 2, "02040550", 1400, "02040550", "0204053c"},
    {"just right for both", 2, "0204053c", 1400, "0204053c", "0204053c"},
    {"small", 2, "02040200", 1400, "02040200", "02040200"},
    {"largest value", 2, "0204ffff", 1400, "02040550", "0204053c"},
    {"behind other options", 2, "0402080a0000000100000000020405b4", 1400,
     "0402080a000000010000000002040550", "0402080a00000001000000000204053c"},
    {"at an odd offset", 2, "01020405b4000000", 1400, "0102040550000000", "010204053c000000"},
    {"at an odd offset, longer", 2, "010101020405b400", 1400, "0101010204055000",
     "010101020405"
     "3c00"},
    {"no SYN", 16, "020405b4", 1400, "020405b4", "020405b4"},
    {"no options", 2, "", 1400, "", ""},
    {"behind the end", 2, "00020405b4000000", 1400, "00020405b4000000", "00020405b4000000"},
    {"wrong size 3", 2, "020305b4", 1400, "020305b4", "020305b4"},
    {"size 0", 2, "010100ff", 1400, "010100ff", "010100ff"},
    {"option of size 0", 2, "08000204", 1400, "08000204", "08000204"},
    {"option of size 1", 2, "0801020405b40000", 1400, "0801020405b40000", "0801020405b40000"},
    {"option longer than the header", 2, "08ff0204", 1400, "08ff0204", "08ff0204"},
    {"cut by the header", 2, "01010204", 1400, "01010204", "01010204"},
    {"kind without size", 2, "01010102", 1400, "01010102", "01010102"},
    {"absurd MTU", 2, "020405b4", 40, "020405b4", "020405b4"},
    {"no MTU", 2, "020405b4", 0, "020405b4", "020405b4"},
};

TEST(ClampMss, Table) {
  for (const MssCase& c : kMssCases) {
    SCOPED_TRACE(c.name);
    for (const bool is_v6 : {false, true}) {
      PacketOptions options = is_v6 ? v6_options(6) : PacketOptions{.protocol = 6};
      const ByteVector before =
          ip_packet(options, test::tcp_segment(options, c.flags, hex(c.options), hex("0102")));
      ByteVector packet = before;
      const auto inner = parse_inner(packet);
      ASSERT_TRUE(inner.has_value());
      const std::string& want = is_v6 ? c.want_v6 : c.want_v4;
      EXPECT_EQ(clamp_mss(packet, *inner, static_cast<std::uint16_t>(c.mtu)), want != c.options);
      const Bytes segment = Bytes(packet).subspan(inner->transport);
      EXPECT_EQ(to_hex(segment.subspan(20, c.options.size() / 2)), want);
      EXPECT_EQ(test::slow_transport_sum(options.source, options.destination, 6, segment), 0xffff)
          << "checksum";
      if (want == c.options) { EXPECT_EQ(to_hex(packet), to_hex(before)); }
    }
  }
}

TEST(ClampMss, LeavesWhatIsNoWholeTcpHeader) {
  const PacketOptions options{.protocol = 6};
  const ByteVector segment = test::tcp_segment(options, test::kTcpSyn, hex("020405b4"));
  const struct {
    const char* name;
    ByteVector packet;
    bool changes;
  } cases[] = {
      {"whole", ip_packet(options, segment), true},
      {"first fragment", ip_packet({.protocol = 6, .fragment = 0x2000}, segment), true},
      {"later fragment", ip_packet({.protocol = 6, .fragment = 0x2001}, segment), false},
      {"other protocol", ip_packet({.protocol = 17}, segment), false},
      {"header cut", ip_packet(options, Bytes(segment).first(19)), false},
      {"options cut", ip_packet(options, Bytes(segment).first(23)), false},
      {"empty", ip_packet(options, {}), false},
      {"data offset 4",
       ip_packet(options,
                 [&] {
                   ByteVector s = segment;
                   s[12] = std::byte{0x40};
                   return s;
                 }()),
       false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    ByteVector packet = c.packet;
    const auto inner = parse_inner(packet);
    ASSERT_TRUE(inner.has_value());
    EXPECT_EQ(is_tcp_syn(packet, *inner), c.changes);
    EXPECT_EQ(clamp_mss(packet, *inner, 1000), c.changes);
    if (!c.changes) { EXPECT_EQ(to_hex(packet), to_hex(c.packet)); }
  }
}

TEST(CompleteChecksum, WhateverTheSenderLeft) {
  SeededRng rng(1);
  for (const bool is_v6 : {false, true}) {
    for (std::size_t size = 0; size < 200; ++size) {
      ByteVector payload(size);
      rng.fill(payload);
      PacketOptions options = is_v6 ? v6_options(17) : PacketOptions{};
      ByteVector packet = ip_packet(options, test::udp_datagram(options, payload));
      const ByteVector right = packet;
      const auto inner = parse_inner(packet);
      test::set16(packet, inner->transport + 6, static_cast<unsigned>(rng.below(65536)));
      ASSERT_TRUE(complete_checksum(packet, *inner).has_value());
      ASSERT_EQ(to_hex(packet), to_hex(right));

      options.protocol = 6;
      packet = ip_packet(options, test::tcp_segment(options, test::kTcpAck, {}, payload));
      const auto tcp = parse_inner(packet);
      test::set16(packet, tcp->transport + 16, static_cast<unsigned>(rng.below(65536)));
      ASSERT_TRUE(complete_checksum(packet, *tcp).has_value());
      ASSERT_EQ(test::slow_transport_sum(options.source, options.destination, 6,
                                         Bytes(packet).subspan(tcp->transport)),
                0xffff);
    }
  }
}

TEST(CompleteChecksum, ZeroBecomesItsOtherFormForUdp) {
  const PacketOptions options;
  for (unsigned value = 0; value < 65536; ++value) {
    ByteVector payload;
    test::put16(payload, value);
    const ByteVector datagram = test::udp_datagram(options, payload);
    if (test::get16(datagram, 6) != 0xffff) continue;
    ByteVector packet = ip_packet(options, datagram);
    test::set16(packet, 26, 0);
    ASSERT_TRUE(complete_checksum(packet, *parse_inner(packet)).has_value());
    EXPECT_EQ(test::get16(packet, 26), 0xffffU);
    return;
  }
  FAIL() << "no payload sums to zero";
}

TEST(CompleteChecksum, Refuses) {
  const PacketOptions udp;
  const PacketOptions tcp{.protocol = 6};
  const ByteVector datagram = test::udp_datagram(udp, hex("01020304"));
  ByteVector wrong_length = datagram;
  test::set16(wrong_length, 4, 11);
  const ByteVector segment = test::tcp_segment(tcp, test::kTcpAck, {});
  ByteVector wrong_offset = segment;
  wrong_offset[12] = std::byte{0xf0};
  const struct {
    const char* name;
    ByteVector packet;
  } cases[] = {
      {"first fragment", ip_packet({.fragment = 0x2000}, datagram)},
      {"later fragment", ip_packet({.fragment = 0x0003}, datagram)},
      {"ICMP", ip_packet({.protocol = 1}, datagram)},
      {"UDP header cut", ip_packet(udp, Bytes(datagram).first(7))},
      {"UDP length is not the packet's", ip_packet(udp, wrong_length)},
      {"TCP header cut", ip_packet(tcp, Bytes(segment).first(19))},
      {"TCP data offset beyond the packet", ip_packet(tcp, wrong_offset)},
      {"nothing", ip_packet(tcp, {})},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    ByteVector packet = c.packet;
    const auto inner = parse_inner(packet);
    ASSERT_TRUE(inner.has_value());
    const auto got = complete_checksum(packet, *inner);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, Errc::BadValue);
    EXPECT_EQ(to_hex(packet), to_hex(c.packet));
  }
}

}  // namespace
}  // namespace ipop::dataplane
