#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/id.h"
#include "base/keys.h"
#include "base/time.h"
#include "wire/ids.h"

/// The signed statements that a network is made of. Canonical fixed layouts, little-endian:
///   u8 type | u8 version=1 | 16 network id | fields | 64 signature
/// (GENESIS has zero in place of the network id, which is its own hash). For every accepted input
/// write(parse(x)) == x. A signature covers domain_of(type) || everything before the signature.
namespace ipop::wire {

enum class StatementType : std::uint8_t {
  Genesis = 1,
  Grant = 2,
  Admit = 3,
  Revoke = 4,
  Config = 5,
  Roll = 6,
  Skey = 7,
};

inline constexpr std::size_t kNameMax = 32;
inline constexpr std::size_t kKeepMax = 1024;
inline constexpr std::size_t kConfigMax = 1024;
inline constexpr std::size_t kStatementSizeMax = 17000;
inline constexpr std::uint8_t kRankMax = 15;

/// What a GRANT allows its subject.
using Rights = std::uint16_t;
inline constexpr Rights kRightJoin = 1;    ///< be a member: have sessions, an address, a name
inline constexpr Rights kRightInvite = 2;  ///< issue invites
inline constexpr Rights kRightKick = 4;    ///< revoke anybody of larger rank
inline constexpr Rights kRightGrant = 8;   ///< give rights to members ("admin add")
inline constexpr Rights kRightConfig = 16;
inline constexpr Rights kRightsAll = 31;

inline constexpr std::uint8_t kPolicyMembersMayInvite = 1;

/// 32 root | 32 recovery | u64 created | u8 policy | u32 pool base | u8 pool length | 32
/// H(SECRET_0) | 16 nonce | u8 n | name
struct Genesis {
  IdentityKey root;      ///< the authority; signs this statement
  IdentityKey recovery;  ///< may sign ROLL; its seed is printed once at `create`
  UnixTime created;
  std::uint8_t policy = kPolicyMembersMayInvite;
  Prefix4 pool;
  FixedBytes<struct SecretCommitTag, 32> secret_commit;
  std::array<std::byte, 16> nonce{};
  std::string name;
};

enum class GrantKind : std::uint8_t {
  Member = 0,      ///< to somebody's own key, valid by itself (founder, admin, re-grant)
  Invite = 1,      ///< to a throw-away key whose seed is in the invite string
  Redemption = 2,  ///< by an invite key to the joiner; counts only with an ADMIT
  Device = 3,  ///< a stock WireGuard device that its issuer hosts; the subject is its tunnel key
};

/// 16 issuer's GRANT id (the network id when the root issues) | 32 subject | 32 tunnel key (for
/// invites: u32 epoch | 28 zero) | u8 kind | u8 rank | u16 rights | u16 uses (invites, else 0) |
/// u32 v4 (0 = none fixed) | u64 groups | u64 not_before | u64 redeem_until (invites, else 0) | u64
/// not_after | u8 n | name (empty = none fixed; for a redemption: the joiner's wish)
struct Grant {
  StatementId issuer;
  IdentityKey subject;
  TunnelKey tunnel_key;  ///< zero for invites
  Epoch epoch;           ///< of the secret in the invite string; 0 for other kinds
  GrantKind kind = GrantKind::Member;
  std::uint8_t rank = 1;  ///< issuer's rank + 1; the root is 0
  Rights rights = kRightJoin;
  std::uint16_t uses = 0;
  Ipv4 v4;
  std::uint64_t groups = 0;
  UnixTime not_before;
  UnixTime redeem_until;
  UnixTime not_after = UnixTime::never();
  std::string name;
};

/// 16 redemption id | 16 admitter's GRANT id | u64 time | u32 v4 | u8 n | name
struct Admit {
  StatementId redemption;
  StatementId admitter;
  UnixTime time;
  Ipv4 v4;
  std::string name;
};

/// u8 target kind | 32 target | 16 issuer's GRANT id (network id = root) | u64 time |
/// u32 next epoch (0 = the secret stays) | 32 H(next secret) (zero then) | u16 n | n x 16 kept id
struct Revoke {
  enum class Target : std::uint8_t {
    Key = 0,    ///< an identity or invite key, for good; 32 bytes
    Grant = 1,  ///< one GRANT ("admin remove"): its id in the first 16 bytes, the rest zero
  };
  Target kind = Target::Key;
  IdentityKey target;
  StatementId issuer;
  UnixTime time;
  Epoch next_epoch;
  FixedBytes<struct SecretCommitTag, 32> next_commit;
  std::vector<StatementId>
      keep;  ///< ascending, unique, <= kKeepMax: what the target issued that survives
};

/// 16 issuer's GRANT id | u64 version | u16 n | blob. The highest version wins, then the lowest id.
struct Config {
  StatementId issuer;
  std::uint64_t version = 0;
  ByteVector blob;
};

/// u32 epoch | 32 new root | 32 new recovery | u8 signer (0 old root, 1 recovery key)
struct Roll {
  enum class Signer : std::uint8_t { Root = 0, Recovery = 1 };
  std::uint32_t epoch = 1;
  IdentityKey root;
  IdentityKey recovery;
  Signer signer = Signer::Root;
};

/// 32 identity | u32 epoch (>= 1; 0 is the key in the GRANT) | u64 time | 32 new tunnel key
struct Skey {
  IdentityKey identity;
  std::uint32_t epoch = 1;
  UnixTime time;
  TunnelKey tunnel_key;
};

struct Statement {
  NetworkId network;  ///< zero in a GENESIS
  std::variant<Genesis, Grant, Admit, Revoke, Config, Roll, Skey> body;
  Signature signature;
};

StatementType type_of(const Statement& statement);
/// The signature's domain: "ipop v1 genesis", "ipop v1 grant", …
std::string_view domain_of(StatementType type);

/// Whether the fields of a GRANT make sense together, whatever the set says: rank 1..15, known
/// rights and at least one, times in order; an invite has uses, a redemption deadline and no tunnel
/// key, and fixes a name or address for one use only; other kinds have a tunnel key and neither
/// uses nor deadline nor epoch; a device has an address, a name and no right but to join. The
/// subject is not looked at (an invite string leaves it out).
bool is_consistent(const Grant& grant);

/// Errors: Truncated, BadValue (also trailing bytes, unknown bits, bad names, unsorted keeps).
Result<Statement> parse_statement(Bytes bytes);
/// Appends the canonical form without the signature: what is signed and hashed.
void write_statement_body(const Statement& statement, ByteVector& out);
/// Appends body and signature.
void write_statement(const Statement& statement, ByteVector& out);

/// A DNS label (RFC 1123, lower case): 1..32 of a-z 0-9 and inner hyphens; none of the reserved
/// words localhost, wpad, isatap, _gateway, broadcasthost. Member and network names are such.
bool is_valid_name(std::string_view name);

}  // namespace ipop::wire
