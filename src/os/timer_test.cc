#include "os/timer.h"

#include <gtest/gtest.h>

#include "os/test_support.h"

namespace ipop::os {
namespace {

TEST(Timer, ReadableAfterItsTimeUntilCleared) {
  auto timer = Timer::open();
  ASSERT_TRUE(timer);
  EXPECT_FALSE(is_readable(timer->fd()));
  timer->set(std::chrono::milliseconds(1));
  EXPECT_TRUE(wait_readable(timer->fd()));
  EXPECT_TRUE(is_readable(timer->fd())) << "until it is cleared";
  timer->clear();
  EXPECT_FALSE(is_readable(timer->fd()));
}

TEST(Timer, ANewDeadlineReplacesTheOldOne) {
  auto timer = Timer::open();
  ASSERT_TRUE(timer);
  timer->set(std::chrono::milliseconds(1));
  EXPECT_TRUE(wait_readable(timer->fd()));
  timer->set(std::chrono::hours(1));
  EXPECT_FALSE(is_readable(timer->fd()));
  timer->set(Duration(0));
  EXPECT_TRUE(wait_readable(timer->fd())) << "at once is a time, too";
}

}  // namespace
}  // namespace ipop::os
