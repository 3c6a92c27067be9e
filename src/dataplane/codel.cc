#include "dataplane/codel.h"

#include <algorithm>

namespace ipop::dataplane {
namespace {

/// Signals come so often after this long without the queue having drained that an end of theirs
/// counts as the same congestion going on (RFC 8289, section 5.5: 16 intervals).
constexpr Duration kRecent = 16 * Codel::kInterval;

/// The integer square root, by Newton's steps from above. Requires: n > 0.
std::uint64_t square_root(std::uint64_t n) {
  std::uint64_t root = n;
  for (std::uint64_t next = (root + 1) / 2; next < root; next = (root + n / root) / 2) root = next;
  return root;
}

}  // namespace

bool Codel::is_above(Instant now, Duration waited, bool is_last) {
  if (waited < kTarget || is_last) {
    was_above_ = false;
    return false;
  }
  if (!was_above_) {
    was_above_ = true;
    above_until_ = now + kInterval;
  }
  return now >= above_until_;
}

/// The control law (section 5.3): the n-th signal comes interval / sqrt(n) after the one before,
/// which makes a sender's rate sink evenly.
Instant Codel::next_after(Instant then) const {
  constexpr std::uint64_t kScale = 1024;  // of the root, for its digits behind the point
  const std::uint64_t root = square_root(std::uint64_t{count_} * kScale * kScale);
  return then + kInterval * static_cast<std::int64_t>(kScale) / static_cast<std::int64_t>(root);
}

bool Codel::is_congested(Instant now, Duration waited, bool is_last) {
  const bool above = is_above(now, waited, is_last);
  if (!above) {
    signalling_ = false;
    return false;
  }
  if (signalling_) {
    if (now < next_) return false;
    ++count_;
    next_ = next_after(next_);
    return true;
  }
  // Begun anew: at the rate that was enough, where that is not long ago.
  const std::uint32_t needed = count_ - count_then_;
  count_ = count_ != 0 && now - next_ < kRecent ? std::max(needed, 1U) : 1;
  count_then_ = count_;
  signalling_ = true;
  next_ = next_after(now);
  return true;
}

}  // namespace ipop::dataplane
