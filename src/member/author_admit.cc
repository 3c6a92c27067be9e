#include <algorithm>

#include "member/acting.h"
#include "member/graph.h"

namespace ipop::member {
namespace {

using wire::ByeReason;

ByteVector sign_admit(const StatementSet& set, const Author& author, const Acting& by,
                      const wire::StatementId& redemption, Ipv4 v4, std::string name,
                      UnixTime time) {
  return sign_statement(statement_of(set, wire::Admit{.redemption = redemption,
                                                      .admitter = by.id,
                                                      .time = time,
                                                      .v4 = v4,
                                                      .name = std::move(name)}),
                        *author.key)
      .bytes;
}

/// The ADMIT by which a redemption that stands came in.
const StoredStatement* admit_of(const Membership& membership, const StatementSet& set,
                                const wire::StatementId& redemption) {
  for (const wire::StatementId& id : set.admits_of(redemption)) {
    if (membership.effect_of(id) != nullptr) return set.find(id);
  }
  return nullptr;
}

/// Why a redemption that is not in yet cannot be let in.
std::optional<ByeReason> obstacle(const Membership& membership, const wire::StatementId& redemption,
                                  const wire::Grant& grant, UnixTime time) {
  if (membership.is_revoked(grant.subject)) return ByeReason::Revoked;
  if (const auto reason = membership.refusal(redemption)) {
    // The first of two redemptions may have gone again since, and with it the reason.
    if (*reason != ByeReason::Superseded && *reason != ByeReason::InviteExpired) return reason;
  }
  const auto it = membership.invites().find(grant.issuer);
  if (it == membership.invites().end()) return ByeReason::NotMember;
  const InviteState& invite = it->second;
  if (invite.used >= invite.uses) return ByeReason::InviteUsed;
  if (!invite.open) return ByeReason::InviteRevoked;
  if (time > invite.redeem_until.plus(kTimeTolerance) ||
      time > grant.not_after.plus(kTimeTolerance)) {
    return ByeReason::InviteExpired;
  }
  if (time.plus(kTimeTolerance) < grant.not_before) return ByeReason::NotMember;
  return std::nullopt;
}

}  // namespace

std::expected<ByteVector, ByeReason> admit(const Membership& membership, const StatementSet& set,
                                           const Author& author,
                                           const wire::StatementId& redemption, UnixTime now,
                                           Rng& rng) {
  const auto by = acting(membership, set, author);
  const wire::Grant* grant = grant_of(set, redemption);
  if (!by || grant == nullptr || grant->kind != wire::GrantKind::Redemption ||
      grant->subject == author.key->public_key()) {
    return std::unexpected(ByeReason::NotMember);
  }
  if (const Effect* effect = membership.effect_of(redemption); effect && effect->acting) {
    if (const StoredStatement* known = admit_of(membership, set, redemption)) return known->bytes;
  }
  // Later than the invite's issuer became one, too: within one second the order goes by id, and an
  // ADMIT that came first there would count for nothing.
  UnixTime time = by->time(now);
  if (const wire::Grant* invite_grant = grant_of(set, grant->issuer)) {
    if (const Effect* issuer = membership.effect_of(invite_grant->issuer)) {
      time = std::max(time, issuer->since.plus(std::chrono::seconds(1)));
    }
  }
  if (const auto reason = obstacle(membership, redemption, *grant, time)) {
    return std::unexpected(*reason);
  }
  const wire::Grant& invite = *grant_of(set, grant->issuer);
  const Member* known = membership.by_identity(grant->subject);
  std::string name = known != nullptr && !known->name.empty() ? known->name : invite.name;
  if (name.empty()) {
    name = membership.free_name(grant->name, now);
  } else if (const Member* holder = membership.by_name(name);
             holder != nullptr && holder != known) {
    return std::unexpected(ByeReason::NameTaken);
  }
  std::optional<Ipv4> v4;
  if (known != nullptr) v4 = known->v4;
  if (!v4 && invite.v4.value != 0 && membership.by_v4(invite.v4) == nullptr) v4 = invite.v4;
  if (!v4) v4 = membership.free_address(now, rng.next_u64());
  if (!v4) return std::unexpected(ByeReason::PoolExhausted);
  return sign_admit(set, author, *by, redemption, *v4, std::move(name), time);
}

std::optional<ByteVector> mend(const Membership& membership, const StatementSet& set,
                               const Author& author, const wire::NodeId& node, UnixTime now,
                               Rng& rng) {
  const Member* member = membership.find(node);
  const auto by = acting(membership, set, author);
  if (member == nullptr || !by || member->identity == author.key->public_key()) return std::nullopt;
  if (member->v4 && !member->name.empty()) return std::nullopt;
  for (const wire::StatementId& redemption : set.grants_of(member->identity)) {
    const Effect* effect = membership.effect_of(redemption);
    const wire::Grant& grant = *grant_of(set, redemption);
    if (effect == nullptr || !effect->acting || grant.kind != wire::GrantKind::Redemption) continue;
    const wire::Grant& invite = *grant_of(set, grant.issuer);
    std::string name = member->name;
    if (name.empty()) {
      const StoredStatement* first = admit_of(membership, set, redemption);
      const std::string& wish = invite.name.empty() && first != nullptr
                                    ? std::get<wire::Admit>(first->statement.body).name
                                    : invite.name;
      // What the invite fixes is still its own while nobody else holds it.
      const bool fixed = !invite.name.empty() && membership.by_name(invite.name) == nullptr;
      name = fixed ? invite.name : membership.free_name(wish, now);
    }
    std::optional<Ipv4> v4 = member->v4;
    if (!v4 && invite.v4.value != 0 && membership.by_v4(invite.v4) == nullptr &&
        membership.is_assignable(invite.v4)) {
      v4 = invite.v4;
    }
    if (!v4) v4 = membership.free_address(now, rng.next_u64());
    if (!v4) return std::nullopt;
    // Behind the admission, which stays the one that decides who was first.
    const UnixTime time = std::max(by->time(now), effect->since.plus(std::chrono::seconds(1)));
    return sign_admit(set, author, *by, redemption, *v4, std::move(name), time);
  }
  return std::nullopt;
}

}  // namespace ipop::member
