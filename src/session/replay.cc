#include "session/replay.h"

#include <algorithm>

namespace ipop::session {
namespace {

constexpr std::uint64_t kWordBits = 64;

}  // namespace

// The bitmap is a ring of words indexed by counter / 64. One word always lies (partly) ahead of the
// greatest counter, which is why one word less than the whole ring is usable.

bool ReplayWindow::would_accept(Counter counter) const {
  if (counter.value >= kRejectFrom) return false;
  if (!any_ || counter.value > greatest_) return true;
  if (greatest_ - counter.value >= kWindow) return false;
  const std::uint64_t word = bits_[counter.value / kWordBits % bits_.size()];
  return (word >> (counter.value % kWordBits) & 1U) == 0;
}

bool ReplayWindow::commit(Counter counter) {
  if (!would_accept(counter)) return false;
  if (!any_ || counter.value > greatest_) {
    const std::uint64_t from = greatest_ / kWordBits;
    const std::uint64_t to = counter.value / kWordBits;
    const std::uint64_t steps = std::min<std::uint64_t>(to - from, bits_.size());
    for (std::uint64_t i = 1; i <= steps; ++i) bits_[(from + i) % bits_.size()] = 0;
    greatest_ = counter.value;
    any_ = true;
  }
  bits_[counter.value / kWordBits % bits_.size()] |= 1ULL << (counter.value % kWordBits);
  return true;
}

}  // namespace ipop::session
