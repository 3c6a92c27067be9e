#pragma once

#include "base/error.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// Wakes a thread that waits in its Poller or Sleeper: an eventfd. Any number of notify() before a
/// drain() are one wake-up.
class Wakeup {
 public:
  static Result<Wakeup> open();

  /// Makes fd() readable. Any thread, also from a signal handler.
  void notify() const;
  /// Makes fd() quiet again. Do this before looking at what was announced, not after, or an
  /// announcement between the two is slept over. Returns whether there was one.
  bool drain() const;
  int fd() const { return event_.fd(); }

 private:
  explicit Wakeup(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;
};

}  // namespace ipop::os
