// A device's packets on their way through its host: bob is a member, alice hosts the phone.
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
using test::v4;
using test::v6;

constexpr PeerHandle kBobHandle{1};
constexpr PeerHandle kPhoneHandle{2};
constexpr PeerHandle kAliceHandle{3};

struct Person {
  Ipv4 ip4;
  Ipv6 ip6;
  Endpoint endpoint;
};

class ForwardTest : public ::testing::Test {
 protected:
  ForwardTest() {
    connect(bob_, alice_bob_, SessionIndex{10}, SessionIndex{11}, wire::Framing::Native);
    connect(phone_, alice_phone_, SessionIndex{20}, SessionIndex{21}, wire::Framing::Stock);
    add_peer(alice_, kBobHandle, bob_at_, alice_bob_.get(), false);
    add_peer(alice_, kPhoneHandle, phone_at_, alice_phone_.get(), true);
    add_network(alice_, alice_at_);
    route(alice_, bob_at_, 0);
    route(alice_, phone_at_, 1);
    // Bob reaches the phone through alice.
    add_peer(bob_snapshot_, kAliceHandle, alice_at_, bob_.get(), false);
    add_network(bob_snapshot_, bob_at_);
    route(bob_snapshot_, alice_at_, 0);
    route(bob_snapshot_, phone_at_, 0);
  }

  static void connect(std::unique_ptr<Keypair>& far, std::unique_ptr<Keypair>& near,
                      SessionIndex far_index, SessionIndex near_index, wire::Framing framing) {
    SeededRng rng(far_index.value);
    const auto one = crypto::Secret<32>::random(rng);
    const auto two = crypto::Secret<32>::random(rng);
    const auto make = [&](SessionIndex local, SessionIndex remote, session::TransportKeys keys) {
      return std::make_unique<Keypair>(Keypair::Options{.local = local,
                                                        .remote = remote,
                                                        .suite = crypto::Suite::ChaCha20Poly1305,
                                                        .framing = framing},
                                       std::move(keys));
    };
    far = make(far_index, near_index, {one.clone(), two.clone()});
    near = make(near_index, far_index, {two.clone(), one.clone()});
  }
  static void add_peer(Snapshot& snapshot, PeerHandle handle, const Person& person,
                       Keypair* keypair, bool is_device) {
    snapshot.peers.push_back({.peer = handle,
                              .network = kNetwork,
                              .send = keypair,
                              .way = person.endpoint,
                              .mtu = 1380,
                              .is_device = is_device});
    snapshot.sessions[keypair->local()] = {.keypair = keypair,
                                           .peer = handle,
                                           .network = kNetwork,
                                           .proven = true,
                                           .is_device = is_device,
                                           .source4 = person.ip4,
                                           .source6 = person.ip6,
                                           .way = person.endpoint};
  }
  static void add_network(Snapshot& snapshot, const Person& self) {
    snapshot.networks.push_back({.slot = kNetwork,
                                 .self4 = self.ip4,
                                 .self6 = self.ip6,
                                 .pool = Prefix4::parse("10.83.0.0/16"),
                                 .mtu = 1420,
                                 .routes = {}});
  }
  static void route(Snapshot& snapshot, const Person& to, std::uint32_t peer) {
    snapshot.networks[0].routes[to.ip4] = peer;
    snapshot.networks[0].routes[to.ip6] = peer;
  }
  static ByteVector packet(const IpAddress& source, const IpAddress& destination,
                           std::size_t size = 30) {
    const PacketOptions options{.source = source, .destination = destination};
    return ip_packet(options, test::udp_datagram(options, ByteVector(size, std::byte{9})));
  }

  /// What alice makes of an IP packet that comes in on a session.
  InboundAction arrives(Keypair& from, Bytes ip, std::uint8_t flags = 0) {
    passing_ = packet_of(ip);
    EXPECT_TRUE(from.seal(kControlSender, flags, *passing_));
    return test::receive(alice_, at_second(1), {}, Ecn::NotEct, *passing_).action;
  }
  OutboundVerdict passes(const InboundAction& action) {
    const auto* onward = std::get_if<ForwardIp>(&action);
    EXPECT_NE(onward, nullptr);
    if (onward == nullptr) return Dropped{Drop::NoRoute};
    const auto copy = packet_of(passing_->data());
    const auto verdict = forward(alice_, *onward, 1, at_second(1), *copy);
    passing_ = packet_of(copy->data());
    return verdict;
  }
  static std::optional<Drop> dropped(const InboundAction& action) {
    const auto* drop = std::get_if<Dropped>(&action);
    return drop == nullptr ? std::nullopt : std::optional(drop->reason);
  }

  Person alice_at_{v4("10.83.0.1"), v6("fd00::1"), *Endpoint::parse("192.0.2.1:1000")};
  Person bob_at_{v4("10.83.0.2"), v6("fd00::2"), *Endpoint::parse("192.0.2.2:1000")};
  Person phone_at_{v4("10.83.0.9"), v6("fd00::9"), *Endpoint::parse("192.0.2.9:1000")};
  std::unique_ptr<Keypair> bob_, alice_bob_, phone_, alice_phone_;
  Snapshot alice_;
  Snapshot bob_snapshot_;
  std::unique_ptr<Packet> passing_;
};

// Or a session that only brings packets for a device would count as idle, and be ended.
TEST_F(ForwardTest, WhatGoesOnToADeviceIsUseOfTheSession) {
  ASSERT_EQ(alice_bob_->words().last_ip_received, INT64_MIN);
  ASSERT_TRUE(
      std::holds_alternative<ForwardIp>(arrives(*bob_, packet(bob_at_.ip4, phone_at_.ip4))));
  EXPECT_EQ(Instant(Duration(alice_bob_->words().last_ip_received)), at_second(1));
}

TEST_F(ForwardTest, FromTheDeviceToAMemberAndBack) {
  for (const bool is_v6 : {false, true}) {
    const IpAddress bob = is_v6 ? IpAddress(bob_at_.ip6) : IpAddress(bob_at_.ip4);
    const IpAddress phone = is_v6 ? IpAddress(phone_at_.ip6) : IpAddress(phone_at_.ip4);
    const ByteVector there = packet(phone, bob);
    auto verdict = passes(arrives(*phone_, there));
    ASSERT_TRUE(std::holds_alternative<SendDatagram>(verdict));
    EXPECT_EQ(std::get<SendDatagram>(verdict).to, bob_at_.endpoint);
    const auto at_bob = test::receive(bob_snapshot_, at_second(1), {}, Ecn::NotEct, *passing_);
    ASSERT_TRUE(std::holds_alternative<WriteToTun>(at_bob.action))
        << "alice may speak for the phone that she hosts";
    EXPECT_EQ(to_hex(passing_->data()), to_hex(there));

    const ByteVector back = packet(bob, phone);
    const auto sent = packet_of(back);
    ASSERT_TRUE(std::holds_alternative<SendDatagram>(
        outbound(bob_snapshot_, kNetwork, 1, at_second(1), {}, *sent)));
    passing_ = packet_of(sent->data());
    verdict = passes(test::receive(alice_, at_second(1), {}, Ecn::NotEct, *passing_).action);
    ASSERT_TRUE(std::holds_alternative<SendDatagram>(verdict));
    EXPECT_EQ(std::get<SendDatagram>(verdict).to, phone_at_.endpoint);
    ASSERT_TRUE(test::open(*phone_, *passing_));
    EXPECT_EQ(passing_->size() % 16, 0U) << "padded for WireGuard";
    EXPECT_EQ(to_hex(passing_->data().first(back.size())), to_hex(back));
  }
}

TEST_F(ForwardTest, OurOwnPacketsStay) {
  for (Keypair* from : {bob_.get(), phone_.get()}) {
    const Person& who = from == bob_.get() ? bob_at_ : phone_at_;
    EXPECT_TRUE(std::holds_alternative<WriteToTun>(arrives(*from, packet(who.ip4, alice_at_.ip4))));
  }
}

TEST_F(ForwardTest, NobodySpeaksAsAnother) {
  const struct {
    Keypair* from;
    IpAddress source;
    IpAddress destination;
  } cases[] = {
      {phone_.get(), bob_at_.ip4, alice_at_.ip4},    {phone_.get(), alice_at_.ip4, bob_at_.ip4},
      {phone_.get(), v4("10.83.0.77"), bob_at_.ip4}, {bob_.get(), phone_at_.ip4, alice_at_.ip4},
      {bob_.get(), phone_at_.ip6, alice_at_.ip6},    {bob_.get(), alice_at_.ip4, phone_at_.ip4},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(dropped(arrives(*c.from, packet(c.source, c.destination))), Drop::SpoofedSource);
  }
}

TEST_F(ForwardTest, MembersArePassedOnToDevicesOnly) {
  Person carol{v4("10.83.0.3"), v6("fd00::3"), *Endpoint::parse("192.0.2.3:1000")};
  std::unique_ptr<Keypair> far, near;
  connect(far, near, SessionIndex{30}, SessionIndex{31}, wire::Framing::Native);
  add_peer(alice_, PeerHandle{4}, carol, near.get(), false);
  route(alice_, carol, 2);
  EXPECT_EQ(dropped(arrives(*bob_, packet(bob_at_.ip4, carol.ip4))), Drop::BadInnerDestination);
  EXPECT_EQ(dropped(arrives(*bob_, packet(bob_at_.ip4, bob_at_.ip4))), Drop::BadInnerDestination);
  EXPECT_EQ(dropped(arrives(*phone_, packet(phone_at_.ip4, phone_at_.ip4))),
            Drop::BadInnerDestination);
  EXPECT_EQ(dropped(arrives(*phone_, packet(phone_at_.ip4, v4("192.0.2.1")))),
            Drop::BadInnerDestination);
  EXPECT_TRUE(
      std::holds_alternative<ForwardIp>(arrives(*phone_, packet(phone_at_.ip4, carol.ip4))));
}

TEST_F(ForwardTest, ChecksumsAreFinishedForTheDevice) {
  ByteVector ip = packet(bob_at_.ip4, phone_at_.ip4);
  const auto inner = *parse_inner(ip);
  const auto place = *checksum_place(ip, inner);
  write_partial_checksum(ip, inner, place);
  const auto verdict = passes(arrives(*bob_, ip, wire::kDataFlagCsumPartial));
  ASSERT_TRUE(std::holds_alternative<SendDatagram>(verdict));
  ASSERT_TRUE(test::open(*phone_, *passing_));
  const Bytes segment = passing_->data().subspan(inner.transport, inner.size - inner.transport);
  EXPECT_EQ(test::slow_transport_sum(inner.source, inner.destination, 17, segment), 0xffff);
}

TEST_F(ForwardTest, TooBigIsAnsweredToWhoSentIt) {
  alice_.peers[1].mtu = 1280;
  const auto verdict = passes(arrives(*bob_, packet(bob_at_.ip4, phone_at_.ip4, 1300)));
  ASSERT_TRUE(std::holds_alternative<SendDatagram>(verdict));
  EXPECT_EQ(std::get<SendDatagram>(verdict).to, bob_at_.endpoint);
  const auto at_bob = test::receive(bob_snapshot_, at_second(1), {}, Ecn::NotEct, *passing_);
  ASSERT_TRUE(std::holds_alternative<WriteToTun>(at_bob.action));
  EXPECT_EQ(passing_->data()[9], std::byte{kProtocolIcmp});
}

TEST_F(ForwardTest, WithoutASessionItWaitsForOne) {
  alice_.peers[1].send = nullptr;
  const ByteVector ip = packet(bob_at_.ip4, phone_at_.ip4);
  const auto verdict = passes(arrives(*bob_, ip));
  const auto* waits = std::get_if<NeedsSession>(&verdict);
  ASSERT_NE(waits, nullptr);
  EXPECT_EQ(waits->peer, kPhoneHandle);
  EXPECT_EQ(to_hex(passing_->data()), to_hex(ip));
}

}  // namespace
}  // namespace ipop::dataplane
