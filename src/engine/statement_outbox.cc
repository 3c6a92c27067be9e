#include "engine/statement_outbox.h"

#include <algorithm>

namespace ipop::engine {
namespace {

/// A GRANT needs its issuer's, an ADMIT two of them; GENESIS and ROLL decide whom all of them name
/// as the root. A REVOKE goes before what would give its target anything, an ADMIT or a device's
/// GRANT: whoever gets all of this never takes a former member for one.
unsigned order_of(const wire::Statement& statement) {
  constexpr unsigned kRevoke = 2 + 16;
  constexpr unsigned kAfterRevokes = kRevoke + 1;
  if (std::holds_alternative<wire::Genesis>(statement.body)) return 0;
  if (std::holds_alternative<wire::Roll>(statement.body)) return 1;
  if (std::holds_alternative<wire::Revoke>(statement.body)) return kRevoke;
  const auto* grant = std::get_if<wire::Grant>(&statement.body);
  if (grant == nullptr || grant->kind == wire::GrantKind::Device) return kAfterRevokes;
  return 2U + grant->rank;
}

}  // namespace

void StatementOutbox::add(Instant now, const member::StatementSet& set,
                          const std::vector<wire::StatementId>& ids) {
  if (waiting_.empty()) next_at_ = std::max(next_at_, now);
  for (const wire::StatementId& id : ids) {
    if (const auto* stored = set.find(id)) waiting_.emplace(order_of(stored->statement), id);
  }
}

std::vector<wire::StatementId> StatementOutbox::take_due(Instant now) {
  std::vector<wire::StatementId> out;
  if (deadline() > now) return out;
  while (!waiting_.empty() && out.size() < kBatch) {
    out.push_back(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
  }
  next_at_ = now + kInterval;
  return out;
}

}  // namespace ipop::engine
