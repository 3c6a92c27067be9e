#include "dataplane/segments.h"

#include <gtest/gtest.h>

#include "dataplane/test_packets.h"

namespace ipop::dataplane {
namespace {

using test::get16;
using test::large_packet;
using test::LargeOptions;
using test::LargePacket;
using test::v4;
using test::v6;

unsigned sequence_of(Bytes packet, std::size_t transport) {
  return get16(packet, transport + 4) * 65536 + get16(packet, transport + 6);
}

/// Everything that must hold of the segments, whatever they were made from.
void check_segments(const LargePacket& large) {
  const auto segments = Segments::of(large.bytes, large.inner, large.left);
  ASSERT_TRUE(segments.has_value());
  const bool is_tcp = large.inner.protocol == kProtocolTcp;
  const bool is_v6 = large.inner.source.is_v6();
  const std::size_t transport = large.inner.transport;
  const std::size_t header = transport + transport_header_size(large.bytes, large.inner);
  ByteVector payload;
  for (std::size_t i = 0; i < segments->count(); ++i) {
    SCOPED_TRACE(i);
    const bool last = i + 1 == segments->count();
    ByteVector one(segments->size(i));
    segments->write(i, one);
    const auto inner = parse_inner(one);
    ASSERT_TRUE(inner.has_value());
    EXPECT_EQ(inner->size, one.size());
    EXPECT_EQ(inner->source, large.inner.source);
    EXPECT_EQ(inner->destination, large.inner.destination);
    EXPECT_EQ(inner->ecn, large.inner.ecn);
    ASSERT_LE(one.size(), header + large.left.segment_size);
    EXPECT_TRUE(last || one.size() == header + large.left.segment_size);
    if (!is_v6) {
      EXPECT_EQ(test::slow_sum(Bytes(one).first(transport)), 0xffff);
      EXPECT_EQ(get16(one, 4), (get16(large.bytes, 4) + i) & 0xffffU);
    }
    if (is_tcp) {
      EXPECT_EQ(sequence_of(one, transport),
                sequence_of(large.bytes, transport) + static_cast<unsigned>(payload.size()));
      const unsigned flags = std::to_integer<unsigned>(one[transport + 13]);
      const unsigned whole = std::to_integer<unsigned>(large.bytes[transport + 13]);
      EXPECT_EQ(flags, whole & (last ? 0xffU : ~0x09U) & (i == 0 ? 0xffU : ~0x80U));
    } else {
      EXPECT_EQ(get16(one, transport + 4), one.size() - transport);
    }
    ASSERT_TRUE(complete_checksum(one, *inner).has_value());
    EXPECT_EQ(test::slow_transport_sum(inner->source, inner->destination, inner->protocol,
                                       Bytes(one).subspan(transport)),
              0xffff);
    append(payload, Bytes(one).subspan(header));
  }
  EXPECT_EQ(payload, large.payload);
}

TEST(Segments, ManyShapes) {
  const test::PacketOptions v4_ip{};
  const test::PacketOptions v6_ip{
      .source = v6("fd00::1"), .destination = v6("fd00::2"), .traffic_class = 2};
  for (const auto& ip : {v4_ip, v6_ip}) {
    for (const bool is_tcp : {true, false}) {
      for (const int segment_size : {1, 2, 99, 1000, 1340}) {
        for (const std::size_t payload : {1U, 98U, 99U, 100U, 999U, 1000U, 3000U, 60000U}) {
          SCOPED_TRACE(testing::Message() << is_tcp << " " << segment_size << " " << payload);
          if (payload / static_cast<unsigned>(segment_size) > 1000) continue;
          check_segments(large_packet({.ip = ip,
                                       .is_tcp = is_tcp,
                                       .payload_size = payload,
                                       .segment_size = static_cast<std::uint16_t>(segment_size)}));
        }
      }
    }
  }
}

TEST(Segments, TcpFlagsAndOptions) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    check_segments(large_packet({.ip = {},
                                 .tcp_flags = flags,
                                 .tcp_options = ByteVector(12, std::byte{1}),
                                 .payload_size = 2500,
                                 .segment_size = 1000}));
  }
}

TEST(Segments, TheSequenceNumberWraps) {
  LargePacket large = large_packet({.ip = {}, .payload_size = 3000, .segment_size = 1000});
  test::set16(large.bytes, 24, 0xffff);
  test::set16(large.bytes, 26, 0xfe00);
  check_segments(large);
}

TEST(Segments, TheFirstForAnAnswer) {
  const LargePacket large = large_packet({.ip = {}, .payload_size = 3000, .segment_size = 1000});
  const auto packet = std::make_unique<Packet>();
  copy_bytes(packet->read_area(), large.bytes);
  packet->resize(large.bytes.size());
  const auto segments = Segments::of(packet->data(), large.inner, large.left);
  ASSERT_TRUE(segments.has_value());
  ByteVector first(segments->size(0));
  segments->write(0, first);
  segments->shrink_to_first(*packet);
  EXPECT_EQ(to_hex(packet->data()), to_hex(first));
}

TEST(Segments, WhatIsNoLargePacket) {
  const LargePacket tcp = large_packet({.ip = {}, .payload_size = 3000, .segment_size = 1000});
  const LargePacket udp =
      large_packet({.ip = {}, .is_tcp = false, .payload_size = 3000, .segment_size = 1000});
  const auto refused = [](const LargePacket& packet) {
    return !Segments::of(packet.bytes, packet.inner, packet.left).has_value();
  };
  EXPECT_FALSE(refused(tcp));
  LargePacket bad = tcp;
  bad.left.segment_size = 0;
  EXPECT_TRUE(refused(bad));
  bad = tcp;
  bad.left.segmentation = Segmentation::Udp;
  EXPECT_TRUE(refused(bad));
  bad = udp;
  bad.left.segmentation = Segmentation::Tcp4;
  EXPECT_TRUE(refused(bad));
  bad = tcp;
  bad.inner.fragment = Fragment::First;
  EXPECT_TRUE(refused(bad));
  bad = tcp;
  bad.bytes[32] = std::byte{0xf0};  // a header longer than what follows it
  bad.inner.size = 60;
  EXPECT_TRUE(refused(bad));
  EXPECT_TRUE(refused(large_packet({.ip = {}, .payload_size = 0, .segment_size = 1000})));
}

}  // namespace
}  // namespace ipop::dataplane
