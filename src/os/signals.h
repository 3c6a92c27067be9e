#pragma once

#include <optional>

#include "base/error.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// SIGTERM, SIGINT and SIGHUP as a readable descriptor; SIGPIPE is ignored.
class Signals {
 public:
  /// Blocks the three signals in the calling thread; threads inherit that, so call it in main()
  /// before any thread starts. They stay blocked when the object is gone: a signal that was
  /// pending must not kill the process while it cleans up.
  static Result<Signals> open();

  /// The number of the next signal that came; nullopt when there is none.
  std::optional<int> take() const;
  int fd() const { return signals_.fd(); }

 private:
  explicit Signals(UniqueFd signals) : signals_(std::move(signals)) {}
  UniqueFd signals_;
};

}  // namespace ipop::os
