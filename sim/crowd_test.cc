// Goal: what happens to one member of a large network costs by what happens, not by how large the
// network is. Method: two whole nodes among hundreds of members of which there are only statements.

#include <gtest/gtest.h>

#include <set>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMembers = 300;

/// Members by the founder's word; nobody is ever there.
std::vector<ByteVector> make_members(World& world, Node& founder) {
  const engine::StoredIdentity identity = identity_of(founder, "family");
  const auto key =
      crypto::SigningKey::from_seed(*crypto::Secret<32>::from(identity.identity_seed.reveal()));
  std::vector<ByteVector> out;
  for (std::uint32_t n = 0; n < kMembers; ++n) {
    const auto tunnel = crypto::X25519KeyPair::random(world.rng());
    const wire::Grant grant{.issuer = identity.grant,
                            .subject = crypto::SigningKey::random(world.rng()).public_key(),
                            .tunnel_key = tunnel.public_key,
                            .rank = 2,
                            .rights = wire::kRightJoin,
                            .v4 = Ipv4{founder.status().pool->base.value + 1000 + n},
                            .not_before = world.now().wall,
                            .not_after = UnixTime::never(),
                            .name = "ghost-" + std::to_string(n)};
    out.push_back(member::sign_statement({.network = identity.network, .body = grant}, key).bytes);
  }
  return out;
}

TEST(Crowd, AnEventCostsByWhomItConcerns) {
  World world(1);
  make_pair(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  world.run_for(2s);
  const auto members = make_members(world, alice);
  alice.crash();
  add_to_file(alice, "family", members);
  alice.start();
  ASSERT_TRUE(world.run_until(
      [&] {
        return network_of(bob).membership().members().size() == kMembers + 2 &&
               alice.is_online_with("bob") && bob.is_online_with("alice");
      },
      60s));
  world.run_for(60s);
  const auto looks = network_of(alice).peer_looks();
  const auto events = alice.events();
  const auto evaluations = network_of(alice).evaluations();
  const NetworkSlot slot = alice.status().slot;
  const Ipv4 alices = *alice.status().v4;
  const Ipv4 bobs = *bob.status().v4;
  for (int i = 0; i < 600; ++i) {
    alice.send_ip(slot, ip_packet(alices, bobs));
    bob.send_ip(bob.engine().networks().begin()->first, ip_packet(bobs, alices));
    world.run_for(100ms);
  }
  ASSERT_EQ(network_of(alice).evaluations(), evaluations) << "that looks at everybody";
  ASSERT_GE(alice.events() - events, 60U) << "calls, keepalives";
  EXPECT_LE(network_of(alice).peer_looks() - looks, 5 * (alice.events() - events));
}

/// Peers that a node has a session with.
std::size_t peers_of(const Node& node) {
  std::set<PeerHandle> out;
  for (const auto& [index, session] : node.snapshot().sessions) out.insert(session.peer);
  return out.size();
}

// PROTOCOL 10. They hold an invite, or they would hear nothing, and nobody can be admitted.
TEST(Crowd, OfStrangersNoMoreThan256AreKept) {
  constexpr std::size_t kStrangers = 400;
  World world(2);
  make_pair(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  const std::string text = invite(alice, 1000);
  alice.disk_full = true;
  std::vector<Node*> strangers;
  for (std::size_t n = 0; n < kStrangers; ++n) {
    strangers.push_back(&world.add_node());
    world.set_path(*strangers.back(), bob, {.blocked = true});  // who could admit them
    begin_join(*strangers.back(), text, "stranger");
  }
  std::size_t most = 0;
  const bool more = world.run_until(
      [&] {
        most = std::max(most, peers_of(alice));
        return most > engine::Network::kUnprovenMax + 1;
      },
      4s);
  EXPECT_FALSE(more);
  EXPECT_EQ(most, engine::Network::kUnprovenMax + 1) << "bob besides";
  EXPECT_EQ(alice.status().members.size(), 1U) << "nobody was admitted";

  // Members are no strangers, and room comes back by itself.
  bob.crash();
  bob.start();
  EXPECT_TRUE(world.run_until([&] { return bob.is_online_with("alice"); }, 20s));
  for (Node* node : strangers) node->crash();
  EXPECT_TRUE(world.run_until([&] { return peers_of(alice) <= 2; }, 60s));
}

}  // namespace
}  // namespace ipop::sim
