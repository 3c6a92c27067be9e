#include "member/acting.h"

#include <algorithm>

#include "member/graph.h"

namespace ipop::member {

const wire::Grant* grant_of(const StatementSet& set, const wire::StatementId& id) {
  const StoredStatement* stored = set.find(id);
  return stored == nullptr ? nullptr : std::get_if<wire::Grant>(&stored->statement.body);
}

std::vector<Acting> acting_grants(const Membership& membership, const StatementSet& set,
                                  const Author& author) {
  std::vector<Acting> out;
  for (const wire::StatementId& id : set.grants_of(author.key->public_key())) {
    const Effect* effect = membership.effect_of(id);
    if (effect != nullptr && effect->acting) out.push_back({id, grant_of(set, id), effect->since});
  }
  std::ranges::sort(out, {}, [&](const Acting& a) {
    return std::tuple(a.id != author.grant, a.grant->rank, a.id);
  });
  return out;
}

Authored<Acting> acting(const Membership& membership, const StatementSet& set, const Author& author,
                        wire::Rights rights) {
  const std::vector<Acting> all = acting_grants(membership, set, author);
  if (all.empty()) return refuse(Refusal::NotAMember);
  const auto able =
      std::ranges::find_if(all, [&](const Acting& a) { return (rights & ~a.grant->rights) == 0; });
  return able == all.end() ? all.front() : *able;
}

bool descends_from(const StatementSet& set, wire::StatementId id,
                   const wire::StatementId& ancestor) {
  // Ranks fall by one with every step, so this ends at the root.
  for (const wire::Grant* grant = grant_of(set, id); grant != nullptr;
       grant = grant_of(set, grant->issuer)) {
    if (grant->issuer == ancestor) return true;
  }
  return false;
}

bool has_room_for_grant(const Membership& membership, const StatementSet& set,
                        const wire::StatementId& issuer, UnixTime now) {
  std::set<wire::StatementId> redeemed;
  std::vector<wire::StatementId> issued;
  for (const auto& [id, stored] : set.all()) {
    const auto* grant = std::get_if<wire::Grant>(&stored.statement.body);
    if (grant == nullptr) continue;
    if (grant->kind == wire::GrantKind::Redemption) {
      redeemed.insert(grant->issuer);
    } else if (grant->issuer == issuer && membership.effect_of(id) != nullptr &&
               now <= grant->not_after.plus(kTimeTolerance)) {
      issued.push_back(id);
    }
  }
  const auto live = std::ranges::count_if(issued, [&](const wire::StatementId& id) {
    const auto invite = membership.invites().find(id);
    return invite == membership.invites().end() || redeemed.contains(id) ||
           now <= invite->second.redeem_until.plus(kTimeTolerance);
  });
  return static_cast<std::size_t>(live) < kLiveGrantsMax;
}

wire::Statement statement_of(const StatementSet& set, decltype(wire::Statement::body) body) {
  return {.network = set.network(), .body = std::move(body)};
}

}  // namespace ipop::member
