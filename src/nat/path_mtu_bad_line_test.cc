#include "nat/path_mtu_testing.h"

// Lines that lose, hold back and overtake packets, or change: what is not the size must not be
// taken for it.

namespace ipop::nat {
namespace {

using Bench = PathMtuBench;

/// Loss of one packet in twenty, both ways, is no black hole; and one behind it is found all the
/// same. A hundred hours of traffic altogether.
TEST(PathMtu, LossIsNotTakenForSize) {
  std::size_t lost = 0, fell = 0, searches = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Bench b(seed);
    b.loss = 0.05;
    b.use();
    b.run_for(1h);
    lost += b.lost;
    fell += b.changes;
    searches += b.count(kLimit);
    EXPECT_GE(b.lowest, PathMtu::kBase) << seed;
  }
  EXPECT_GT(lost, 1000U);
  EXPECT_GT(searches, 100U * 100U);
  EXPECT_LT(fell, searches / 200) << "of the searches, by chance";

  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Bench b(seed);
    b.loss = 0.05;
    b.size_max = static_cast<std::uint16_t>(1163 + seed);
    b.use();
    b.run_for(20s);
    EXPECT_LE(b.search.mtu(), b.size_max) << seed;
  }
}

/// Half of what is large is dropped for half a minute, as by a relay above its limit: the size may
/// fall, and comes back.
TEST(PathMtu, ALimitOnTheRateIsNotTakenForSizeForLong) {
  std::size_t lost = 0, small = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Bench b(seed);
    b.large_loss = 0.5;
    b.use();
    b.run_for(30s);
    lost += b.lost;
    small += b.search.mtu() < kLimit ? 1U : 0U;
    b.large_loss = 0;
    b.run_for(3min);
    EXPECT_EQ(b.search.mtu(), kLimit) << seed;
  }
  EXPECT_GT(lost, 200U);
  EXPECT_LT(small, 200U / 3);
}

/// Answers overtake each other, and come after the round they belong to.
TEST(PathMtu, ReorderingIsNotTakenForSize) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Bench b(seed);
    b.round_trip = 5ms;
    b.jitter = 200ms;
    b.use();
    b.run_for(1h);
    EXPECT_EQ(b.search.mtu(), kLimit) << seed;
    Bench hole(seed);
    hole.round_trip = 5ms;
    hole.jitter = 200ms;
    hole.size_max = 1333;
    hole.use();
    hole.run_for(10s);
    EXPECT_LE(hole.search.mtu(), 1333) << seed;
    EXPECT_GE(hole.search.mtu(), PathMtu::kBase) << seed;
  }
}

/// The slow model: whatever the limits of the path and the kernel do, some time after they last
/// changed the size in use passes, and is the largest that does but for a step.
TEST(PathMtu, FollowsWhateverHappens) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Bench b(seed);
    b.use();
    for (int k = 0; k < 12; ++k) {
      b.size_max = static_cast<std::uint16_t>(PathMtu::kFloor + b.rng.below(400));
      switch (b.rng.below(4)) {
        case 0:
          b.move();
          break;
        case 1:
          b.search.set_bound(static_cast<std::uint16_t>(PathMtu::kFloor + b.rng.below(400)));
          b.drain();
          break;
        case 2:
          b.rest();
          b.run_for(30s);
          b.use();
          break;
        default:
          break;
      }
      b.loss = b.rng.below(2) == 0 ? 0.05 : 0;
      b.run_for(std::chrono::milliseconds(b.rng.below(5000)));
      b.loss = 0;
      // A raise, the confirmations of what came of it, and another raise.
      b.search.set_bound(kLimit);
      b.drain();
      b.run_for(25min);
      const std::uint16_t best = std::min(b.size_max, kLimit);
      ASSERT_LE(b.search.mtu(), best) << seed << " " << k;
      ASSERT_LT(best - b.search.mtu(), PathMtu::kStep) << seed << " " << k;
    }
  }
}

}  // namespace
}  // namespace ipop::nat
