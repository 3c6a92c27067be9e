// The map is what the simulator says that it is.
#include "sim/terrain.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

TEST(Terrain, DelaysAreFortyMillisecondsOnTheAverageAndAtMostAHundredAndFifty) {
  Duration sum{};
  Duration most{};
  constexpr std::size_t kNodes = 400;
  for (std::size_t a = 0; a < kNodes; ++a) {
    for (std::size_t b = 0; b < kNodes; ++b) {
      const Duration delay = Terrain({.seed = 1}).delay(a, b);
      EXPECT_GE(delay, 5ms);
      EXPECT_EQ(delay, Terrain({.seed = 1}).delay(b, a));
      sum += delay;
      most = std::max(most, delay);
    }
  }
  EXPECT_GT(sum / (kNodes * kNodes), 37ms);
  EXPECT_LT(sum / (kNodes * kNodes), 43ms);
  EXPECT_LE(most, 150ms);
  EXPECT_GT(most, 120ms);
}

TEST(Terrain, BlocksTheShareOfPairsThatIsAskedFor) {
  const Terrain terrain({.seed = 2, .unlinkable = 0.3, .open = 10});
  std::size_t blocked = 0;
  for (std::size_t a = 0; a < 300; ++a) {
    for (std::size_t b = a + 1; b < 300; ++b) {
      EXPECT_EQ(terrain.is_blocked(a, b), terrain.is_blocked(b, a));
      if (a < 10) { EXPECT_FALSE(terrain.is_blocked(a, b)); }
      blocked += terrain.is_blocked(a, b) ? 1U : 0U;
    }
  }
  const double share = static_cast<double>(blocked) / (290.0 * 289.0 / 2);
  EXPECT_NEAR(share, 0.3, 0.01);
}

}  // namespace
}  // namespace ipop::sim
