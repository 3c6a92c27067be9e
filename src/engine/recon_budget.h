#pragma once

#include <cstddef>

#include "base/token_bucket.h"

namespace ipop::engine {

/// What one member may have us do by RECON frames (PROTOCOL 22): each makes us hash a part of the
/// set, and bring up to wire::kReconRangesMax frames or wire::kReconIdsMax statements in answer.
/// Enough for two sets that differ everywhere; beyond it nothing is answered, and the next
/// comparison of digests goes on where this one stopped.
class ReconBudget {
 public:
  /// Frames, the member's and our answers together.
  static constexpr TokenBucket::Limit kFrames{.per_second = 64, .burst = 1024};
  /// Statements: all of them twice, since some are lost on the way, and then so many.
  static constexpr double kStatementsPerSecond = 64;
  static constexpr double kStatementsSpare = 512;

  /// Whether a frame of the member's is to be answered.
  bool admit(Instant now) { return frames_.take(now, kFrames); }
  /// How many of so many frames may be sent in answer.
  std::size_t take_frames(Instant now, std::size_t wanted) {
    return take(now, frames_, kFrames, wanted);
  }
  /// How many of so many statements may be sent, out of a set of `size`.
  std::size_t take_statements(Instant now, std::size_t wanted, std::size_t size) {
    const double burst = 2 * static_cast<double>(size) + kStatementsSpare;
    return take(now, statements_, {kStatementsPerSecond, burst}, wanted);
  }

 private:
  static std::size_t take(Instant now, TokenBucket& bucket, const TokenBucket::Limit& limit,
                          std::size_t wanted) {
    const auto there = static_cast<std::size_t>(bucket.available(now, limit));
    const std::size_t taken = std::min(there, wanted);
    return bucket.take(now, limit, static_cast<double>(taken)) ? taken : 0;
  }

  TokenBucket frames_;
  TokenBucket statements_;
};

}  // namespace ipop::engine
