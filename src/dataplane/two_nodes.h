#pragma once

#include <memory>

#include "dataplane/pipeline.h"
#include "dataplane/test_packets.h"

/// Two members, alice and bob, with one keypair between them and a snapshot each: for this
/// folder's tests and fuzz targets.
namespace ipop::dataplane::test {

inline std::unique_ptr<Packet> packet_of(Bytes bytes) {
  auto packet = std::make_unique_for_overwrite<Packet>();
  copy_bytes(packet->read_area(), bytes);
  packet->resize(bytes.size());
  return packet;
}

/// Narrows a packet to a part of it.
inline void narrow(Packet& packet, Bytes part) {
  packet.pop_front(static_cast<std::size_t>(part.data() - packet.data().data()));
  packet.resize(part.size());
}

/// inbound() and Keypair::open() of a packet.
inline InboundVerdict receive(const Snapshot& snapshot, Instant now, const Way& from, Ecn outer,
                              Packet& packet) {
  MutableBytes view = packet.data();
  auto verdict = inbound(snapshot, now, from, outer, view);
  narrow(packet, view);
  return verdict;
}
inline Result<wire::Data> open(Keypair& keypair, Packet& packet) {
  MutableBytes view = packet.data();
  auto header = keypair.open(view);
  narrow(packet, view);
  return header;
}

inline Instant at_second(std::int64_t s) { return Instant(std::chrono::seconds(s)); }

struct Node {
  Ipv4 ip4;
  Ipv6 ip6;
  Endpoint endpoint;
  SessionIndex index;
  std::unique_ptr<Keypair> keypair;
  PeerWords words;
  Snapshot snapshot;
};

struct TwoNodesOptions {
  crypto::Suite suite = crypto::Suite::Aes256Gcm;
  std::uint16_t mtu = 1380;
  BlockLimits limits{};
  bool proven = true;
  wire::Framing framing = wire::Framing::Native;
  crypto::Backend backend = crypto::Backend::Openssl;
};

inline constexpr NetworkSlot kNetwork{3};

class TwoNodes {
 public:
  explicit TwoNodes(const TwoNodesOptions& options = {}) {
    alice.ip4 = v4("10.83.0.1");
    alice.ip6 = v6("fd00::1");
    alice.endpoint = *Endpoint::parse("192.0.2.1:1000");
    alice.index = SessionIndex{0xa11ce};
    bob.ip4 = v4("10.83.0.2");
    bob.ip6 = v6("fd00::2");
    bob.endpoint = *Endpoint::parse("[2001:db8::2]:2000");
    bob.index = SessionIndex{0xb0b};

    SeededRng rng(77);
    const auto one = crypto::Secret<32>::random(rng);
    const auto two = crypto::Secret<32>::random(rng);
    make_keypair(alice, bob.index, {one.clone(), two.clone()}, options);
    make_keypair(bob, alice.index, {two.clone(), one.clone()}, options);
    fill_snapshot(alice, bob, options);
    fill_snapshot(bob, alice, options);
  }

  /// An IP packet of alice's for bob.
  PacketOptions alice_to_bob(bool is_v6 = false) const {
    if (is_v6) return {.source = alice.ip6, .destination = bob.ip6};
    return {.source = alice.ip4, .destination = bob.ip4};
  }
  /// What bob's worker makes of a plaintext that alice really sealed.
  InboundVerdict deliver(Bytes plaintext, std::unique_ptr<Packet>& packet, Ecn outer = Ecn::NotEct,
                         std::uint8_t flags = 0) {
    packet = packet_of(plaintext);
    check(alice.keypair->seal(1, flags, *packet).has_value());
    return receive(bob.snapshot, at_second(5), alice.endpoint, outer, *packet);
  }

  Node alice;
  Node bob;

 private:
  static void make_keypair(Node& node, SessionIndex remote, session::TransportKeys keys,
                           const TwoNodesOptions& options) {
    node.keypair = std::make_unique<Keypair>(Keypair::Options{.local = node.index,
                                                              .remote = remote,
                                                              .suite = options.suite,
                                                              .framing = options.framing,
                                                              .workers = 2,
                                                              .limits = options.limits,
                                                              .backend = options.backend},
                                             std::move(keys));
  }

  static void fill_snapshot(Node& node, const Node& peer, const TwoNodesOptions& options) {
    constexpr PeerHandle kPeer{9};
    NetworkEntry network{.slot = kNetwork,
                         .self4 = node.ip4,
                         .self6 = node.ip6,
                         .pool = Prefix4::parse("10.83.0.0/16"),
                         .mtu = 1400,
                         .routes = {}};
    network.routes[peer.ip4] = 0;
    network.routes[peer.ip6] = 0;
    node.snapshot.networks.push_back(std::move(network));
    node.snapshot.peers.push_back({.peer = kPeer,
                                   .network = kNetwork,
                                   .send = node.keypair.get(),
                                   .way = peer.endpoint,
                                   .mtu = options.mtu,
                                   .words = &node.words});
    node.snapshot.sessions[node.index] = {.keypair = node.keypair.get(),
                                          .peer = kPeer,
                                          .network = kNetwork,
                                          .proven = options.proven,
                                          .source4 = peer.ip4,
                                          .source6 = peer.ip6,
                                          .way = peer.endpoint,
                                          .words = &node.words};
  }
};

}  // namespace ipop::dataplane::test
