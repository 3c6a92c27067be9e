#pragma once

#include <set>
#include <utility>
#include <vector>

#include "base/time.h"
#include "member/statement_set.h"

namespace ipop::engine {

/// Statements that one peer is to get because reconciliation found that it has not got them: each
/// once, what others need first, and never faster than the peer's socket buffer drains (a newcomer
/// to a large network lacks thousands).
class StatementOutbox {
 public:
  static constexpr std::size_t kBatch = 64;
  /// With statements of about 250 bytes, 160 kB/s.
  static constexpr Duration kInterval = std::chrono::milliseconds(100);

  /// Ids that are not in the set are passed over.
  void add(Instant now, const member::StatementSet& set, const std::vector<wire::StatementId>& ids);
  /// What may go now, in its order.
  std::vector<wire::StatementId> take_due(Instant now);
  /// When take_due() has something.
  Instant deadline() const { return waiting_.empty() ? Instant::max() : next_at_; }

 private:
  std::set<std::pair<unsigned, wire::StatementId>> waiting_;  ///< by what needs what
  Instant next_at_ = Instant::min();
};

}  // namespace ipop::engine
