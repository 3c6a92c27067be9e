#include <algorithm>

#include "member/statement_set.h"

namespace ipop::member {
namespace {

/// Admitters' own chains may be as long as the network is old; whoever is asked to believe a chain
/// holds all but its youngest part already.
constexpr std::size_t kChainDepthMax = 64;
/// A redemption's later ADMITs supply a name or an address, or stand in for one whose admitter was
/// revoked.
constexpr std::size_t kChainAdmitsMax = 3;

}  // namespace

std::vector<wire::StatementId> StatementSet::admits_of(const wire::StatementId& redemption) const {
  std::vector<std::pair<UnixTime, wire::StatementId>> admits;
  const auto [begin, end] = admits_.equal_range(redemption);
  for (auto it = begin; it != end; ++it) {
    admits.emplace_back(std::get<wire::Admit>(find(it->second)->statement.body).time, it->second);
  }
  std::ranges::sort(admits);
  std::vector<wire::StatementId> out;
  out.reserve(admits.size());
  for (const auto& [time, id] : admits) out.push_back(id);
  return out;
}

std::vector<wire::StatementId> StatementSet::grants_of(const IdentityKey& subject) const {
  std::vector<wire::StatementId> out;
  const auto [begin, end] = grants_.equal_range(subject);
  for (auto it = begin; it != end; ++it) out.push_back(it->second);
  std::ranges::sort(out);
  return out;
}

/// Appends `id` behind everything it rests on. `seen` ends the loops that hostile ADMITs can make.
void StatementSet::collect_chain(const wire::StatementId& id, std::size_t depth,
                                 std::set<wire::StatementId>& seen,
                                 std::vector<wire::StatementId>& out) const {
  const StoredStatement* stored = find(id);
  if (stored == nullptr || depth > kChainDepthMax || !seen.insert(id).second) return;
  if (const auto* roll = std::get_if<wire::Roll>(&stored->statement.body)) {
    if (const auto before = rolls_.find(roll->epoch - 1); before != rolls_.end()) {
      for (const auto& rival : before->second) collect_chain(rival, depth + 1, seen, out);
    }
    out.push_back(id);
  } else if (const auto* grant = std::get_if<wire::Grant>(&stored->statement.body)) {
    collect_chain(grant->issuer, depth + 1, seen, out);
    out.push_back(id);
    std::vector<wire::StatementId> admits = admits_of(id);
    if (admits.size() > kChainAdmitsMax) admits.resize(kChainAdmitsMax);
    for (const wire::StatementId& admit : admits) {
      const auto& body = std::get<wire::Admit>(find(admit)->statement.body);
      collect_chain(body.admitter, depth + 1, seen, out);
      out.push_back(admit);
    }
  }
}

std::vector<wire::StatementId> StatementSet::chain_of(const wire::StatementId& grant) const {
  const StoredStatement* stored = find(grant);
  if (genesis() == nullptr || stored == nullptr) return {};
  const auto* body = std::get_if<wire::Grant>(&stored->statement.body);
  if (body == nullptr) return {};
  std::vector<wire::StatementId> out{genesis_};
  std::set<wire::StatementId> seen;
  collect_chain(grant, 0, seen, out);
  const auto [begin, end] = skeys_.equal_range(body->subject);
  const wire::StatementId* newest = nullptr;
  std::uint32_t epoch = 0;
  for (auto it = begin; it != end; ++it) {
    const auto& skey = std::get<wire::Skey>(find(it->second)->statement.body);
    if (newest != nullptr &&
        (skey.epoch < epoch || (skey.epoch == epoch && *newest < it->second))) {
      continue;
    }
    newest = &it->second;
    epoch = skey.epoch;
  }
  if (newest != nullptr) out.push_back(*newest);
  return out;
}

}  // namespace ipop::member
