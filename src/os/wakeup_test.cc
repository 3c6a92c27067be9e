#include "os/wakeup.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "os/test_support.h"

namespace ipop::os {
namespace {

TEST(Wakeup, ManyNotificationsAreOneWakeUp) {
  const auto wakeup = Wakeup::open();
  ASSERT_TRUE(wakeup);
  EXPECT_FALSE(wakeup->drain());
  EXPECT_FALSE(is_readable(wakeup->fd()));
  for (int i = 0; i < 1000; ++i) wakeup->notify();
  EXPECT_TRUE(is_readable(wakeup->fd()));
  EXPECT_TRUE(wakeup->drain());
  EXPECT_FALSE(wakeup->drain());
  EXPECT_FALSE(is_readable(wakeup->fd()));
}

TEST(Wakeup, ReachesAnotherThread) {
  const auto wakeup = Wakeup::open();
  std::jthread other([&] { wakeup->notify(); });
  EXPECT_TRUE(wait_readable(wakeup->fd()));
}

TEST(Wakeup, LeavesErrnoAlone) {
  const auto wakeup = Wakeup::open();
  const std::uint64_t full = UINT64_MAX - 1;
  ASSERT_EQ(::write(wakeup->fd(), &full, sizeof full), ssize_t{sizeof full});
  errno = EDOM;
  wakeup->notify();  // would block: the counter is full
  EXPECT_EQ(errno, EDOM);
  EXPECT_TRUE(wakeup->drain());
}

}  // namespace
}  // namespace ipop::os
