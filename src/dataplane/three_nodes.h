#pragma once

#include "dataplane/two_nodes.h"

/// Alice and bob, who reach each other through a relay only, with a snapshot each: for this
/// folder's tests.
namespace ipop::dataplane::test {

struct ThreeNodesOptions {
  std::uint16_t mtu = 1380;  ///< of each leg
  BitsPerSecond limit = 0;
  bool proven = true;  ///< alice to the relay
};

class ThreeNodes {
 public:
  static constexpr PeerHandle kAlice{1};
  static constexpr PeerHandle kRelay{2};
  static constexpr PeerHandle kBob{3};
  /// By which each receives: the relay from alice, the relay from bob, alice, bob.
  static constexpr RelayLabel kFromAlice{0x0a0a0a0a};
  static constexpr RelayLabel kFromBob{0x0b0b0b0b};
  static constexpr RelayLabel kToAlice{0x1a1a1a1a};
  static constexpr RelayLabel kToBob{0x1b1b1b1b};

  struct Person {
    Ipv4 ip4;
    Ipv6 ip6;
    Endpoint endpoint;
    PeerWords words;
    Snapshot snapshot;
  };
  /// Both ends of a session.
  struct Pair {
    std::unique_ptr<Keypair> lower;
    std::unique_ptr<Keypair> upper;
  };

  explicit ThreeNodes(const ThreeNodesOptions& options = {}) {
    place(alice, "10.83.0.1", "fd00::1", "192.0.2.1:1000");
    place(relay, "10.83.0.2", "fd00::2", "192.0.2.2:1000");
    place(bob, "10.83.0.3", "fd00::3", "192.0.2.3:1000");
    connect(alice_relay, 10);
    connect(bob_relay, 20);
    connect(alice_bob, 30);

    add_peer(alice, kRelay, relay, alice_relay.lower.get(), relay.endpoint, options.mtu);
    add_peer(alice, kBob, bob, alice_bob.lower.get(), Way::relay(kRelay, kFromAlice), options.mtu);
    alice.snapshot.labels[kToAlice] = {kRelay, LabelEnd{Way::relay(kRelay, kFromAlice)}};

    add_peer(bob, kRelay, relay, bob_relay.lower.get(), relay.endpoint, options.mtu);
    add_peer(bob, kAlice, alice, alice_bob.upper.get(), Way::relay(kRelay, kFromBob), options.mtu);
    bob.snapshot.labels[kToBob] = {kRelay, LabelEnd{Way::relay(kRelay, kFromBob)}};

    add_peer(relay, kAlice, alice, alice_relay.upper.get(), alice.endpoint, options.mtu);
    add_peer(relay, kBob, bob, bob_relay.upper.get(), bob.endpoint, options.mtu);
    relay.snapshot.sessions.at(alice_relay.upper->local()).proven = options.proven;
    relay.snapshot.labels[kFromAlice] = {
        kAlice, LabelForward{1, kToBob, &circuit, &allowance, options.limit}};
    relay.snapshot.labels[kFromBob] = {
        kBob, LabelForward{0, kToAlice, &circuit, &allowance, options.limit}};
  }

  PacketOptions alice_to_bob() const { return {.source = alice.ip4, .destination = bob.ip4}; }
  /// An IP packet of alice's for bob with a payload of this size.
  ByteVector packet(std::size_t size) const {
    return ip_packet(alice_to_bob(), ByteVector(size, std::byte{0x42}));
  }

  Person alice;
  Person relay;
  Person bob;
  Pair alice_relay;  ///< lower: alice's
  Pair bob_relay;    ///< lower: bob's
  Pair alice_bob;    ///< lower: alice's
  CircuitWords circuit;
  AllowanceWords allowance;

 private:
  static void place(Person& person, const char* ip4, const char* ip6, const char* endpoint) {
    person.ip4 = v4(ip4);
    person.ip6 = v6(ip6);
    person.endpoint = *Endpoint::parse(endpoint);
    person.snapshot.networks.push_back({.slot = kNetwork,
                                        .self4 = person.ip4,
                                        .self6 = person.ip6,
                                        .pool = Prefix4::parse("10.83.0.0/16"),
                                        .mtu = 1420,
                                        .routes = {}});
  }
  static void connect(Pair& pair, std::uint32_t index) {
    SeededRng rng(index);
    const auto one = crypto::Secret<32>::random(rng);
    const auto two = crypto::Secret<32>::random(rng);
    const auto make = [](std::uint32_t local, std::uint32_t remote, session::TransportKeys keys) {
      return std::make_unique<Keypair>(Keypair::Options{.local = SessionIndex{local},
                                                        .remote = SessionIndex{remote},
                                                        .suite = crypto::Suite::Aes256Gcm,
                                                        .workers = 2},
                                       std::move(keys));
    };
    pair.lower = make(index, index + 1, {one.clone(), two.clone()});
    pair.upper = make(index + 1, index, {two.clone(), one.clone()});
  }
  /// A relayed way leads through the first peer.
  static void add_peer(Person& at, PeerHandle handle, const Person& person, Keypair* keypair,
                       const Way& way, std::uint16_t leg_mtu) {
    const auto index = static_cast<std::uint32_t>(at.snapshot.peers.size());
    const std::size_t around = way.is_direct() ? 0 : wire::kRelayOverhead;
    at.snapshot.peers.push_back({.peer = handle,
                                 .network = kNetwork,
                                 .send = keypair,
                                 .way = way,
                                 .mtu = static_cast<std::uint16_t>(leg_mtu - around),
                                 .words = &at.words});
    at.snapshot.sessions[keypair->local()] = {.keypair = keypair,
                                              .peer = handle,
                                              .network = kNetwork,
                                              .proven = true,
                                              .source4 = person.ip4,
                                              .source6 = person.ip6,
                                              .way = way,
                                              .words = &at.words};
    at.snapshot.networks[0].routes[person.ip4] = index;
    at.snapshot.networks[0].routes[person.ip6] = index;
  }
};

}  // namespace ipop::dataplane::test
