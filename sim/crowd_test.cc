// Goal: what happens to one member of a large network costs by what happens, not by how large the
// network is. Method: two whole nodes among hundreds of members of which there are only statements.

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ipop::sim
