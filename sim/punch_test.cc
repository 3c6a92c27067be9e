// Goal: a member looks for the ports of those that ask it to, all of them, one after the other.
// Method: members that reach each other through a third one; what their NATs' ports are is handed
// up as their frames, and bystanders stand where the ports are looked for.

#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

const Ipv4 kOuter[] = {{0xcb007132}, {0xcb00713c}};  // 203.0.113.50 and .60

TEST(Punch, WhoAsksWhileAnotherIsLookedForHasItsTurn) {
  World world(1);
  make_trio(world);
  begin_join(world.add_node(), invite(world.node(0)), "dave");
  Node& searcher = world.node(1);
  for (const std::size_t other : {2U, 3U}) {
    world.set_path(searcher, world.node(other), {.blocked = true});
  }
  ASSERT_TRUE(world.run_until(
      [&] { return searcher.is_online_with("carol") && searcher.is_online_with("dave"); }, 20s));
  world.run_for(5s);
  Node* bystanders[] = {&world.add_node(), &world.add_node()};
  for (const std::size_t i : {0U, 1U}) {
    found(*bystanders[i]);
    bystanders[i]->move_to({kOuter[i], 5040});
  }

  for (const std::size_t i : {0U, 1U}) {
    hand_up(searcher, session_with(searcher, world.node(2 + i)), world.node(0).endpoint(),
            wire::Ports{.newest = {kOuter[i], 5001}, .lowest = 5001, .highest = 5100});
  }
  const auto was_asked = [&](std::size_t i) {
    return bystanders[i]->dropped(dataplane::Drop::UnknownSession) != 0;
  };
  EXPECT_TRUE(world.run_until([&] { return was_asked(0) || was_asked(1); }, 5s));
  EXPECT_FALSE(was_asked(1)) << "one at a time: each probe is a mapping in our own router, too";
  EXPECT_TRUE(world.run_until([&] { return was_asked(0) && was_asked(1); }, 10s));
}

}  // namespace
}  // namespace ipop::sim
