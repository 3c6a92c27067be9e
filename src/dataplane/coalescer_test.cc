#include "dataplane/coalescer.h"

#include <gtest/gtest.h>

#include <functional>

#include "dataplane/segments.h"
#include "dataplane/test_packets.h"

namespace ipop::dataplane {
namespace {

using test::ip_packet;
using test::large_packet;
using test::LargeOptions;
using test::LargePacket;
using test::v6;

constexpr TunOffloads kAll{.checksum = true, .tcp = true, .udp = true};

/// A large packet's segments, as they come out of a session.
std::vector<ByteVector> split(const LargePacket& large) {
  const auto segments = Segments::of(large.bytes, large.inner, large.left);
  std::vector<ByteVector> out;
  for (std::size_t i = 0; i < segments->count(); ++i) {
    out.emplace_back(segments->size(i));
    segments->write(i, out.back());
  }
  return out;
}

struct Written {
  ByteVector bytes;
  Offload offload;
  std::size_t header_size = 0;
};

/// What an interface gets, when these packets arrive one after the other.
std::vector<Written> join(std::vector<ByteVector> packets, const TunOffloads& offloads = kAll,
                          bool partial = true) {
  std::vector<Written> out;
  Coalescer run;
  const auto flush = [&] {
    if (run.empty()) return;
    const OutgoingPacket packet = run.finish();
    Written written{.bytes = {}, .offload = packet.offload, .header_size = packet.header_size};
    for (const Bytes part : packet.parts) append(written.bytes, part);
    out.push_back(written);
  };
  for (ByteVector& bytes : packets) {
    const ReceivedPacket packet{bytes, *parse_inner(bytes), partial};
    if (run.append(packet)) continue;
    flush();
    run.start(packet, offloads);
  }
  flush();
  return out;
}

std::vector<LargeOptions> shapes() {
  std::vector<LargeOptions> out;
  const test::PacketOptions v6_ip{.source = v6("fd00::1"), .destination = v6("fd00::2")};
  for (const auto& ip : {test::PacketOptions{}, v6_ip}) {
    for (const bool is_tcp : {true, false}) {
      out.push_back({.ip = ip, .is_tcp = is_tcp, .payload_size = 60000, .segment_size = 1340});
      out.push_back({.ip = ip, .is_tcp = is_tcp, .payload_size = 2000, .segment_size = 1000});
      out.push_back({.ip = ip, .is_tcp = is_tcp, .payload_size = 2001, .segment_size = 1000});
    }
  }
  out.push_back({.ip = {},
                 .tcp_options = ByteVector(12, std::byte{1}),
                 .payload_size = 9000,
                 .segment_size = 1000});
  return out;
}

// Splitting and joining are each other's inverse.
TEST(Coalescer, JoinsWhatWasSplit) {
  for (const LargeOptions& options : shapes()) {
    const LargePacket large = large_packet(options);
    auto packets = split(large);
    const auto got = join(packets);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_TRUE(got[0].offload == large.left);
    EXPECT_EQ(to_hex(got[0].bytes), to_hex(large.bytes));
    EXPECT_EQ(got[0].header_size, large.bytes.size() - large.payload.size());
  }
}

TEST(Coalescer, WithoutOffloadsEveryPacketIsWholeAndAlone) {
  for (const LargeOptions& options : shapes()) {
    auto packets = split(large_packet(options));
    const std::size_t count = packets.size();
    const auto got = join(packets, {});
    ASSERT_EQ(got.size(), count);
    for (const Written& w : got) {
      EXPECT_TRUE(w.offload == Offload{});
      const auto inner = parse_inner(w.bytes);
      EXPECT_EQ(test::slow_transport_sum(inner->source, inner->destination, inner->protocol,
                                         Bytes(w.bytes).subspan(inner->transport)),
                0xffff);
    }
  }
}

TEST(Coalescer, OnlyWhatTheInterfaceTakes) {
  auto tcp = split(large_packet({.ip = {}, .payload_size = 5000, .segment_size = 1000}));
  auto udp =
      split(large_packet({.ip = {}, .is_tcp = false, .payload_size = 5000, .segment_size = 1000}));
  EXPECT_EQ(join(tcp, {.checksum = true, .tcp = true}).size(), 1U);
  EXPECT_EQ(join(udp, {.checksum = true, .tcp = true}).size(), 5U);
  EXPECT_EQ(join(tcp, {.checksum = true, .udp = true}).size(), 5U);
  EXPECT_EQ(join(udp, {.checksum = true, .udp = true}).size(), 1U);
}

// A whole checksum may be wrong; joined it would be made right.
TEST(Coalescer, PacketsWithAWholeChecksumStayAsTheyAre) {
  auto packets = split(large_packet({.ip = {}, .payload_size = 5000, .segment_size = 1000}));
  const auto before = packets;
  const auto got = join(packets, kAll, false);
  ASSERT_EQ(got.size(), 5U);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(got[i].offload == Offload{});
    EXPECT_EQ(got[i].bytes, before[i]);
  }
}

// Each change to the third of five packets must end the run before it.
TEST(Coalescer, WhatEndsARun) {
  struct Case {
    const char* name;
    bool is_tcp;
    std::function<void(ByteVector&)> change;
  };
  const auto set = [](std::size_t at, unsigned value) {
    return [=](ByteVector& p) { p[at] = static_cast<std::byte>(value); };
  };
  const Case cases[] = {
      {"traffic class", true, set(1, 0x40)},
      {"ECN", true, set(1, 3)},
      {"TTL", true, set(8, 63)},
      {"DF", true, set(6, 0)},
      {"source", true, set(15, 9)},
      {"destination", true, set(19, 9)},
      {"source port", true, set(21, 1)},
      {"destination port", true, set(23, 1)},
      {"sequence", true, set(27, 0xee)},
      {"acknowledgment", true, set(31, 1)},
      {"window", true, set(35, 1)},
      {"option", true, set(45, 9)},
      {"FIN", true, set(33, 0x11)},
      {"SYN", true, set(33, 0x12)},
      {"RST", true, set(33, 0x14)},
      {"URG", true, set(33, 0x30)},
      {"ECE", true, set(33, 0x50)},
      {"CWR", true, set(33, 0x90)},
      {"no ACK", true, set(33, 0)},
      {"UDP source port", false, set(21, 1)},
      {"UDP destination port", false, set(23, 1)},
      {"UDP traffic class", false, set(1, 0x40)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto packets = split(large_packet({.ip = {},
                                       .is_tcp = c.is_tcp,
                                       .tcp_options = ByteVector(12, std::byte{1}),
                                       .payload_size = 5000,
                                       .segment_size = 1000}));
    c.change(packets[2]);
    const ByteVector changed = packets[2];
    const auto got = join(packets);
    ASSERT_GE(got.size(), 2U);
    EXPECT_EQ(got[0].offload.segment_size, 1000U);
    const std::size_t header = got[0].header_size;
    EXPECT_EQ(got[0].bytes.size(), header + 2000) << "two packets before it";
    // The checksum field apart, it is written as it came.
    EXPECT_TRUE(
        equal_bytes(Bytes(got[1].bytes).subspan(header, 1000), Bytes(changed).subspan(header)));
  }
}

TEST(Coalescer, PushEndsARunAndStaysInIt) {
  auto packets = split(large_packet({.ip = {}, .payload_size = 4000, .segment_size = 1000}));
  packets[1][33] |= std::byte{8};
  const auto got = join(packets);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].bytes.size(), 40U + 2000);
  EXPECT_EQ(std::to_integer<int>(got[0].bytes[33]), 0x18);
}

TEST(Coalescer, AShorterPacketEndsARunAndALongerOneDoesNotJoin) {
  const auto ports = [](std::size_t size) {
    return ip_packet({}, test::udp_datagram({}, ByteVector(size)));
  };
  std::vector<ByteVector> packets = {ports(100), ports(100), ports(60), ports(60),
                                     ports(61),  ports(61),  ports(10)};
  const auto got = join(packets);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0].bytes.size(), 28U + 260);
  EXPECT_EQ(got[1].bytes.size(), 28U + 60);
  EXPECT_TRUE(got[1].offload.segmentation == Segmentation::None);
  EXPECT_EQ(got[2].bytes.size(), 28U + 132);
}

TEST(Coalescer, Bounds) {
  std::vector<ByteVector> small(200, ip_packet({}, test::udp_datagram({}, ByteVector(3))));
  for (const auto& w : join(small)) { EXPECT_LE(w.bytes.size(), 28U + 3 * Coalescer::kPartsMax); }
  std::vector<ByteVector> large(90, ip_packet({}, test::udp_datagram({}, ByteVector(1400))));
  std::size_t payload = 0;
  for (const auto& w : join(large)) {
    EXPECT_LE(w.bytes.size(), 65535U);
    payload += w.bytes.size() - 28;
  }
  EXPECT_EQ(payload, 90U * 1400);
}

TEST(Coalescer, OtherProtocolsAndFragmentsStayAlone) {
  const ByteVector icmp = ip_packet({.protocol = 1}, ByteVector(40));
  const ByteVector fragment = ip_packet({.fragment = 0x2000}, ByteVector(40));
  const ByteVector empty = ip_packet({}, test::udp_datagram({}, {}));
  for (const ByteVector& one : {icmp, fragment}) {
    std::vector<ByteVector> packets = {one, one};
    const auto got = join(packets, kAll, false);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].bytes, one);
  }
  std::vector<ByteVector> packets = {empty, empty};
  EXPECT_EQ(join(packets).size(), 2U);
}

}  // namespace
}  // namespace ipop::dataplane
