#pragma once

#include <array>
#include <cstdint>

#include "base/id.h"

namespace ipop::session {

/// Sliding window of received counters, RFC 6479: 8192 bits of which 8128 are usable.
/// would_accept() is asked per packet before opening, commit() after its tag was right. One owner;
/// not thread-safe.
class ReplayWindow {
 public:
  static constexpr std::uint64_t kWindow = 8128;
  /// Counters from here on are refused (WireGuard's REJECT_AFTER_MESSAGES).
  static constexpr std::uint64_t kRejectFrom = UINT64_MAX - (1ULL << 13U);

  /// False for a counter that was committed, is older than the window, or is >= kRejectFrom.
  bool would_accept(Counter counter) const;
  /// Marks it received. False (and no change) where would_accept() is false.
  bool commit(Counter counter);

 private:
  std::array<std::uint64_t, 128> bits_{};
  std::uint64_t greatest_ = 0;
  bool any_ = false;
};

}  // namespace ipop::session
