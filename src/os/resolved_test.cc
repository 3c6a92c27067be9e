#include "os/resolved.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/test_support.h"
#include "os/wakeup.h"

namespace ipop::os {
namespace {

/// A bus with a resolved on it, at the address that sd-bus looks for: the D-Bus protocol is real
/// (sd-bus's own server side), what is said is written down.
class FakeBus {
 public:
  enum class Mood : std::uint8_t {
    Works,
    NoResolved,      ///< nobody has the name
    OldResolved,     ///< knows no SetLinkDNSOverTLS
    Refuses,         ///< answers every call with an error
    Silent,          ///< takes calls and never answers
    SilentFromBirth  ///< accepts the connection and says nothing
  };

  explicit FakeBus(Mood mood) : mood_(mood) {
    const std::string path = folder_ / "bus";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_.fd(), 1), 0);
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + path).c_str(), 1);
    if (mood != Mood::SilentFromBirth) thread_ = std::jthread([this] { serve(); });
  }
  ~FakeBus() {
    stop_.store(true);
    wakeup_->notify();
    if (thread_.joinable()) thread_.join();
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  }
  FakeBus(const FakeBus&) = delete;
  FakeBus& operator=(const FakeBus&) = delete;

  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  void serve() {
    pollfd p[2] = {{.fd = socket_.fd(), .events = POLLIN, .revents = 0},
                   {.fd = wakeup_->fd(), .events = POLLIN, .revents = 0}};
    ::poll(p, 2, -1);
    const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    sd_bus* bus = nullptr;
    sd_id128_t id{};
    EXPECT_GE(sd_id128_randomize(&id), 0);
    EXPECT_GE(sd_bus_new(&bus), 0);
    EXPECT_GE(sd_bus_set_fd(bus, fd, fd), 0);
    EXPECT_GE(sd_bus_set_server(bus, 1, id), 0);
    EXPECT_GE(sd_bus_add_filter(bus, nullptr, &FakeBus::on_message, this), 0);
    EXPECT_GE(sd_bus_start(bus), 0);
    while (!stop_.load()) {
      const int r = sd_bus_process(bus, nullptr);
      if (r < 0) break;  // the client has gone
      if (r > 0) continue;
      pollfd both[2] = {{.fd = fd, .events = POLLIN, .revents = 0}, p[1]};
      ::poll(both, 2, -1);
    }
    sd_bus_flush_close_unref(bus);
  }

  static int on_message(sd_bus_message* m, void* self, sd_bus_error*) {
    return static_cast<FakeBus*>(self)->answer(m);
  }
  int answer(sd_bus_message* m) {
    if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "Hello") > 0) {
      return sd_bus_reply_method_return(m, "s", ":1.7");
    }
    if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "GetNameOwner") > 0) {
      if (mood_ != Mood::NoResolved) return sd_bus_reply_method_return(m, "s", ":1.2");
      return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "nobody");
    }
    if (sd_bus_message_is_method_call(m, "org.freedesktop.resolve1.Manager", nullptr) <= 0) {
      return 0;
    }
    const std::string member = sd_bus_message_get_member(m);
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(member + render(m));
    }
    EXPECT_EQ(sd_bus_message_get_auto_start(m), 0);
    EXPECT_STREQ(sd_bus_message_get_destination(m), "org.freedesktop.resolve1");
    EXPECT_STREQ(sd_bus_message_get_path(m), "/org/freedesktop/resolve1");
    if (mood_ == Mood::Silent) return 1;
    if (mood_ == Mood::Refuses) {
      return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "no");
    }
    if (mood_ == Mood::OldResolved && member == "SetLinkDNSOverTLS") {
      return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_METHOD, "what?");
    }
    return sd_bus_reply_method_return(m, "");
  }

  /// The arguments as text, of whatever types they are.
  static std::string render(sd_bus_message* m) {
    std::string out;
    char type = 0;
    const char* contents = nullptr;
    while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
      out += " ";
      switch (type) {
        case 'a':
        case 'r':
          sd_bus_message_enter_container(m, type, contents);
          out += type == 'a' ? "[" + render(m) + " ]" : "(" + render(m) + " )";
          sd_bus_message_exit_container(m);
          break;
        case 's': {
          const char* text = nullptr;
          sd_bus_message_read_basic(m, type, &text);
          out += std::string("\"") + text + "\"";
          break;
        }
        default: {
          union {
            std::uint8_t byte;
            std::int32_t number;
            std::uint16_t small;
          } value{};
          sd_bus_message_read_basic(m, type, &value);
          out += type;
          out += type == 'y'   ? std::to_string(value.byte)
                 : type == 'q' ? std::to_string(value.small)
                               : std::to_string(value.number);
        }
      }
    }
    return out;
  }

  Mood mood_;
  TestFolder folder_;
  UniqueFd socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Result<Wakeup> wakeup_ = Wakeup::open();
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::jthread thread_;
};

using Mood = FakeBus::Mood;

const LinkDns kDns = {.servers = {*Endpoint::parse("10.83.0.1:53")},
                      .routing_domains = {"family.internal"}};

TEST(Resolved, SetsTheLinkUpAndBack) {
  FakeBus bus(Mood::Works);
  auto resolved = Resolved::connect();
  ASSERT_TRUE(resolved) << resolved.error().what;
  ASSERT_TRUE(resolved->configure_link(7, kDns));
  ASSERT_TRUE(resolved->revert_link(7));
  const std::vector<std::string> expected = {
      "SetLinkDefaultRoute i7 b0",
      "SetLinkDomains i7 [ ( \"family.internal\" b1 ) ]",
      "SetLinkDNSSEC i7 \"no\"",
      "SetLinkDNSOverTLS i7 \"no\"",
      "SetLinkDNS i7 [ ( i2 [ y10 y83 y0 y1 ] ) ]",
      "RevertLink i7",
  };
  EXPECT_EQ(bus.calls(), expected);
}

TEST(Resolved, OtherPortsNeedTheLongForm) {
  FakeBus bus(Mood::Works);
  auto resolved = Resolved::connect();
  ASSERT_TRUE(resolved);
  ASSERT_TRUE(resolved->configure_link(
      3, {.servers = {*Endpoint::parse("10.83.0.1:5300"), *Endpoint::parse("[fd00::1]:0")},
          .routing_domains = {"a.internal", "b.internal"}}));
  const auto calls = bus.calls();
  ASSERT_EQ(calls.size(), 5U);
  EXPECT_EQ(calls[1], "SetLinkDomains i3 [ ( \"a.internal\" b1 ) ( \"b.internal\" b1 ) ]");
  EXPECT_EQ(calls[4],
            "SetLinkDNSEx i3 [ ( i2 [ y10 y83 y0 y1 ] q5300 \"\" ) ( i10 [ y253 y0 y0 y0 y0 y0 y0 "
            "y0 y0 y0 y0 y0 y0 y0 y0 y1 ] q0 \"\" ) ]");
}

TEST(Resolved, AnOldOneIsGoodEnough) {
  FakeBus bus(Mood::OldResolved);
  auto resolved = Resolved::connect();
  ASSERT_TRUE(resolved);
  EXPECT_TRUE(resolved->configure_link(7, kDns));
  EXPECT_EQ(bus.calls().size(), 5U);
}

TEST(Resolved, ARefusalIsAnError) {
  FakeBus bus(Mood::Refuses);
  auto resolved = Resolved::connect();
  ASSERT_TRUE(resolved);
  const auto configured = resolved->configure_link(7, kDns);
  ASSERT_FALSE(configured);
  EXPECT_EQ(configured.error().code, Errc::Denied);
  EXPECT_NE(configured.error().what.find("SetLinkDefaultRoute"), std::string_view::npos);
  EXPECT_EQ(bus.calls().size(), 1U);
  EXPECT_FALSE(resolved->revert_link(7));
}

TEST(Resolved, AbsentIsNotFound) {
  FakeBus bus(Mood::NoResolved);
  const auto resolved = Resolved::connect();
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, Errc::NotFound);
}

TEST(Resolved, NoBusIsNotFound) {
  for (const char* address : {"unix:path=/nonexistent/bus", "nonsense", ""}) {
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    if (*address == '\0') ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:", 1);
    const auto resolved = Resolved::connect();
    ASSERT_FALSE(resolved) << address;
    EXPECT_EQ(resolved.error().code, Errc::NotFound) << address;
  }
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

TEST(Resolved, SilenceEndsAtTheLimit) {
  {
    FakeBus bus(Mood::SilentFromBirth);
    const auto resolved = Resolved::connect();
    ASSERT_FALSE(resolved);
    EXPECT_EQ(resolved.error().os, ETIMEDOUT);
  }
  FakeBus bus(Mood::Silent);
  auto resolved = Resolved::connect();
  ASSERT_TRUE(resolved);
  const auto configured = resolved->configure_link(7, kDns);
  ASSERT_FALSE(configured);
  EXPECT_EQ(configured.error().os, ETIMEDOUT);
}

TEST(Resolved, ABusThatGoesAwayIsAnError) {
  auto bus = std::make_unique<FakeBus>(Mood::Works);
  auto resolved = Resolved::connect();
  ASSERT_TRUE(resolved);
  bus.reset();
  EXPECT_FALSE(resolved->configure_link(7, kDns));
  EXPECT_FALSE(resolved->revert_link(7));
}

}  // namespace
}  // namespace ipop::os
