#pragma once

#include <algorithm>
#include <cstddef>

#include "base/time.h"

namespace ipop::nat {

/// How many datagrams one member can make us send to addresses that it names and nobody has
/// checked: kProbesMax an hour, whatever it says. After each hour whose budget was spent in vain
/// the next one is twice as far away, up to a day.
class ProbeBudget {
 public:
  static constexpr std::size_t kProbesMax = 2048;
  static constexpr Duration kTime = std::chrono::hours(1);
  static constexpr Duration kTimeMax = std::chrono::hours(24);

  /// What may still be sent now.
  std::size_t left(Instant now) {
    if (since_ == Instant::min() || since_ + time_ <= now) {
      if (spent_ == kProbesMax) time_ = std::min(2 * time_, kTimeMax);
      since_ = now;
      spent_ = 0;
    }
    return kProbesMax - spent_;
  }
  /// Requires: n <= left() then.
  void spend(std::size_t n) { spent_ += n; }

 private:
  Instant since_ = Instant::min();
  Duration time_ = kTime;
  std::size_t spent_ = 0;
};

}  // namespace ipop::nat
