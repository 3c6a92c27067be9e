#include "os/clock.h"

#include <gtest/gtest.h>

#include <ctime>

namespace ipop::os {
namespace {

TEST(Clock, NeverGoesBack) {
  Instant last = now().at;
  for (int i = 0; i < 10000; ++i) {
    const Instant next = now().at;
    ASSERT_GE(next, last);
    last = next;
  }
}

TEST(Clock, WallIsTheSystemsBetweenTwoOfItsReadings) {
  timespec before{};
  timespec after{};
  ::clock_gettime(CLOCK_REALTIME, &before);
  const Now n = now();
  ::clock_gettime(CLOCK_REALTIME, &after);
  EXPECT_GE(n.wall.seconds, static_cast<std::uint64_t>(before.tv_sec));
  EXPECT_LE(n.wall.seconds, static_cast<std::uint64_t>(after.tv_sec));
  EXPECT_LT(n.wall_nanoseconds, 1'000'000'000U);
}

TEST(Clock, InstantIsTheBootClock) {
  timespec before{};
  ::clock_gettime(CLOCK_BOOTTIME, &before);
  const Duration floor =
      std::chrono::seconds(before.tv_sec) + std::chrono::nanoseconds(before.tv_nsec);
  EXPECT_GE(now().at.time_since_epoch(), floor);
}

}  // namespace
}  // namespace ipop::os
