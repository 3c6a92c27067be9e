#include "os/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <string>

#include "os/test_support.h"

namespace ipop::os {
namespace {

/// The service manager's end.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const std::string path = folder_ / "notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Manager() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  std::string take() const {
    std::array<char, 4096> buffer{};
    const ssize_t n = ::recv(socket_.fd(), buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
  }

 private:
  TestFolder folder_;
  UniqueFd socket_;
};

TEST(Notify, TellsTheManager) {
  const Manager manager;
  notify_ready("2 networks");
  EXPECT_EQ(manager.take(), "READY=1\nSTATUS=2 networks");
  notify_status("3 networks");
  EXPECT_EQ(manager.take(), "STATUS=3 networks");
  notify_watchdog();
  EXPECT_EQ(manager.take(), "WATCHDOG=1");
  notify_stopping("bye");
  EXPECT_EQ(manager.take(), "STOPPING=1\nSTATUS=bye");
}

TEST(Notify, AStatusCannotBringItsOwnAssignment) {
  const Manager manager;
  notify_status(std::string_view("x\nMAINPID=1\r\0y", 14));
  EXPECT_EQ(manager.take(), "STATUS=x MAINPID=1  y");
}

TEST(Notify, WithoutAManagerNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  notify_ready("alone");
  notify_watchdog();
  ::setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
  notify_status("nobody there");
  ::unsetenv("NOTIFY_SOCKET");
}

TEST(Notify, WatchdogIntervalIsHalfTheLimit) {
  const Manager manager;
  EXPECT_EQ(watchdog_interval(), std::nullopt);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(watchdog_interval(), Duration(std::chrono::seconds(15)));
  ::setenv("WATCHDOG_PID", "1", 1);  // meant for another process
  EXPECT_EQ(watchdog_interval(), std::nullopt);
  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_EQ(watchdog_interval(), std::nullopt);
}

}  // namespace
}  // namespace ipop::os
