#include "dataplane/codel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace ipop::dataplane {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Instant kStart = Instant(std::chrono::seconds(1000));

/// A packet each millisecond, each having waited for `waited`; gives when signals came.
std::vector<Duration> signals_of(Codel& codel, Instant from, milliseconds length, Duration waited) {
  std::vector<Duration> out;
  for (milliseconds t{0}; t < length; ++t) {
    if (codel.is_congested(from + t, waited, false)) out.push_back(t);
  }
  return out;
}

TEST(Codel, ShortWaitsAreNeverSignalled) {
  Codel codel;
  EXPECT_TRUE(
      signals_of(codel, kStart, milliseconds(5000), Codel::kTarget - microseconds(1)).empty());
}

TEST(Codel, ABurstThatDrainsIsNotSignalled) {
  Codel codel;
  for (int burst = 0; burst < 20; ++burst) {
    const Instant begun = kStart + burst * milliseconds(200);
    EXPECT_TRUE(signals_of(codel, begun, milliseconds(99), milliseconds(50)).empty());
    EXPECT_FALSE(codel.is_congested(begun + milliseconds(99), milliseconds(1), false));
  }
}

// RFC 8289, section 5.3: the n-th follows the one before after interval / sqrt(n).
TEST(Codel, AStandingQueueIsSignalledMoreAndMoreOften) {
  Codel codel;
  const auto got = signals_of(codel, kStart, milliseconds(1500), milliseconds(6));
  std::vector<double> want;
  double at = 100;
  for (int n = 1; at < 1500; at += 100 / std::sqrt(n), ++n) want.push_back(at);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double ms = std::chrono::duration<double, std::milli>(got[i]).count();
    EXPECT_GE(ms, want[i] - 0.1);
    EXPECT_LE(ms, want[i] + 1.5) << "a packet a millisecond, and rounding";
  }
}

TEST(Codel, TheLastPacketIsNeverSignalled) {
  Codel codel;
  for (int ms = 0; ms < 2000; ++ms) {
    EXPECT_FALSE(codel.is_congested(kStart + milliseconds(ms), milliseconds(500), true));
  }
}

TEST(Codel, GoesOnAtTheRateThatWasEnoughWhereThatIsNotLongAgo) {
  for (const bool is_recent : {true, false}) {
    Codel codel;
    const auto before = signals_of(codel, kStart, milliseconds(1500), milliseconds(6));
    ASSERT_GT(before.size(), 20U);
    EXPECT_FALSE(codel.is_congested(kStart + milliseconds(1500), milliseconds(1), false));
    const Instant again = kStart + milliseconds(1500) + milliseconds(is_recent ? 300 : 3000);
    const auto after = signals_of(codel, again, milliseconds(300), milliseconds(6));
    if (is_recent) {
      EXPECT_GT(after.size(), 8U);
    } else {
      EXPECT_EQ(after.size(), 3U) << "at 100, 200 and 271 ms";
    }
  }
}

TEST(Codel, ForeverIsNoTrouble) {
  Codel codel;
  std::size_t n = 0;
  for (std::int64_t ms = 0; ms < 2'000'000; ++ms) {
    n += codel.is_congested(kStart + milliseconds(ms), milliseconds(6), false) ? 1U : 0U;
  }
  EXPECT_GT(n, 1'000'000U) << "in the end nearly each";
}

}  // namespace
}  // namespace ipop::dataplane
