#include "os/signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "os/test_support.h"

namespace ipop::os {
namespace {

/// Gives the test program its mask back.
struct MaskKeeper {
  sigset_t before{};
  MaskKeeper() { ::pthread_sigmask(SIG_SETMASK, nullptr, &before); }
  ~MaskKeeper() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
};

TEST(Signals, ComeAsNumbers) {
  const MaskKeeper keeper;
  const auto signals = Signals::open();
  ASSERT_TRUE(signals);
  EXPECT_EQ(signals->take(), std::nullopt);
  EXPECT_FALSE(is_readable(signals->fd()));
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ::raise(signal);
    EXPECT_TRUE(is_readable(signals->fd()));
    EXPECT_EQ(signals->take(), signal);
    EXPECT_EQ(signals->take(), std::nullopt);
  }
}

TEST(Signals, ThreadsInheritTheBlock) {
  const MaskKeeper keeper;
  const auto signals = Signals::open();
  std::thread([] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) EXPECT_EQ(sigismember(&mask, signal), 1);
    EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
  }).join();
}

TEST(Signals, AClosedPipeIsAnErrorNotTheEnd) {
  const MaskKeeper keeper;
  const auto signals = Signals::open();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

}  // namespace
}  // namespace ipop::os
