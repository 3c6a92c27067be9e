#pragma once

#include "base/error.h"
#include "base/time.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// One deadline as a descriptor, for a loop that only waits for descriptors. One thread.
class Timer {
 public:
  static Result<Timer> open();

  /// Readable once `after` (> 0) has passed, until clear(); replaces an earlier deadline.
  void set(Duration after);
  /// Not readable any more, no deadline.
  void clear();
  int fd() const { return timer_.fd(); }

 private:
  explicit Timer(UniqueFd timer) : timer_(std::move(timer)) {}

  UniqueFd timer_;
};

}  // namespace ipop::os
