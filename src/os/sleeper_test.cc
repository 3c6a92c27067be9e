#include "os/sleeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "os/wakeup.h"

namespace ipop::os {
namespace {

class SleeperTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(one_);
    ASSERT_TRUE(two_);
    sleeper_.add(one_->fd());
    sleeper_.add(two_->fd());
  }

  Result<Wakeup> one_ = Wakeup::open();
  Result<Wakeup> two_ = Wakeup::open();
  Sleeper sleeper_;
};

TEST_F(SleeperTest, TellsWhoWokeItUntilThatIsRead) {
  two_->notify();
  for (int i = 0; i < 2; ++i) {
    sleeper_.sleep();
    EXPECT_FALSE(sleeper_.was_woken_by(one_->fd()));
    EXPECT_TRUE(sleeper_.was_woken_by(two_->fd()));
  }
  two_->drain();
  one_->notify();
  sleeper_.sleep();
  EXPECT_TRUE(sleeper_.was_woken_by(one_->fd()));
  EXPECT_FALSE(sleeper_.was_woken_by(two_->fd()));
}

TEST_F(SleeperTest, ALookDoesNotWait) {
  sleeper_.look();
  EXPECT_FALSE(sleeper_.was_woken_by(one_->fd()));
  one_->notify();
  sleeper_.look();
  EXPECT_TRUE(sleeper_.was_woken_by(one_->fd()));
}

TEST_F(SleeperTest, SleepsUntilSomethingComes) {
  std::atomic<bool> sent = false;
  const std::jthread later([&] {
    sent = true;
    one_->notify();
  });
  sleeper_.sleep();
  EXPECT_TRUE(sent);
}

TEST_F(SleeperTest, RemovedAndUnknownDescriptors) {
  one_->notify();
  two_->notify();
  sleeper_.remove(one_->fd());
  sleeper_.remove(12345);
  sleeper_.sleep();
  EXPECT_FALSE(sleeper_.was_woken_by(one_->fd()));
  EXPECT_FALSE(sleeper_.was_woken_by(12345));
  EXPECT_TRUE(sleeper_.was_woken_by(two_->fd()));
}

// Nobody reads again from what is gone: the reader has to learn of it.
TEST_F(SleeperTest, HangUpWakes) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  sleeper_.add(ends[0]);
  ::close(ends[1]);
  sleeper_.sleep();
  EXPECT_TRUE(sleeper_.was_woken_by(ends[0]));
  sleeper_.remove(ends[0]);
  ::close(ends[0]);
}

}  // namespace
}  // namespace ipop::os
