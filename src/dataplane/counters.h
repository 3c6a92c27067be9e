#pragma once

#include "dataplane/shared.h"

namespace ipop::dataplane {

/// Dropped packets by reason, of all workers.
using DropTotals = std::array<std::uint64_t, kDropCount>;

/// One worker's dropped packets.
class DropCounters {
 public:
  /// The worker's thread only.
  void add(Drop drop, std::uint64_t n = 1) {
    auto& word = words_.counts[static_cast<std::size_t>(drop)];
    word.store(word.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// Any thread.
  std::uint64_t read(Drop drop) const {
    return words_.counts[static_cast<std::size_t>(drop)].load(std::memory_order_relaxed);
  }

 private:
  DropWords words_;
};

}  // namespace ipop::dataplane
