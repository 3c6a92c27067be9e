#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/time.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// What to wait for; combine with |.
enum class Interest : std::uint8_t { None = 0, Read = 1, Write = 2 };
constexpr Interest operator|(Interest a, Interest b) {
  return static_cast<Interest>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}

/// One descriptor that can go on without blocking. Hang-up and error count as both, so that the
/// next read or write tells what happened.
struct Ready {
  std::uint64_t token = 0;
  bool readable = false;
  bool writable = false;
};

/// Level-triggered epoll. A descriptor is known to the caller by a token of its own choice, never
/// by a pointer: an event for something that is gone is a look-up miss there. One thread.
class Poller {
 public:
  static Result<Poller> open();

  Result<void> add(int fd, std::uint64_t token, Interest interest);
  Result<void> modify(int fd, std::uint64_t token, Interest interest);
  /// Before the descriptor is closed. An unknown one is not an error.
  void remove(int fd);

  /// Waits for events or `timeout` (nullopt: for ever; zero or negative: not at all; rounded up,
  /// never early). Empty after the timeout or a signal. Valid until the next wait().
  std::span<const Ready> wait(std::optional<Duration> timeout);

  /// Readable when wait() would return something: pollers nest.
  int fd() const { return epoll_.fd(); }

 private:
  static constexpr std::size_t kEventsMax = 64;  // the rest comes with the next wait()

  explicit Poller(UniqueFd epoll) : epoll_(std::move(epoll)) {}
  Result<void> control(int operation, int fd, std::uint64_t token, Interest interest);

  UniqueFd epoll_;
  std::array<epoll_event, kEventsMax> events_{};
  std::array<Ready, kEventsMax> ready_{};
};

}  // namespace ipop::os
