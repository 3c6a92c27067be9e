// Packets that a third member carries.
#include <gtest/gtest.h>

#include "dataplane/inner_packet.h"
#include "dataplane/three_nodes.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::kNetwork;
using test::packet_of;
using test::ThreeNodes;

std::optional<Drop> dropped(const InboundAction& action) {
  const auto* drop = std::get_if<Dropped>(&action);
  return drop == nullptr ? std::nullopt : std::optional(drop->reason);
}

/// What a node's worker makes of a datagram, one step at a time.
struct Step {
  InboundVerdict verdict;
  ByteVector bytes;  ///< what the datagram is now; of what passes through, sealed again
  std::optional<Way> to;
};

Step arrives(const ThreeNodes::Person& at, const Way& from, Bytes datagram, Ecn ecn = Ecn::NotEct) {
  ByteVector buffer = to_vector(datagram);
  MutableBytes view(buffer);
  Step out{.verdict = inbound(at.snapshot, at_second(5), from, ecn, view), .bytes = {}, .to = {}};
  if (const auto* next = std::get_if<RelayOn>(&out.verdict.action)) {
    out.to = relay(at.snapshot, *next, 1, buffer);
    out.bytes = buffer;
  } else {
    out.bytes = to_vector(view);
  }
  return out;
}

class RelayTest : public testing::Test {
 protected:
  /// Alice's datagram for the relay that carries this packet to bob.
  ByteVector sealed_by_alice(Bytes ip) {
    const auto packet = packet_of(ip);
    const auto verdict = outbound(nodes_.alice.snapshot, kNetwork, 1, at_second(5), {}, *packet);
    const auto* send = std::get_if<SendDatagram>(&verdict);
    EXPECT_NE(send, nullptr);
    if (send != nullptr) { EXPECT_EQ(send->to, nodes_.relay.endpoint); }
    return to_vector(packet->data());
  }
  /// A payload of alice's choice on her session with the relay.
  Step relay_gets(Bytes plaintext, std::uint8_t flags = 0) {
    const auto packet = packet_of(plaintext);
    EXPECT_TRUE(nodes_.alice_relay.lower->seal(1, flags, *packet));
    return arrives(nodes_.relay, nodes_.alice.endpoint, packet->data());
  }
  /// An inner datagram as bob's worker sees it, handed on by the relay.
  Step bob_gets(Bytes inner) {
    const auto sealed =
        nodes_.bob_relay.upper->seal_control(wire::relayed_payload(ThreeNodes::kToBob, inner));
    EXPECT_TRUE(sealed);
    return arrives(nodes_.bob, nodes_.relay.endpoint, *sealed);
  }

  ThreeNodes nodes_;
};

TEST_F(RelayTest, ReachesTheOtherEndAsItWas) {
  const ByteVector ip = nodes_.packet(100);
  const ByteVector sent = sealed_by_alice(ip);
  EXPECT_EQ(sent.size(), ip.size() + wire::kDataOverhead + 37);

  const Step passed = arrives(nodes_.relay, nodes_.alice.endpoint, sent);
  ASSERT_TRUE(std::holds_alternative<RelayOn>(passed.verdict.action));
  EXPECT_EQ(passed.to, nodes_.bob.endpoint);
  EXPECT_EQ(passed.bytes.size(), sent.size());

  const Step unwrapped = arrives(nodes_.bob, nodes_.relay.endpoint, passed.bytes);
  const auto* relayed = std::get_if<Relayed>(&unwrapped.verdict.action);
  ASSERT_NE(relayed, nullptr);
  EXPECT_EQ(relayed->from, Way::relay(ThreeNodes::kRelay, ThreeNodes::kFromBob));

  const Step opened = arrives(nodes_.bob, relayed->from, unwrapped.bytes);
  ASSERT_TRUE(std::holds_alternative<WriteToTun>(opened.verdict.action));
  EXPECT_EQ(to_hex(opened.bytes), to_hex(ip));
  EXPECT_EQ(opened.verdict.report, nodes_.alice_bob.upper->local()) << "first on the keypair";
}

TEST_F(RelayTest, ThePacketIsSealedEndToEnd) {
  const ByteVector ip = nodes_.packet(100);
  ByteVector sent = sealed_by_alice(ip);
  MutableBytes at_relay(sent);
  ASSERT_TRUE(nodes_.alice_relay.upper->open(at_relay));
  const auto relayed = wire::parse_relayed(at_relay);
  ASSERT_TRUE(relayed);
  const std::string seen = to_hex(relayed->datagram);
  EXPECT_EQ(seen.find(to_hex(Bytes(ip).subspan(20, 40))), std::string::npos);
  ByteVector inner = to_vector(relayed->datagram);
  MutableBytes view(inner);
  EXPECT_FALSE(nodes_.alice_relay.upper->open(view));
}

TEST_F(RelayTest, AReplayIsNotPassedOn) {
  const ByteVector sent = sealed_by_alice(nodes_.packet(100));
  ASSERT_TRUE(arrives(nodes_.relay, nodes_.alice.endpoint, sent).to);
  const auto carried = nodes_.allowance.bytes.load();
  for (int i = 0; i < 10; ++i) {
    const Step again = arrives(nodes_.relay, nodes_.alice.endpoint, sent);
    EXPECT_EQ(dropped(again.verdict.action), Drop::Replayed);
    EXPECT_FALSE(again.to);
  }
  EXPECT_EQ(nodes_.allowance.bytes.load(), carried);
}

TEST_F(RelayTest, WhatTheRelayRepeatsIsDroppedAtTheEnd) {
  ByteVector sent = sealed_by_alice(nodes_.packet(100));
  MutableBytes view(sent);
  ASSERT_TRUE(nodes_.alice_relay.upper->open(view));
  const ByteVector inner = to_vector(wire::parse_relayed(view)->datagram);
  const Way way = Way::relay(ThreeNodes::kRelay, ThreeNodes::kFromBob);
  EXPECT_TRUE(std::holds_alternative<WriteToTun>(
      arrives(nodes_.bob, way, bob_gets(inner).bytes).verdict.action));
  EXPECT_EQ(dropped(arrives(nodes_.bob, way, bob_gets(inner).bytes).verdict.action),
            Drop::Replayed);
}

TEST_F(RelayTest, WhatTheRelayChangesIsDroppedAtTheEnd) {
  ByteVector sent = sealed_by_alice(nodes_.packet(100));
  MutableBytes view(sent);
  ASSERT_TRUE(nodes_.alice_relay.upper->open(view));
  const ByteVector inner = to_vector(wire::parse_relayed(view)->datagram);
  const Way way = Way::relay(ThreeNodes::kRelay, ThreeNodes::kFromBob);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    ByteVector changed = inner;
    changed[i] ^= std::byte{1};
    const auto action = arrives(nodes_.bob, way, bob_gets(changed).bytes).verdict.action;
    // Another type byte makes it no DATA: for the engine, as anything from a stranger.
    if (i == 0) {
      EXPECT_TRUE(std::holds_alternative<ToEngine>(action));
    } else {
      EXPECT_TRUE(dropped(action)) << i;
    }
  }
  EXPECT_TRUE(std::holds_alternative<WriteToTun>(
      arrives(nodes_.bob, way, bob_gets(inner).bytes).verdict.action));
}

TEST_F(RelayTest, SenselessLabelsAreDropped) {
  const ByteVector inner(60, std::byte{0xc4});
  const auto with = [&](RelayLabel label) { return wire::relayed_payload(label, inner); };
  EXPECT_EQ(dropped(relay_gets(with(RelayLabel{7})).verdict.action), Drop::UnknownLabel);
  EXPECT_EQ(dropped(relay_gets(with(ThreeNodes::kFromBob)).verdict.action), Drop::UnknownLabel)
      << "a label of another session";
  EXPECT_EQ(dropped(relay_gets(with(RelayLabel{0})).verdict.action), Drop::BadPayload);
  EXPECT_EQ(dropped(relay_gets(*from_hex("10")).verdict.action), Drop::BadPayload);
  EXPECT_EQ(dropped(relay_gets(*from_hex("100a0a0a0a")).verdict.action), Drop::BadPayload);
  EXPECT_EQ(dropped(relay_gets(with(ThreeNodes::kFromAlice), 1).verdict.action), Drop::BadPayload);
  EXPECT_TRUE(relay_gets(with(ThreeNodes::kFromAlice)).to) << "the relay cannot tell what is in it";
}

TEST_F(RelayTest, ARelayedDatagramInsideOfOneIsDropped) {
  // Alice and bob are relays too: what bob gets from her through the relay names a label of bob's.
  const auto inner = nodes_.alice_bob.lower->seal_control(
      wire::relayed_payload(ThreeNodes::kToBob, ByteVector(60, std::byte{0xc4})));
  ASSERT_TRUE(inner);
  nodes_.bob.snapshot.labels[ThreeNodes::kToBob].from = ThreeNodes::kAlice;
  const Way way = Way::relay(ThreeNodes::kRelay, ThreeNodes::kFromBob);
  EXPECT_EQ(dropped(arrives(nodes_.bob, way, *inner).verdict.action), Drop::NestedRelay);
}

TEST_F(RelayTest, OnlyDirectProvenLegsCarry) {
  const auto ask = [&] {
    return relay_gets(wire::relayed_payload(ThreeNodes::kFromAlice, ByteVector(60)));
  };
  PeerRoute& leg = nodes_.relay.snapshot.peers[1];
  leg.way = Way::relay(ThreeNodes::kAlice, RelayLabel{9});
  EXPECT_EQ(dropped(ask().verdict.action), Drop::RelayNoLeg);
  leg.way.reset();
  EXPECT_EQ(dropped(ask().verdict.action), Drop::RelayNoLeg);
  leg.way = nodes_.bob.endpoint;
  leg.send = nullptr;
  EXPECT_EQ(dropped(ask().verdict.action), Drop::RelayNoLeg);
  leg.send = nodes_.bob_relay.upper.get();
  EXPECT_TRUE(ask().to);
  nodes_.relay.snapshot.sessions.at(nodes_.alice_relay.upper->local()).proven = false;
  EXPECT_EQ(dropped(ask().verdict.action), Drop::NotProven);
  nodes_.relay.snapshot.sessions.erase(nodes_.alice_relay.upper->local());  // revoked
  EXPECT_EQ(dropped(ask().verdict.action), Drop::UnknownSession);
}

TEST_F(RelayTest, AnEndSendsThroughADirectProvenHopOnly) {
  const auto try_out = [&] {
    const auto packet = packet_of(nodes_.packet(10));
    return outbound(nodes_.alice.snapshot, kNetwork, 1, at_second(5), {}, *packet);
  };
  ASSERT_TRUE(std::holds_alternative<SendDatagram>(try_out()));
  PeerRoute& hop = nodes_.alice.snapshot.peers[0];
  hop.way = Way::relay(ThreeNodes::kBob, RelayLabel{9});
  EXPECT_TRUE(std::holds_alternative<NeedsSession>(try_out()));
  hop.way = nodes_.relay.endpoint;
  hop.send = nullptr;
  EXPECT_TRUE(std::holds_alternative<NeedsSession>(try_out()));
  nodes_.alice.snapshot.peers[1].way = Way::routed();
  EXPECT_TRUE(std::holds_alternative<NeedsSession>(try_out())) << "control carries those";
}

TEST_F(RelayTest, TheAllowanceHoldsForBothDirectionsTogether) {
  ThreeNodes limited({.limit = 20'000'000});
  const ByteVector payload(1400);
  std::size_t passed = 0;
  for (int i = 0; i < 1000; ++i) {
    auto& from = i % 2 == 0 ? limited.alice_relay.lower : limited.bob_relay.lower;
    const auto label = i % 2 == 0 ? ThreeNodes::kFromAlice : ThreeNodes::kFromBob;
    const auto sealed = from->seal_control(wire::relayed_payload(label, payload));
    const Step step = arrives(limited.relay, limited.alice.endpoint, *sealed);
    if (step.to) {
      passed += step.bytes.size();
    } else {
      EXPECT_EQ(dropped(step.verdict.action), Drop::RelayOverLimit);
    }
  }
  EXPECT_NEAR(static_cast<double>(passed), 250'000, 1500);
  EXPECT_EQ(limited.allowance.bytes.load(), passed);
}

TEST_F(RelayTest, ThirtySevenBytesLessFit) {
  const auto try_size = [&](std::size_t ip_size) {
    const auto packet = packet_of(nodes_.packet(ip_size - 20));
    return outbound(nodes_.alice.snapshot, kNetwork, 1, at_second(5), {}, *packet);
  };
  EXPECT_TRUE(std::holds_alternative<SendDatagram>(try_size(1380 - 37)));
  EXPECT_TRUE(std::holds_alternative<AnswerToTun>(try_size(1380 - 36)));
}

TEST_F(RelayTest, AMarkOfCongestionReachesTheEnd) {
  auto options = nodes_.alice_to_bob();
  options.traffic_class = 2;  // ECT(0)
  const ByteVector sent = sealed_by_alice(test::ip_packet(options, ByteVector(10)));
  const Step passed = arrives(nodes_.relay, nodes_.alice.endpoint, sent);
  const Step unwrapped = arrives(nodes_.bob, nodes_.relay.endpoint, passed.bytes, Ecn::Ce);
  const Way way = std::get<Relayed>(unwrapped.verdict.action).from;
  const Step opened = arrives(nodes_.bob, way, unwrapped.bytes, Ecn::Ce);
  ASSERT_TRUE(std::holds_alternative<WriteToTun>(opened.verdict.action));
  EXPECT_EQ(parse_inner(opened.bytes)->ecn, Ecn::Ce);
}

TEST_F(RelayTest, AHandshakeThroughARelayIsForTheEngine) {
  const ByteVector initiation(200, std::byte{0xc0});
  const Step unwrapped = bob_gets(initiation);
  ASSERT_TRUE(std::holds_alternative<Relayed>(unwrapped.verdict.action));
  const Way way = std::get<Relayed>(unwrapped.verdict.action).from;
  EXPECT_TRUE(
      std::holds_alternative<ToEngine>(arrives(nodes_.bob, way, unwrapped.bytes).verdict.action));
  EXPECT_TRUE(equal_bytes(unwrapped.bytes, initiation));
}

}  // namespace
}  // namespace ipop::dataplane
