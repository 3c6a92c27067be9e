// A thousand rings: joining, routing, dying, merging.
#include <gtest/gtest.h>

#include "sim/ring/world.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

struct Figures {
  std::size_t failed = 0;
  std::size_t undeliverable = 0;
  double hops_mean = 0;
  unsigned hops_p99 = 0;
};

/// Routes datagrams between random online pairs, a few at a time, always from the lower number: no
/// one goes back the way of another.
Figures route_random(RingWorld& world, Rng& rng, std::size_t pairs) {
  std::vector<std::size_t> online;
  for (std::size_t i = 0; i < world.size(); ++i) {
    if (world.alive(i)) online.push_back(i);
  }
  std::vector<std::size_t> tags;
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t a = online[rng.below(online.size())];
    const std::size_t b = online[rng.below(online.size())];
    if (a != b) tags.push_back(world.route(std::min(a, b), std::max(a, b)));
    if (i % 20 == 0) world.run_for(20ms);
  }
  world.run_for(6s);
  Figures out;
  std::vector<unsigned> hops;
  for (const std::size_t tag : tags) {
    const RingWorld::Datagram& d = world.datagrams()[tag];
    out.failed += d.arrived ? 0U : 1U;
    out.undeliverable += d.undeliverable ? 1U : 0U;
    if (d.arrived && d.hops != 0) hops.push_back(d.hops);
  }
  std::sort(hops.begin(), hops.end());
  for (const unsigned h : hops) out.hops_mean += h;
  out.hops_mean /= static_cast<double>(hops.size());
  out.hops_p99 = hops[hops.size() * 99 / 100];
  return out;
}

/// `count` members, `online` of them started one after another, until the ring is exact.
void populate(RingWorld& world, std::size_t count, std::size_t online, Duration spread) {
  world.add_members(count);
  for (std::size_t i = 0; i < online; ++i) {
    world.start(i);
    world.run_for(spread / static_cast<std::int64_t>(online));
  }
}

TEST(ThousandRings, JoinAndRouteThoughAThirdOfPairsCannotLink) {
  RingWorld world({.seed = 7, .loss = 0.01, .unlinkable = 0.3});
  populate(world, 2000, 1000, 60s);
  const Instant joined = world.now();
  ASSERT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 60s));
  std::printf("exact %.1f s after the last start\n", seconds(world.now() - joined));
  world.run_for(60s);
  EXPECT_EQ(world.wrong_near(), 0U);
  SeededRng rng(1);
  const Figures f = route_random(world, rng, 10'000);
  std::printf("hops mean %.2f p99 %u, links mean %.1f max %zu\n", f.hops_mean, f.hops_p99,
              world.links_mean(), world.links_max());
  EXPECT_EQ(f.failed, 0U);
  EXPECT_LE(f.hops_mean, 3.5);
  EXPECT_LE(f.hops_p99, 5U);
  EXPECT_LE(world.links_max(), 8U + 16 + 14 + 4);
  EXPECT_GT(world.frames_lost(), 0U);
}

TEST(ThousandRings, SurviveTheDeathOfThirtyInAHundred) {
  RingWorld world({.seed = 11});
  world.add_members(1000);
  world.start_ring(1000);
  world.run_for(40s);
  ASSERT_EQ(world.wrong_near(), 0U);
  SeededRng rng(2);
  for (std::size_t i = 0; i < 1000; ++i) {
    if (rng.below(10) < 3) world.crash(i);
  }
  const Figures at_once = route_random(world, rng, 5000);
  std::printf("failed of 5000 while nobody knew: %zu (%zu told), hops mean %.2f p99 %u\n",
              at_once.failed, at_once.undeliverable, at_once.hops_mean, at_once.hops_p99);
  EXPECT_LE(at_once.failed, 0U);
  // The last death is noticed after 32 s at most; used links, within one.
  world.run_for(33s);
  ASSERT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 10s))
      << world.wrong_near() << " wrong";
  EXPECT_EQ(route_random(world, rng, 2000).failed, 0U);
}

TEST(ThousandRings, BecomeOneFromOneContact) {
  RingWorld world({.seed = 13});
  world.add_members(1000);
  world.start_ring(1000, 2);
  world.run_for(600s);
  ASSERT_EQ(world.wrong_near(), 0U);
  const std::uint64_t frames = world.frames();
  for (std::size_t i = 0; i < 1000; ++i) world.set_group(i, 0);
  // The first split probe or call that meets the other side is the contact.
  ASSERT_TRUE(world.run_until([&] { return world.mixed_links() > 0; }, 60s, 50ms));
  const Instant contact = world.now();
  ASSERT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 60s))
      << world.wrong_near() << " wrong";
  std::printf("one ring %.1f s after the first contact, %.0f frames a node\n",
              seconds(world.now() - contact), static_cast<double>(world.frames() - frames) / 1000);
  EXPECT_LE(seconds(world.now() - contact), 15.0);
  SeededRng rng(3);
  EXPECT_EQ(route_random(world, rng, 2000).failed, 0U);
}

TEST(ThousandRings, PartAndHeal) {
  RingWorld world({.seed = 17, .loss = 0.01});
  world.add_members(300);
  world.start_ring(300);
  world.run_for(60s);
  ASSERT_EQ(world.wrong_near(), 0U);
  for (std::size_t i = 0; i < 300; ++i) world.set_group(i, i % 3 == 0 ? 1 : 0);
  ASSERT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 120s))
      << world.wrong_near() << " wrong while parted";
  world.run_for(300s);
  for (std::size_t i = 0; i < 300; ++i) world.set_group(i, 0);
  const Instant healed = world.now();
  ASSERT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 60s))
      << world.wrong_near() << " wrong";
  std::printf("healed after %.1f s\n", seconds(world.now() - healed));
  EXPECT_LE(seconds(world.now() - healed), 20.0);
}

TEST(ThousandRings, CloseTheGapOfWhoLeavesAtOnce) {
  RingWorld world({.seed = 19});
  world.add_members(300);
  world.start_ring(300);
  world.run_for(60s);
  SeededRng rng(4);
  for (int i = 0; i < 60; ++i) {
    const std::size_t node = rng.below(300);
    if (!world.alive(node)) continue;
    world.leave(node);
    EXPECT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 2s, 50ms)) << i;
  }
}

TEST(ThousandRings, AreNotBrokenByMembersThatLieAndDrop) {
  RingWorld world({.seed = 23});
  world.add_members(300);
  for (std::size_t i = 0; i < 15; ++i) {
    world.set_malice(
        i * 20, i % 2 == 0 ? RingWorld::Malice::LiesAndDrops : RingWorld::Malice::DropsForwards);
  }
  world.start_ring(300);
  world.run_for(120s);
  EXPECT_EQ(world.wrong_near(), 0U);
  // A member that starts now finds its place.
  world.crash(7);
  world.run_for(40s);
  world.start(7);
  EXPECT_TRUE(world.run_until([&] { return world.wrong_near() == 0; }, 30s));
  // Denial is all that they can do: to those whose way leads over them.
  SeededRng rng(5);
  const Figures f = route_random(world, rng, 3000);
  std::printf("failed with 5 %% malicious: %zu of 3000\n", f.failed);
  EXPECT_LE(f.failed, 900U);
}

TEST(ThousandRings, RunTheSameFromTheSameSeed) {
  std::uint64_t traces[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    RingWorld world({.seed = i == 2 ? 30U : 29U, .loss = 0.05});
    populate(world, 60, 60, 10s);
    world.crash(3);
    world.run_for(60s);
    traces[i] = world.trace();
  }
  EXPECT_EQ(traces[0], traces[1]);
  EXPECT_NE(traces[0], traces[2]);
}

}  // namespace
}  // namespace ipop::sim
