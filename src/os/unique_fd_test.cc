#include "os/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace ipop::os {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesOnce) {
  const int fd = open_null();
  {
    UniqueFd a(fd);
    UniqueFd b(std::move(a));
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that is the point
    EXPECT_EQ(b.fd(), fd);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, AssignmentClosesWhatWasHeld) {
  const int first = open_null();
  const int second = open_null();
  UniqueFd a(first);
  UniqueFd b(second);
  a = std::move(b);
  EXPECT_FALSE(is_open(first));
  EXPECT_EQ(a.fd(), second);
  UniqueFd& same = a;
  a = std::move(same);
  EXPECT_TRUE(is_open(second));
}

TEST(UniqueFd, ReleaseGivesAway) {
  UniqueFd a(open_null());
  const int fd = a.release();
  EXPECT_FALSE(a);
  EXPECT_TRUE(is_open(fd));
  a.reset(fd);
  a.reset();
  EXPECT_FALSE(is_open(fd));
}

}  // namespace
}  // namespace ipop::os
