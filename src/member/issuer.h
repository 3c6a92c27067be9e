#pragma once

#include <optional>

#include "base/error.h"
#include "member/statement_set.h"

/// What may be judged about a statement from its own text and its issuer's alone. Both never
/// change, so these rules give the same answer on every node, in any order of arrival.
namespace ipop::member {

/// Whom an issuer id names: the root of GENESIS (the network id), a ROLL's root, or a GRANT.
struct Issuer {
  IdentityKey key;
  std::uint8_t rank = 0;
  wire::GrantKind kind = wire::GrantKind::Member;
  wire::Rights rights = wire::kRightsAll;
  std::uint64_t groups = ~std::uint64_t{0};
  UnixTime not_after = UnixTime::never();
  const wire::Grant* grant = nullptr;  ///< null for a root
};

/// nullopt when no such issuer is in the set; Error when the id names something that never issues.
std::expected<std::optional<Issuer>, Error> find_issuer(const StatementSet& set,
                                                        const wire::StatementId& id);

/// Whether this kind of principal signs anything: a member, as opposed to an invite or a device.
inline bool is_member_kind(wire::GrantKind kind) {
  return kind == wire::GrantKind::Member || kind == wire::GrantKind::Redemption;
}

/// Uses that an invite of a member without kRightInvite of its own may have, by policy.
inline constexpr std::uint16_t kPlainInviteUsesMax = 32;

/// True when `rights` go beyond what every member has under `policy`.
bool is_rights_bearing(wire::Rights rights, std::uint8_t policy);

/// nullopt when `issuer` may issue `grant`; the first rule that it breaks otherwise.
std::optional<Error> check_grant(const wire::Grant& grant, const Issuer& issuer,
                                 std::uint8_t policy);

}  // namespace ipop::member
