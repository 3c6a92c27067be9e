#include <gtest/gtest.h>

#include "dataplane/inner_packet.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::ip_packet;
using test::kNetwork;
using test::packet_of;
using test::PacketOptions;
using test::TwoNodes;
using test::v4;
using test::v6;

OutboundVerdict send(TwoNodes& nodes, Packet& packet) {
  return outbound(nodes.alice.snapshot, kNetwork, 1, at_second(1), {}, packet);
}

std::optional<Drop> dropped(const OutboundVerdict& verdict) {
  const auto* drop = std::get_if<Dropped>(&verdict);
  return drop == nullptr ? std::nullopt : std::optional(drop->reason);
}

TEST(Outbound, SealsForTheRoutesPeer) {
  for (const bool is_v6 : {false, true}) {
    TwoNodes nodes;
    PacketOptions options = nodes.alice_to_bob(is_v6);
    options.traffic_class = 2;
    const ByteVector original = ip_packet(options, to_vector(as_bytes("hello bob")));
    const auto packet = packet_of(original);
    const auto verdict = send(nodes, *packet);
    const auto* sent = std::get_if<SendDatagram>(&verdict);
    ASSERT_NE(sent, nullptr);
    EXPECT_EQ(sent->to, nodes.bob.endpoint);
    EXPECT_EQ(sent->ecn, Ecn::Ect0) << "RFC 6040: the inner mark is copied out";
    EXPECT_EQ(sent->reports.session, nodes.alice.index);
    EXPECT_EQ(nodes.alice.words.tx_bytes.load(), original.size());

    ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value());
    EXPECT_EQ(to_hex(packet->data()), to_hex(original)) << "TTL and all: a network is one link";
  }
}

TEST(Outbound, PaddingIsNotSent) {
  TwoNodes nodes;
  const ByteVector original = ip_packet(nodes.alice_to_bob(), ByteVector(10));
  ByteVector padded = original;
  padded.resize(original.size() + 30, std::byte{0xcc});
  const auto packet = packet_of(padded);
  ASSERT_TRUE(std::holds_alternative<SendDatagram>(send(nodes, *packet)));
  EXPECT_EQ(packet->size(), original.size() + wire::kDataOverhead);
}

TEST(Outbound, TheFirstIpPacketAndTheFirstAfterAPauseAreReported) {
  using std::chrono::milliseconds;
  TwoNodes nodes;
  const struct {
    milliseconds after;
    bool reported;
  } steps[] = {{milliseconds(0), true},    {milliseconds(0), false},   {milliseconds(400), false},
               {milliseconds(999), false}, {milliseconds(1000), true}, {milliseconds(1), false}};
  Instant at = at_second(10);
  for (const auto& step : steps) {
    at += step.after;
    const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), {}));
    const auto verdict = outbound(nodes.alice.snapshot, kNetwork, 1, at, {}, *packet);
    ASSERT_TRUE(std::holds_alternative<SendDatagram>(verdict));
    EXPECT_EQ(std::get<SendDatagram>(verdict).reports.first_ip, step.reported);
  }
  EXPECT_EQ(nodes.alice.keypair->words().last_ip_sent.load(), at.time_since_epoch().count());
}

TEST(Outbound, RekeyLimitIsReportedOnceAndTheRejectLimitStops) {
  TwoNodes nodes({.limits = {.rekey = 10, .reject = 20}});
  int reports = 0;
  int sent = 0;
  std::optional<Drop> last;
  for (int i = 0; i < 20; ++i) {
    const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), ByteVector(28)));  // 4 blocks
    const auto verdict = send(nodes, *packet);
    if (const auto* datagram = std::get_if<SendDatagram>(&verdict)) {
      reports += datagram->reports.rekey_limit ? 1 : 0;
      ++sent;
    }
    last = dropped(verdict);
  }
  EXPECT_EQ(reports, 1);
  EXPECT_EQ(sent, 5);
  EXPECT_EQ(last, Drop::KeyExpired);
}

TEST(Outbound, WhatIsNotOursOrGoesNowhere) {
  const ByteVector body(16);
  TwoNodes nodes;
  const auto& alice = nodes.alice;
  const auto& bob = nodes.bob;
  const IpAddress stranger4 = v4("10.83.0.99");
  const IpAddress stranger6 = v6("fd00::99");
  const struct {
    const char* name;
    ByteVector packet;
    Drop want;
  } cases[] = {
      {"empty", {}, Drop::BadInner},
      {"version 5", *from_hex("50"), Drop::BadInner},
      {"cut IPv4",
       [&] {
         ByteVector p = ip_packet(nodes.alice_to_bob(), body);
         p.pop_back();
         return p;
       }(),
       Drop::BadInner},
      {"bob's source", ip_packet({.source = bob.ip4, .destination = bob.ip4}, body),
       Drop::ForeignSource},
      {"stranger's source", ip_packet({.source = stranger4, .destination = bob.ip4}, body),
       Drop::ForeignSource},
      {"source 0.0.0.0", ip_packet({.source = v4("0.0.0.0"), .destination = bob.ip4}, body),
       Drop::ForeignSource},
      {"loopback", ip_packet({.source = v4("127.0.0.1"), .destination = bob.ip4}, body),
       Drop::ForeignSource},
      {"bob's v6 source", ip_packet({.source = bob.ip6, .destination = bob.ip6}, body),
       Drop::ForeignSource},
      {"link-local source", ip_packet({.source = v6("fe80::1"), .destination = bob.ip6}, body),
       Drop::ForeignSource},
      {"unspecified v6", ip_packet({.source = v6("::"), .destination = bob.ip6}, body),
       Drop::ForeignSource},
      {"to a stranger", ip_packet({.source = alice.ip4, .destination = stranger4}, body),
       Drop::NoRoute},
      {"to ourselves", ip_packet({.source = alice.ip4, .destination = alice.ip4}, body),
       Drop::NoRoute},
      {"to the Internet", ip_packet({.source = alice.ip4, .destination = v4("8.8.8.8")}, body),
       Drop::NoRoute},
      {"to a v6 stranger", ip_packet({.source = alice.ip6, .destination = stranger6}, body),
       Drop::NoRoute},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto packet = packet_of(c.packet);
    EXPECT_EQ(dropped(send(nodes, *packet)), c.want);
  }
  EXPECT_EQ(nodes.alice.keypair->counter_of(1).load(), 0U) << "nothing was sealed";
  const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), body));
  EXPECT_EQ(dropped(outbound(alice.snapshot, NetworkSlot{8}, 1, at_second(1), {}, *packet)),
            Drop::NoRoute);
}

TEST(Outbound, NoSourceIsOursWithoutAnIpv4Address) {
  TwoNodes nodes;
  nodes.alice.snapshot.networks[0].self4.reset();
  const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), {}));
  EXPECT_EQ(dropped(send(nodes, *packet)), Drop::ForeignSource);
}

TEST(Outbound, WithoutSessionOrPathThePacketGoesToControlUnchanged) {
  for (const bool has_path : {false, true}) {
    TwoNodes nodes;
    PeerRoute& peer = nodes.alice.snapshot.peers[0];
    if (has_path) {
      peer.send = nullptr;
    } else {
      peer.way.reset();
    }
    const ByteVector original = ip_packet(nodes.alice_to_bob(), ByteVector(2000));
    const auto packet = packet_of(original);
    const auto verdict = send(nodes, *packet);
    ASSERT_TRUE(std::holds_alternative<NeedsSession>(verdict));
    EXPECT_EQ(std::get<NeedsSession>(verdict).peer, peer.peer);
    EXPECT_TRUE(equal_bytes(packet->data(), original));
  }
}

TEST(Outbound, MtuIsTheLargestPacketThatGoes) {
  for (const bool is_v6 : {false, true}) {
    TwoNodes nodes({.mtu = 1380});
    const std::size_t header = is_v6 ? 40 : 20;
    const ByteVector fits = ip_packet(nodes.alice_to_bob(is_v6), ByteVector(1380 - header));
    const auto packet = packet_of(fits);
    EXPECT_TRUE(std::holds_alternative<SendDatagram>(send(nodes, *packet)));

    const ByteVector too_big = ip_packet(nodes.alice_to_bob(is_v6), ByteVector(1381 - header));
    const auto refused = packet_of(too_big);
    const auto verdict = send(nodes, *refused);
    ASSERT_TRUE(std::holds_alternative<AnswerToTun>(verdict));
    EXPECT_EQ(std::get<AnswerToTun>(verdict).counted, Drop::TooBig);
    const auto answer = parse_inner(refused->data());
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->destination, nodes.alice_to_bob(is_v6).source);
    EXPECT_EQ(test::get16(refused->data(), answer->transport + 6), 1380U);
  }
}

// An IPv4 packet that may be fragmented comes from our own kernel, which learns from the answer.
TEST(Outbound, TooBigWithoutDfIsAnsweredToo) {
  TwoNodes nodes({.mtu = 1300});
  PacketOptions options = nodes.alice_to_bob();
  options.fragment = 0;
  const auto packet = packet_of(ip_packet(options, ByteVector(1400)));
  EXPECT_TRUE(std::holds_alternative<AnswerToTun>(send(nodes, *packet)));
}

TEST(Outbound, TooBigThatMayNotBeAnsweredIsDropped) {
  TwoNodes nodes({.mtu = 1300});
  PacketOptions options = nodes.alice_to_bob();
  options.protocol = 1;
  ByteVector error(1400);
  error[0] = std::byte{3};
  const auto packet = packet_of(ip_packet(options, error));
  EXPECT_EQ(dropped(send(nodes, *packet)), Drop::TooBig);
}

TEST(Outbound, ClampsTheMssOfASyn) {
  TwoNodes nodes({.mtu = 1380});
  PacketOptions options = nodes.alice_to_bob();
  options.protocol = 6;
  const auto packet = packet_of(
      ip_packet(options, test::tcp_segment(options, test::kTcpSyn, *from_hex("020405b4"))));
  ASSERT_TRUE(std::holds_alternative<SendDatagram>(send(nodes, *packet)));
  ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value());
  EXPECT_EQ(test::get16(packet->data(), 42), 1340U);
  EXPECT_EQ(
      test::slow_transport_sum(options.source, options.destination, 6, packet->data().subspan(20)),
      0xffff);
}

}  // namespace
}  // namespace ipop::dataplane
