#include "member/author.h"

#include <algorithm>

#include "member/acting.h"
#include "member/graph.h"
#include "member/issuer.h"
#include "member/subnet.h"

namespace ipop::member {
namespace {

constexpr unsigned kPoolFirst = 64;
constexpr unsigned kPoolLast = 255;

/// Second numbers of 10/8 that other tools take: podman (88), Kubernetes services (96..111), GCP
/// auto networks (128..131), microk8s (152), CRC (217), flannel (244).
bool is_used_by_tools(unsigned x) {
  return x == 88 || (x >= 96 && x <= 111) || (x >= 128 && x <= 131) || x == 152 || x == 217 ||
         x == 244;
}

Authored<void> check_fixed(const Membership& membership, const InviteOptions& options,
                           UnixTime now) {
  if ((options.address || !options.name.empty()) && options.uses != 1) {
    return refuse(Refusal::FixedForMany);
  }
  if (!options.name.empty()) {
    if (!wire::is_valid_name(options.name)) { return refuse(Refusal::BadName); }
    if (membership.is_name_taken(options.name, now)) { return refuse(Refusal::NameTaken); }
  }
  if (options.address) {
    if (!membership.is_assignable(*options.address)) { return refuse(Refusal::AddressOutside); }
    if (membership.is_address_taken(*options.address, now)) {
      return refuse(Refusal::AddressTaken);
    }
  }
  return {};
}

Authored<void> check_invite(const Membership& membership, const wire::Grant& by,
                            const InviteOptions& options, UnixTime now) {
  const bool own_right = (by.rights & wire::kRightInvite) != 0;
  if (!own_right && (membership.policy() & wire::kPolicyMembersMayInvite) == 0) {
    return refuse(Refusal::MayNotInvite);
  }
  if (options.uses == 0) return refuse(Refusal::NoUses);
  if (!own_right && options.uses > kPlainInviteUsesMax) { return refuse(Refusal::UsesOfPlain); }
  if ((options.rights & wire::kRightJoin) == 0 || (options.rights & ~wire::kRightsAll) != 0) {
    return refuse(Refusal::InvitesNobody);
  }
  if ((options.rights & ~by.rights) != 0) { return refuse(Refusal::ForeignRights); }
  if (options.redeem_until < now || options.redeem_until.seconds == 0 || options.not_after < now) {
    return refuse(Refusal::AlreadyOver);
  }
  if (by.rank + 2 > wire::kRankMax) { return refuse(Refusal::TooDeep); }
  return check_fixed(membership, options, now);
}

}  // namespace

Authored<Founded> found_network(const FoundOptions& options, const crypto::SigningKey& identity,
                                const TunnelKey& tunnel_key, UnixTime now, Rng& rng) {
  if (!wire::is_valid_name(options.network_name) || !wire::is_valid_name(options.member_name)) {
    return refuse(Refusal::BadName);
  }
  const Prefix4& pool = options.pool;
  if (const auto fit = check_subnet(pool); !fit) return std::unexpected(fit.error());
  if (tunnel_key.is_zero()) return refuse(Refusal::BadKey);
  Founded out{.root = crypto::SigningKey::random(rng),
              .recovery = crypto::SigningKey::random(rng),
              .secret = crypto::Secret<32>::random(rng)};
  wire::Genesis genesis{
      .root = out.root.public_key(),
      .recovery = out.recovery.public_key(),
      .created = now,
      .policy = options.members_may_invite ? wire::kPolicyMembersMayInvite : std::uint8_t{0},
      .pool = pool,
      .secret_commit = secret_commit_of(out.secret),
      .name = options.network_name};
  rng.fill(genesis.nonce);
  const StoredStatement first = sign_statement({.body = std::move(genesis)}, out.root);
  out.network = network_id_of(first.statement);
  const StoredStatement grant =
      sign_statement({.network = out.network,
                      .body = wire::Grant{.issuer = root_issuer_of(out.network),
                                          .subject = identity.public_key(),
                                          .tunnel_key = tunnel_key,
                                          .rights = wire::kRightsAll,
                                          .v4 = {pool.base.value + 1},
                                          .not_before = now,
                                          .name = options.member_name}},
                     out.root);
  out.grant = grant.id;
  out.statements = {first.bytes, grant.bytes};
  return out;
}

std::optional<Prefix4> draw_pool(std::span<const Prefix4> taken, Rng& rng) {
  std::vector<Prefix4> free;
  for (unsigned x = kPoolFirst; x <= kPoolLast; ++x) {
    const Prefix4 pool{{10U << 24U | x << 16U}, 16};
    const bool clashes =
        std::ranges::any_of(taken, [&](const Prefix4& other) { return pool.overlaps(other); });
    if (!clashes && !is_used_by_tools(x)) free.push_back(pool);
  }
  if (free.empty()) return std::nullopt;
  return free[static_cast<std::size_t>(rng.below(free.size()))];
}

Authored<MadeInvite> make_invite(const Membership& membership, const StatementSet& set,
                                 const Author& author, const InviteOptions& options, UnixTime now,
                                 Rng& rng) {
  const bool plain = options.uses <= kPlainInviteUsesMax &&
                     (membership.policy() & wire::kPolicyMembersMayInvite) != 0;
  const auto by =
      acting(membership, set, author,
             static_cast<wire::Rights>(options.rights | (plain ? 0 : wire::kRightInvite)));
  if (!by) return std::unexpected(by.error());
  if (const auto ok = check_invite(membership, *by->grant, options, now); !ok) {
    return std::unexpected(ok.error());
  }
  if (!has_room_for_grant(membership, set, by->id, now)) { return refuse(Refusal::TooManyLive); }
  MadeInvite out{.seed = crypto::Secret<32>::random(rng)};
  // Without not_before, which an ADMIT's time makes superfluous: it would only lock joiners out
  // when clocks differ, and the invite string is 8 bytes shorter.
  const StoredStatement grant = sign_statement(
      statement_of(
          set, wire::Grant{.issuer = by->id,
                           .subject = crypto::SigningKey::from_seed(out.seed.clone()).public_key(),
                           .epoch = options.epoch,
                           .kind = wire::GrantKind::Invite,
                           .rank = static_cast<std::uint8_t>(by->grant->rank + 1),
                           .rights = options.rights,
                           .uses = options.uses,
                           .v4 = options.address.value_or(Ipv4{}),
                           .groups = by->grant->groups,
                           .redeem_until = options.redeem_until,
                           .not_after = std::min(options.not_after, by->grant->not_after),
                           .name = options.name}),
      *author.key);
  out.grant = grant.id;
  out.statement = grant.bytes;
  return out;
}

Authored<Redeemed> redeem(const wire::Statement& invite_grant, const crypto::SigningKey& invite_key,
                          const IdentityKey& identity, const TunnelKey& tunnel_key,
                          std::string_view wished_name, UnixTime now) {
  const auto* invite = std::get_if<wire::Grant>(&invite_grant.body);
  if (invite == nullptr || invite->kind != wire::GrantKind::Invite ||
      invite->subject != invite_key.public_key()) {
    return refuse(Refusal::DamagedInvite);
  }
  if (now > std::min(invite->redeem_until, invite->not_after).plus(kTimeTolerance)) {
    return refuse(Refusal::ExpiredInvite);
  }
  if (invite->rank >= wire::kRankMax) { return refuse(Refusal::TooDeep); }
  if (!wished_name.empty() && !wire::is_valid_name(wished_name)) {
    return refuse(Refusal::BadName);
  }
  if (identity.is_zero() || tunnel_key.is_zero() || identity == invite->subject) {
    return refuse(Refusal::BadKey);
  }
  // Times are the invite's: when the joiner came in is for the ADMIT to say, by a clock that others
  // can judge, not for a machine that may have none.
  const StoredStatement grant = sign_statement(
      {.network = invite_grant.network,
       .body = wire::Grant{.issuer = statement_id_of(invite_grant),
                           .subject = identity,
                           .tunnel_key = tunnel_key,
                           .kind = wire::GrantKind::Redemption,
                           .rank = static_cast<std::uint8_t>(invite->rank + 1),
                           .rights = invite->rights,
                           .v4 = invite->v4,
                           .groups = invite->groups,
                           .not_before = invite->not_before,
                           .not_after = invite->not_after,
                           .name = invite->name.empty() ? std::string(wished_name) : invite->name}},
      invite_key);
  return Redeemed{grant.bytes, grant.id};
}

ByteVector claim_tunnel_key(const wire::NetworkId& network, const crypto::SigningKey& identity,
                            const TunnelKey& tunnel_key, UnixTime now) {
  return sign_statement({.network = network,
                         .body = wire::Skey{.identity = identity.public_key(),
                                            .epoch = 1,
                                            .time = now,
                                            .tunnel_key = tunnel_key}},
                        identity)
      .bytes;
}

Authored<ByteVector> rotate_tunnel_key(const Membership& membership, const Author& author,
                                       const TunnelKey& next, UnixTime now) {
  const Member* self = membership.by_identity(author.key->public_key());
  if (self == nullptr) return refuse(Refusal::NotAMember);
  if (next.is_zero()) return refuse(Refusal::BadKey);
  if (self->skey_epoch == UINT32_MAX) return refuse(Refusal::NoEpochLeft);
  if (self->skey_epoch != 0 && now < self->skey_time.plus(kSkeySpacing)) {
    return refuse(Refusal::KeyTooYoung);
  }
  return sign_statement({.network = membership.network(),
                         .body = wire::Skey{.identity = self->identity,
                                            .epoch = self->skey_epoch + 1,
                                            .time = now,
                                            .tunnel_key = next}},
                        *author.key)
      .bytes;
}

}  // namespace ipop::member
