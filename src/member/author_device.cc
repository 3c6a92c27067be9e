#include "member/acting.h"

namespace ipop::member {

Authored<MadeDevice> make_device(const Membership& membership, const StatementSet& set,
                                 const Author& author, const DeviceOptions& options, UnixTime now,
                                 Rng& rng) {
  const bool all_may = (membership.policy() & wire::kPolicyMembersMayInvite) != 0;
  const auto by = acting(membership, set, author, all_may ? wire::Rights{0} : wire::kRightInvite);
  if (!by) return std::unexpected(by.error());
  if (!all_may && (by->grant->rights & wire::kRightInvite) == 0) {
    return refuse(Refusal::MayNotInvite);
  }
  if (!wire::is_valid_name(options.name)) { return refuse(Refusal::BadName); }
  if (membership.is_name_taken(options.name, now)) { return refuse(Refusal::NameTaken); }
  if (options.address && !membership.is_assignable(*options.address)) {
    return refuse(Refusal::AddressOutside);
  }
  if (options.address && membership.is_address_taken(*options.address, now)) {
    return refuse(Refusal::AddressTaken);
  }
  if (options.key.is_zero()) return refuse(Refusal::BadKey);
  const auto v4 = options.address ? options.address : membership.free_address(now, rng.next_u64());
  if (!v4) return refuse(Refusal::PoolFull);
  if (by->grant->rank >= wire::kRankMax) { return refuse(Refusal::TooDeep); }
  if (!has_room_for_grant(membership, set, by->id, now)) { return refuse(Refusal::TooManyLive); }
  IdentityKey subject;
  copy_bytes(subject.bytes, options.key.view());
  const StoredStatement made = sign_statement(
      statement_of(set, wire::Grant{.issuer = by->id,
                                    .subject = subject,
                                    .tunnel_key = options.key,
                                    .kind = wire::GrantKind::Device,
                                    .rank = static_cast<std::uint8_t>(by->grant->rank + 1),
                                    .rights = wire::kRightJoin,
                                    .v4 = *v4,
                                    .not_before = by->time(now),
                                    .not_after = by->grant->not_after,
                                    .name = options.name}),
      *author.key);
  return MadeDevice{made.bytes, made.id, *v4};
}

}  // namespace ipop::member
