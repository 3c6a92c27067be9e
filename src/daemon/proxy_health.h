#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/address.h"
#include "base/time.h"
#include "control/schema.h"

namespace ipop::daemon {

/// Whether the HTTP proxy is why members cannot be dialled, for `status` and the log: not while
/// anybody is reached through it.
class ProxyHealth {
 public:
  /// Each failing attempt says it again.
  static constexpr Duration kLogAgain = std::chrono::minutes(10);

  void handle_up(const Endpoint& to);
  /// `problem`: what is wrong with the proxy itself; empty: nothing, or it was nobody's fault.
  /// True: problem() is to be logged.
  bool handle_down(Instant now, const Endpoint& to, const std::string& problem);
  const std::optional<control::Health>& problem() const { return problem_; }

 private:
  std::set<Endpoint> up_;
  std::optional<control::Health> problem_;
  std::optional<Instant> logged_at_;
};

}  // namespace ipop::daemon
