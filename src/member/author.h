#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/ed25519.h"
#include "crypto/x25519.h"
#include "member/membership.h"
#include "member/refusal.h"

/// Writing statements: what the verbs create, invite, join, kick, admin and leave sign. Each checks
/// what the evaluation will check, so that a refused wish has a clear error and signs nothing.
namespace ipop::member {

/// Who signs: a member's identity key and the GRANT it acts by, unless another of its GRANTs (an
/// admin's) is what the statement needs.
struct Author {
  const crypto::SigningKey* key;
  wire::StatementId grant;
};

struct FoundOptions {
  std::string network_name;
  std::string member_name;
  Prefix4 pool;
  bool members_may_invite = true;
};
/// A new network: GENESIS, the founder's GRANT (rank 1, all rights, the pool's first address) and
/// its keys. `recovery` is printed once and wiped by the caller.
struct Founded {
  std::vector<ByteVector> statements;
  wire::NetworkId network;
  wire::StatementId grant;
  crypto::SigningKey root;
  crypto::SigningKey recovery;
  crypto::Secret<32> secret;  ///< of epoch 0
};
Authored<Founded> found_network(const FoundOptions& options, const crypto::SigningKey& identity,
                                const TunnelKey& tunnel_key, UnixTime now, Rng& rng);

/// 10.X.0.0/16 with X from H(network name, random) over 64..255 without the numbers that other
/// tools use (docs/decisions), and without any prefix of `taken`.
std::optional<Prefix4> draw_pool(std::span<const Prefix4> taken, Rng& rng);

struct InviteOptions {
  std::uint16_t uses = 1;
  UnixTime redeem_until;
  UnixTime not_after = UnixTime::never();
  std::string name;             ///< fixed; needs uses == 1
  std::optional<Ipv4> address;  ///< fixed; needs uses == 1
  wire::Rights rights = wire::kRightJoin;
  Epoch epoch;  ///< of the secret that the string will carry
};
/// Errors: Denied (no right to invite, or uses beyond what policy gives a plain member: 32),
/// BadValue (name or address malformed, taken, outside the pool), Busy (1024 live grants, depth).
struct MadeInvite {
  ByteVector statement;
  wire::StatementId grant;
  crypto::Secret<32> seed;
};
Authored<MadeInvite> make_invite(const Membership& membership, const StatementSet& set,
                                 const Author& author, const InviteOptions& options, UnixTime now,
                                 Rng& rng);

/// The joiner's own redemption, signed with the invite's seed.
struct Redeemed {
  ByteVector statement;
  wire::StatementId grant;
};
Authored<Redeemed> redeem(const wire::Statement& invite_grant, const crypto::SigningKey& invite_key,
                          const IdentityKey& identity, const TunnelKey& tunnel_key,
                          std::string_view wished_name, UnixTime now);

/// Lets a redemption in: picks address and name and signs ADMIT. Errors carry, in the matching
/// ByeReason, what the joiner is told.
std::expected<ByteVector, wire::ByeReason> admit(const Membership& membership,
                                                 const StatementSet& set, const Author& author,
                                                 const wire::StatementId& redemption, UnixTime now,
                                                 Rng& rng);
/// A new ADMIT for a member of ours that a conflict left without name or address; nullopt when
/// there is nothing to mend.
std::optional<ByteVector> mend(const Membership& membership, const StatementSet& set,
                               const Author& author, const wire::NodeId& member, UnixTime now,
                               Rng& rng);

/// The bundle of PROTOCOL 4: REVOKE(member), REVOKE(the invite it came by), REVOKE(every invite it
/// issued or that descends from it), each keeping what is known now; all commit to `next_secret`.
/// What the target issued that has an effect survives (at most kKeepMax statements); its invites
/// that nobody used go without a REVOKE of their own, by not surviving.
/// Errors: NotFound, Denied (no right, or not of larger rank).
struct KickBundle {
  std::vector<ByteVector> statements;
  std::vector<wire::StatementId> closed_invites;  ///< that were open, ascending
  crypto::Secret<32> next_secret;
  Epoch next_epoch;
};
Authored<KickBundle> kick(const Membership& membership, const StatementSet& set,
                          const Author& author, const wire::NodeId& target, UnixTime now, Rng& rng);
/// REVOKE of oneself (`leave`): closes the own open invites, keeps everything issued; the secret
/// stays.
Authored<std::vector<ByteVector>> leave(const Membership& membership, const StatementSet& set,
                                        const Author& author, UnixTime now);

struct DeviceOptions {
  std::string name;
  std::optional<Ipv4> address;  ///< fixed; nullopt: a free one
  TunnelKey key;                ///< the device's
};
/// GRANT of a device that the author hosts. Errors: Denied (no right to invite), BadValue (name or
/// address malformed, taken, outside the pool), Busy (1024 live grants, depth, pool full).
struct MadeDevice {
  ByteVector statement;
  wire::StatementId grant;
  Ipv4 v4;
};
Authored<MadeDevice> make_device(const Membership& membership, const StatementSet& set,
                                 const Author& author, const DeviceOptions& options, UnixTime now,
                                 Rng& rng);
/// REVOKE of one device's GRANT; the network's secret, which it never had, stays. Errors: NotFound,
/// Denied (neither its host nor an admin above it).
Authored<ByteVector> remove_device(const Membership& membership, const StatementSet& set,
                                   const Author& author, const wire::StatementId& device,
                                   UnixTime now);

/// GRANT of all rights to a member, at rank author's + 1. Errors: NotFound, Denied, Busy (is one).
Authored<ByteVector> add_admin(const Membership& membership, const StatementSet& set,
                               const Author& author, const wire::NodeId& target, UnixTime now);
/// REVOKE of every rights-bearing GRANT of the member, keeping what it issued under them; before
/// it, where nothing else makes it a member, a GRANT without rights. Errors: NotFound (unknown, or
/// no admin), Denied.
Authored<std::vector<ByteVector>> remove_admin(const Membership& membership,
                                               const StatementSet& set, const Author& author,
                                               const wire::NodeId& target, UnixTime now);
/// SKEY of epoch 1 with the key that a joiner's redemption names: to be sent along with it. A
/// GRANT's tunnel key has the signature of its issuer only, so somebody who issues another GRANT to
/// the same identity could name a key of his own; against an SKEY he cannot.
ByteVector claim_tunnel_key(const wire::NetworkId& network, const crypto::SigningKey& identity,
                            const TunnelKey& tunnel_key, UnixTime now);
/// New tunnel key. Error Busy: the last one is younger than an hour.
Authored<ByteVector> rotate_tunnel_key(const Membership& membership, const Author& author,
                                       const TunnelKey& next, UnixTime now);

}  // namespace ipop::member
