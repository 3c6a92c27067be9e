#pragma once

#include <algorithm>

#include "base/time.h"

namespace ipop {

/// So many at once, and then so many a second. Full before its first use.
class TokenBucket {
 public:
  struct Limit {
    double per_second = 0;
    double burst = 0;
  };

  double available(Instant now, const Limit& limit) const {
    if (!used_) return limit.burst;
    const auto passed = std::chrono::duration<double>(std::max(Duration(0), now - at_));
    return std::min(limit.burst, tokens_ + limit.per_second * passed.count());
  }
  /// Whether there are so many; takes nothing if not.
  bool take(Instant now, const Limit& limit, double tokens = 1) {
    const double there = available(now, limit);
    const bool enough = there >= tokens;
    tokens_ = enough ? there - tokens : there;
    at_ = now;
    used_ = true;
    return enough;
  }
  /// Says the same as one that was never used.
  bool is_full(Instant now, const Limit& limit) const {
    return available(now, limit) >= limit.burst;
  }

 private:
  bool used_ = false;
  double tokens_ = 0;
  Instant at_{};
};

}  // namespace ipop
