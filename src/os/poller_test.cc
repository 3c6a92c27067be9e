#include "os/poller.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <vector>

#include "os/wakeup.h"

namespace ipop::os {
namespace {

struct Pair {
  UniqueFd a, b;
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
};

TEST(Poller, TellsWhichTokenIsReadyForWhat) {
  auto poller = Poller::open();
  ASSERT_TRUE(poller);
  Pair one;
  Pair two;
  ASSERT_TRUE(poller->add(one.a.fd(), 1, Interest::Read));
  ASSERT_TRUE(poller->add(two.a.fd(), UINT64_MAX, Interest::Read | Interest::Write));
  auto ready = poller->wait(Duration::zero());
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0].token, UINT64_MAX);
  EXPECT_FALSE(ready[0].readable);
  EXPECT_TRUE(ready[0].writable);

  ASSERT_TRUE(poller->modify(two.a.fd(), 7, Interest::None));
  ASSERT_EQ(::write(one.b.fd(), "x", 1), 1);
  for (int i = 0; i < 2; ++i) {  // level-triggered: again and again until it is read
    ready = poller->wait(std::nullopt);
    ASSERT_EQ(ready.size(), 1U);
    EXPECT_EQ(ready[0].token, 1U);
    EXPECT_TRUE(ready[0].readable);
    EXPECT_FALSE(ready[0].writable);
  }
}

TEST(Poller, HangUpIsReadable) {
  auto poller = Poller::open();
  Pair pair;
  ASSERT_TRUE(poller->add(pair.a.fd(), 3, Interest::Read));
  pair.b.reset();
  const auto ready = poller->wait(std::nullopt);
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_TRUE(ready[0].readable);
}

TEST(Poller, RemovedAndUnknownDescriptors) {
  auto poller = Poller::open();
  Pair pair;
  ASSERT_TRUE(poller->add(pair.a.fd(), 3, Interest::Write));
  EXPECT_EQ(poller->add(pair.a.fd(), 4, Interest::Write).error().os, EEXIST);
  poller->remove(pair.a.fd());
  poller->remove(pair.a.fd());
  poller->remove(-1);
  EXPECT_TRUE(poller->wait(Duration::zero()).empty());
  EXPECT_EQ(poller->modify(pair.a.fd(), 3, Interest::Read).error().os, ENOENT);
  EXPECT_EQ(poller->add(-1, 3, Interest::Read).error().os, EBADF);
  UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(poller->add(file.fd(), 3, Interest::Read) ||
              poller->add(file.fd(), 3, Interest::Read).error().os == EPERM);
}

TEST(Poller, TimeoutIsNeverEarly) {
  auto poller = Poller::open();
  for (const Duration timeout : {Duration(-5), Duration(0), Duration(1), Duration(1500000)}) {
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_MONOTONIC, &before);
    EXPECT_TRUE(poller->wait(timeout).empty());
    ::clock_gettime(CLOCK_MONOTONIC, &after);
    const Duration took = std::chrono::seconds(after.tv_sec - before.tv_sec) +
                          std::chrono::nanoseconds(after.tv_nsec - before.tv_nsec);
    EXPECT_GE(took, timeout);
  }
}

TEST(Poller, MoreEventsThanItsArrayComeInTurns) {
  auto poller = Poller::open();
  std::vector<Pair> pairs(100);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ASSERT_TRUE(poller->add(pairs[i].a.fd(), i, Interest::Write));
  }
  std::vector<bool> seen(pairs.size(), false);
  for (std::size_t left = pairs.size(); left > 0;) {
    const auto ready = poller->wait(std::nullopt);
    ASSERT_FALSE(ready.empty());
    for (const Ready& r : ready) {
      if (!seen[r.token]) --left;
      seen[r.token] = true;
    }
  }
}

TEST(Poller, Nests) {
  auto inner = Poller::open();
  auto outer = Poller::open();
  auto wakeup = Wakeup::open();
  ASSERT_TRUE(inner->add(wakeup->fd(), 1, Interest::Read));
  ASSERT_TRUE(outer->add(inner->fd(), 2, Interest::Read));
  EXPECT_TRUE(outer->wait(Duration::zero()).empty());
  wakeup->notify();
  ASSERT_EQ(outer->wait(std::nullopt).size(), 1U);
}

}  // namespace
}  // namespace ipop::os
