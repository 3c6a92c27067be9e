#include "member/issuer.h"

namespace ipop::member {
namespace {

using wire::GrantKind;

Error beyond(std::string_view what) { return {Errc::BadValue, what}; }

/// Which kinds a principal of one kind may issue at all, and with which right.
std::optional<Error> check_kind(const wire::Grant& grant, const Issuer& issuer,
                                std::uint8_t policy) {
  if ((issuer.kind == GrantKind::Invite) != (grant.kind == GrantKind::Redemption)) {
    return beyond("an invite issues redemptions, and nothing else does");
  }
  if (issuer.kind == GrantKind::Device) return beyond("a device issues nothing");
  const bool may_invite = (issuer.rights & wire::kRightInvite) != 0;
  switch (grant.kind) {
    case GrantKind::Member:
      if ((issuer.rights & wire::kRightGrant) == 0) return beyond("grant without the right");
      return std::nullopt;
    case GrantKind::Invite:
      if (!may_invite && (policy & wire::kPolicyMembersMayInvite) == 0) {
        return beyond("invite without the right");
      }
      if (!may_invite && grant.uses > kPlainInviteUsesMax)
        return beyond("invite with too many uses");
      return std::nullopt;
    case GrantKind::Redemption:
      return std::nullopt;
    case GrantKind::Device:
      if (!may_invite && (policy & wire::kPolicyMembersMayInvite) == 0) {
        return beyond("device without the right to invite");
      }
      // Nobody can sign by a tunnel key, and no identity's name can be taken.
      if (!equal_bytes(grant.subject.view(), grant.tunnel_key.view())) {
        return beyond("device whose subject is not its tunnel key");
      }
      return std::nullopt;
  }
  return beyond("grant kind");
}

/// What an invite fixed must stand in its redemptions as it is.
std::optional<Error> check_redemption(const wire::Grant& grant, const wire::Grant& invite) {
  if (grant.subject == invite.subject) return beyond("redemption by the invite key for itself");
  if (invite.v4.value != 0 ? grant.v4 != invite.v4 : grant.v4.value != 0) {
    return beyond("redemption with another address than its invite's");
  }
  if (!invite.name.empty() && grant.name != invite.name) {
    return beyond("redemption with another name than its invite's");
  }
  return std::nullopt;
}

}  // namespace

std::expected<std::optional<Issuer>, Error> find_issuer(const StatementSet& set,
                                                        const wire::StatementId& id) {
  if (id == root_issuer_of(set.network())) {
    const StoredStatement* genesis = set.genesis();
    if (genesis == nullptr) return std::nullopt;
    return Issuer{.key = std::get<wire::Genesis>(genesis->statement.body).root};
  }
  const StoredStatement* stored = set.find(id);
  if (stored == nullptr) return std::nullopt;
  if (const auto* roll = std::get_if<wire::Roll>(&stored->statement.body)) {
    return Issuer{.key = roll->root};
  }
  const auto* grant = std::get_if<wire::Grant>(&stored->statement.body);
  if (grant == nullptr) return fail(Errc::BadValue, "issuer that is no grant");
  return Issuer{.key = grant->subject,
                .rank = grant->rank,
                .kind = grant->kind,
                .rights = grant->rights,
                .groups = grant->groups,
                .not_after = grant->not_after,
                .grant = grant};
}

bool is_rights_bearing(wire::Rights rights, std::uint8_t policy) {
  const bool all_invite = (policy & wire::kPolicyMembersMayInvite) != 0;
  return (rights & ~(wire::kRightJoin | (all_invite ? wire::kRightInvite : 0))) != 0;
}

std::optional<Error> check_grant(const wire::Grant& grant, const Issuer& issuer,
                                 std::uint8_t policy) {
  if (grant.rank != issuer.rank + 1 || grant.rank > wire::kRankMax) return beyond("grant rank");
  if ((grant.rights & wire::kRightJoin) == 0) return beyond("grant without membership");
  if ((grant.rights & ~issuer.rights) != 0) return beyond("grant of rights its issuer lacks");
  if (grant.not_after > issuer.not_after) return beyond("grant that outlives its issuer's");
  const bool gives_groups = (issuer.rights & wire::kRightGrant) != 0;
  const bool redemption = grant.kind == GrantKind::Redemption;
  if ((grant.groups & ~issuer.groups) != 0 && (redemption || !gives_groups)) {
    return beyond("grant of groups its issuer lacks");
  }
  if (const auto error = check_kind(grant, issuer, policy)) return error;
  return redemption ? check_redemption(grant, *issuer.grant) : std::nullopt;
}

}  // namespace ipop::member
