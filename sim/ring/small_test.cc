// Small worlds: every start, death and farewell in random order, many seeds. At rest the near links
// are exact and symmetric, everybody reaches everybody, and nobody has more links than allowed.
#include <gtest/gtest.h>

#include "sim/ring/world.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

/// Without loss at once; else a datagram that was lost on a way back may be sent again, as
/// handshakes are.
void expect_all_reach_all(RingWorld& world, std::uint64_t seed, bool lossy) {
  std::vector<std::size_t> tags;
  for (std::size_t a = 0; a < world.size(); ++a) {
    for (std::size_t b = 0; b < world.size(); ++b) {
      if (a != b && world.alive(a) && world.alive(b)) tags.push_back(world.route(a, b));
    }
    world.run_for(200ms);
  }
  world.run_for(5s);
  for (int again = 0; lossy && again < 3; ++again) {
    for (std::size_t& tag : tags) {
      const RingWorld::Datagram d = world.datagrams()[tag];
      if (!d.arrived) tag = world.route(d.from, d.to);
    }
    world.run_for(5s);
  }
  for (const std::size_t tag : tags) {
    EXPECT_TRUE(world.datagrams()[tag].arrived)
        << "seed " << seed << ": " << world.datagrams()[tag].from << " to "
        << world.datagrams()[tag].to;
  }
}

class SmallWorlds : public testing::TestWithParam<std::size_t> {};

TEST_P(SmallWorlds, SettleAfterAnyOrderOfStartsAndEnds) {
  const std::size_t count = GetParam();
  const std::uint64_t seeds = count > 20 ? 25 : 200;
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    RingWorld world({.seed = seed * 1000 + count, .loss = seed % 2 == 0 ? 0.02 : 0});
    SeededRng rng(seed);
    world.add_members(count);
    for (std::size_t step = 0; step < count + 8; ++step) {
      const std::size_t node = rng.below(count);
      if (!world.alive(node)) {
        world.start(node);
      } else if (step >= count / 2 && rng.below(3) == 0) {
        rng.below(2) == 0 ? world.crash(node) : world.leave(node);
      }
      world.run_for(Duration(static_cast<std::int64_t>(rng.below(4'000'000'000))));
    }
    const bool settled = world.run_until([&] { return world.wrong_near() == 0; }, 120s);
    EXPECT_TRUE(settled) << "seed " << seed << ": " << world.wrong_near() << " wrong";
    world.run_for(40s);
    EXPECT_EQ(world.wrong_near(), 0U) << "seed " << seed;
    expect_all_reach_all(world, seed, seed % 2 == 0);
    EXPECT_LE(world.links_max(), 8U + 16 + 14);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, SmallWorlds, testing::Values(2, 3, 9, 10, 33));

}  // namespace
}  // namespace ipop::sim
