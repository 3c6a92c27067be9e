// Goal: thousands of statements cost a node a few evaluations and a write a second, and still
// nobody keeps what a REVOKE takes. Method: whole nodes in virtual time; evaluations and writes are
// counted.

#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;
using engine::FileKind;

TEST(Burst, ANewcomerTakesInAThousandsOfStatementsWithFewEvaluationsAndWrites) {
  World world(1);
  world.default_path = {.delay = 20ms, .jitter = 10ms};
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  alice.crash();
  add_to_file(alice, "family", make_statements(alice, "family", 2000));
  alice.start();
  begin_join(bob, invite(alice), "bob");
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 10s));
  ASSERT_LT(statements_stored(bob, "family"), 100U) << "the burst is still to come";
  const std::uint64_t evaluations = network_of(bob).evaluations();
  const std::uint64_t stores = bob.stores(FileKind::Statements);
  const Instant begun = world.at();
  ASSERT_TRUE(world.run_until([&] { return statements_stored(bob, "family") > 2000; }, 20s));
  const auto seconds = static_cast<std::uint64_t>((world.at() - begun) / 1s) + 1;
  EXPECT_LE(network_of(bob).evaluations() - evaluations, 10U + seconds);
  EXPECT_LE(bob.stores(FileKind::Statements) - stores, 3U + seconds);
}

TEST(Burst, WhoIsKickedDuringOneIsCutOffAtOnce) {
  World world(2);
  make_trio(world);
  Node& alice = world.node(0);
  Node& carol = world.node(2);
  world.run_for(5s);
  ASSERT_TRUE(carol.is_online_with("bob"));
  const std::uint64_t evaluations = network_of(carol).evaluations();
  const auto statements = make_statements(alice, "family", 3000);
  const SessionIndex session = session_with(carol, alice);
  std::size_t next = 0;
  const auto hand_up_one = [&] {
    hand_up(carol, session, alice.endpoint(), wire::StatementFrame{statements.at(next++)});
    world.run_for(1ms);
  };
  while (next < 2000) hand_up_one();
  ASSERT_LE(network_of(carol).evaluations() - evaluations, 10U) << "evaluations are put off";
  world.set_path(world.node(1), carol, {.blocked = true});  // no BYE of his
  ASSERT_TRUE(alice.engine().kick(alice.now(), {}, "bob").has_value());
  alice.drain();
  const Instant kicked = world.at();
  while (carol.is_online_with("bob") && next < statements.size()) hand_up_one();
  EXPECT_LE(world.at() - kicked, world.default_path.delay + 5ms);
  EXPECT_FALSE(carol.is_online_with("bob"));
  world.run_for(2s);
  EXPECT_EQ(carol.status().epoch, Epoch{1});
}

TEST(Burst, WhatOthersMadeIsOnTheDiskWithinASecond) {
  World world(3);
  make_pair(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  world.run_for(5s);
  const std::uint64_t stores = bob.stores(FileKind::Statements);
  for (int i = 0; i < 50; ++i) {
    invite(alice);
    world.run_for(10ms);
  }
  EXPECT_LE(bob.stores(FileKind::Statements) - stores, 2U);
  world.run_for(1100ms);
  EXPECT_EQ(statements_stored(bob, "family"), statements_stored(alice, "family"));
  EXPECT_LE(bob.stores(FileKind::Statements) - stores, 3U);
  bob.crash();
  bob.start();
  EXPECT_EQ(bob.status().invites.size(), 50U);
}

}  // namespace
}  // namespace ipop::sim
