#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "os/unique_fd.h"

/// What tests of this folder and of the edges need; included by tests alone.
namespace ipop::os {

/// A folder of mode 0700 that goes away with the object.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "ipop-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "mkdtemp";
    path_ = pattern;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Moves this thread into a new network namespace with only a loopback that is up; back in the old
/// one when the object goes away. Needs root, as the tests have it.
class TestNamespace {
 public:
  TestNamespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (!before_ || ::unshare(CLONE_NEWNET) != 0) {
      ADD_FAILURE() << "a network namespace needs root";
      return;
    }
    entered_ = true;
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string("lo").copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    if (::ioctl(socket.fd(), SIOCSIFFLAGS, &request) != 0) ADD_FAILURE() << "lo up";
  }
  TestNamespace(const TestNamespace&) = delete;
  TestNamespace& operator=(const TestNamespace&) = delete;
  ~TestNamespace() {
    if (entered_ && ::setns(before_.fd(), CLONE_NEWNET) != 0) ADD_FAILURE() << "setns";
  }

 private:
  UniqueFd before_;
  bool entered_ = false;
};

/// Waits until `fd` is readable; false after ten seconds, which is a failure and not a pace.
inline bool wait_readable(int fd) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&p, 1, 10000) == 1;
}
inline bool is_readable(int fd) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&p, 1, 0) == 1;
}

}  // namespace ipop::os
