#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace ipop::engine {

/// When the statement set is evaluated and written: at once where statements come one by one,
/// seldom while a burst lasts (a newcomer to a large network gets thousands within seconds). Either
/// costs as much as the set is large, however little of it is new. The pauses follow from the
/// number of statements, since nothing here can measure what an evaluation takes.
class StatementPace {
 public:
  /// Between two evaluations for what others made; doubled while more keeps coming.
  static constexpr Duration kPauseMin = std::chrono::milliseconds(100);
  static constexpr Duration kPauseMax = std::chrono::seconds(1);
  /// A pause is at least so long for each statement of the set, which keeps evaluations to a small
  /// share of a processor: one takes a few microseconds for each.
  static constexpr Duration kPausePerStatement = std::chrono::microseconds(50);
  static constexpr Duration kStorePause = std::chrono::seconds(1);

  /// Statements of others joined the set: both are owed, soon.
  void handle_joined(Instant now);
  /// Something hangs on the next evaluation, or the time changes the answer: it must not wait.
  void demand_evaluation() { demanded_ = true; }
  /// What joined since the last evaluation is not in its answer.
  bool is_evaluation_owed() const { return evaluate_at_ != Instant::max() || demanded_; }
  bool is_evaluation_due(Instant now) const { return demanded_ || evaluate_at_ <= now; }
  bool is_store_owed() const { return store_at_ != Instant::max(); }
  bool is_store_due(Instant now) const { return store_at_ <= now; }
  void handle_evaluated(Instant now, std::size_t statements);
  void handle_stored(Instant now);
  Instant deadline() const { return std::min(evaluate_at_, store_at_); }

  std::uint64_t evaluations() const { return evaluations_; }

 private:
  bool demanded_ = false;
  Instant evaluate_at_ = Instant::max();
  Instant evaluated_at_ = Instant::min();
  Duration pause_{};  ///< after the last evaluation
  Instant store_at_ = Instant::max();
  Instant store_next_ = Instant::min();  ///< no sooner
  std::uint64_t evaluations_ = 0;
};

}  // namespace ipop::engine
