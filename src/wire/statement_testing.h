#pragma once

#include "wire/canonical_testing.h"
#include "wire/statement.h"

/// One good body of each kind, for the tests of statements, frames and invites.
namespace ipop::wire {

inline Genesis good_genesis() {
  return {.root = filled<IdentityKey>(1),
          .recovery = filled<IdentityKey>(2),
          .created = {1700000000},
          .pool = *Prefix4::parse("10.83.0.0/16"),
          .secret_commit = filled<FixedBytes<SecretCommitTag, 32>>(3),
          .nonce = filled<FixedBytes<struct NonceTag, 16>>(4).bytes,
          .name = "family"};
}

inline Grant good_member_grant() {
  return {.issuer = filled<StatementId>(5),
          .subject = filled<IdentityKey>(6),
          .tunnel_key = filled<TunnelKey>(7),
          .kind = GrantKind::Member,
          .rank = 1,
          .rights = kRightsAll,
          .v4 = {0x0a530001},
          .not_before = {100},
          .name = "alice"};
}

inline Grant good_invite_grant() {
  return {.issuer = filled<StatementId>(5),
          .subject = filled<IdentityKey>(6),
          .kind = GrantKind::Invite,
          .rank = 2,
          .uses = 1,
          .v4 = {0x0a530002},
          .groups = 3,
          .not_before = {100},
          .redeem_until = {2000},
          .not_after = {900000},
          .name = "bob"};
}

inline Grant good_redemption_grant() {
  return {.issuer = filled<StatementId>(5),
          .subject = filled<IdentityKey>(8),
          .tunnel_key = filled<TunnelKey>(9),
          .kind = GrantKind::Redemption,
          .rank = 3,
          .not_before = {100},
          .name = "bob"};
}

inline Admit good_admit() {
  return {.redemption = filled<StatementId>(0x10),
          .admitter = filled<StatementId>(0x11),
          .time = {1700000100},
          .v4 = {0x0a530002},
          .name = "bob"};
}

inline Revoke good_revoke() {
  return {
      .target = filled<IdentityKey>(0x12),
      .issuer = filled<StatementId>(0x13),
      .time = {1700000200},
      .next_epoch = {1},
      .next_commit = filled<FixedBytes<SecretCommitTag, 32>>(0x14),
      .keep = {filled<StatementId>(0x15), filled<StatementId>(0x16), filled<StatementId>(0x17)}};
}

inline Config good_config() {
  return {.issuer = filled<StatementId>(0x18), .version = 7, .blob = ByteVector(3, std::byte{9})};
}

inline Roll good_roll() {
  return {.epoch = 1, .root = filled<IdentityKey>(0x19), .recovery = filled<IdentityKey>(0x1a)};
}

inline Skey good_skey() {
  return {.identity = filled<IdentityKey>(0x1b),
          .epoch = 3,
          .time = {1700000300},
          .tunnel_key = filled<TunnelKey>(0x1c)};
}

/// A consistent GRANT of any kind.
inline Grant random_grant(Rng& rng) {
  Grant out;
  out.issuer = random_fixed<StatementId>(rng);
  out.subject = random_fixed<IdentityKey>(rng);
  out.kind = static_cast<GrantKind>(rng.below(3));
  out.rank = static_cast<std::uint8_t>(1 + rng.below(kRankMax));
  out.rights = static_cast<Rights>(1 + rng.below(kRightsAll));
  out.not_before = {rng.below(2) == 0 ? 0 : rng.below(1000)};
  out.not_after = rng.below(2) == 0 ? UnixTime::never() : UnixTime{1000 + rng.below(1000)};
  if (rng.below(2) == 0) out.groups = rng.next_u64();
  bool fixes = rng.below(2) == 0;
  if (out.kind == GrantKind::Invite) {
    out.uses = static_cast<std::uint16_t>(1 + rng.below(3));
    if (rng.below(2) == 0) out.epoch.value = static_cast<std::uint32_t>(rng.next_u64());
    out.redeem_until = {1000 + rng.next_u64() / 2};
    fixes = fixes && out.uses == 1;
  } else {
    out.tunnel_key = random_fixed<TunnelKey>(rng);
  }
  if (fixes) {
    out.v4 = {static_cast<std::uint32_t>(rng.next_u64())};
    out.name = std::string(rng.below(kNameMax + 1), static_cast<char>('a' + rng.below(26)));
  }
  return out;
}

}  // namespace ipop::wire
