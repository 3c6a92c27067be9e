#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "member/statement_set.h"

namespace ipop::member {

/// One valid member.
struct Member {
  IdentityKey identity;
  wire::NodeId node;
  TunnelKey tunnel_key;  ///< newest valid SKEY's, else that of the GRANT that counted first
  std::uint32_t skey_epoch = 0;
  UnixTime skey_time;
  wire::StatementId skey;   ///< zero: the key in the GRANT
  wire::StatementId grant;  ///< the one of smallest rank, then lowest id
  std::uint8_t rank = 0;
  wire::Rights rights = 0;  ///< union over its valid GRANTs, policy included
  std::optional<Ipv4> v4;
  Ipv6 v6;
  std::string name;    ///< empty while a conflict leaves it without one
  UnixTime since;      ///< when the first of its GRANTs counted
  UnixTime not_after;  ///< the latest of its GRANTs'
  bool admin() const { return (rights & wire::kRightKick) != 0; }
  friend bool operator==(const Member&, const Member&) = default;
};

/// A stock WireGuard device that one member hosts: everybody else reaches it through that one. It
/// is no member; its GRANT has its name and address.
struct Device {
  wire::StatementId grant;
  wire::NodeId host;
  TunnelKey key;
  Ipv4 v4;
  Ipv6 v6;  ///< follows from the GRANT's id
  std::string name;
  UnixTime not_after;
  friend bool operator==(const Device&, const Device&) = default;
};

/// An invite that could still be redeemed, or was.
struct InviteState {
  wire::StatementId grant;
  IdentityKey key;
  IdentityKey issuer;  ///< the root's or a member's
  std::uint16_t uses = 0;
  std::uint16_t used = 0;
  UnixTime redeem_until;
  Ipv4 v4;
  std::string name;
  bool open = false;      ///< not revoked, not used up; time is the caller's to compare
  bool outdated = false;  ///< made before a kick: to who comes by it everybody is silent
  friend bool operator==(const InviteState&, const InviteState&) = default;
};

/// Which network secret the REVOKEs ask for: highest epoch, then the lowest REVOKE id.
struct SecretCommit {
  Epoch epoch;
  FixedBytes<wire::SecretCommitTag, 32> commit;
  friend bool operator==(const SecretCommit&, const SecretCommit&) = default;
};

/// A statement that has an effect: a GRANT that stands, an ADMIT that let somebody in or gave a
/// name or an address, a REVOKE that was accepted and takes something down, the CONFIG in force.
struct Effect {
  wire::StatementId id;
  UnixTime since;       ///< of a GRANT: when it began to stand
  bool acting = false;  ///< of a GRANT: its subject may act by it now
  friend bool operator==(const Effect&, const Effect&) = default;
};

/// V = eval(S, t): who is a member. A pure function: equal sets and equal times give equal answers,
/// whatever the order of arrival. docs/membership.md, "evaluation", has the procedure and why it is
/// well-founded.
class Membership {
 public:
  Membership() = default;
  /// Edges in time have 10 minutes tolerance.
  static Membership evaluate(const StatementSet& set, UnixTime at);

  const std::map<wire::NodeId, Member>& members() const { return members_; }
  const Member* find(const wire::NodeId& node) const;
  const Member* by_identity(const IdentityKey& identity) const;
  const Member* by_tunnel_key(const TunnelKey& key) const;
  const Member* by_name(std::string_view name) const;
  const Member* by_v4(Ipv4 address) const;

  /// By their GRANT. A device counts while its GRANT stands, its host is a member, and nobody else
  /// has its name or address: members come first, then devices in their order.
  const std::map<wire::StatementId, Device>& devices() const { return devices_; }
  const Device* device_by_name(std::string_view name) const;
  const Device* device_by_v4(Ipv4 address) const;

  /// Why this redemption makes nobody a member; nullopt when it does, or is not admitted yet.
  std::optional<wire::ByeReason> refusal(const wire::StatementId& redemption) const;
  bool is_revoked(const IdentityKey& identity) const { return revoked_.contains(identity); }
  /// True for every tunnel key that only revoked identities ever named: they get silence.
  bool is_revoked_tunnel_key(const TunnelKey& key) const;
  /// False only where this REVOKE of the set, which was not in it yet at the time of this answer,
  /// takes nothing that the answer gives anybody: what it names does not stand, or was used by
  /// nobody.
  bool may_lose_by(const StatementSet& set, const wire::Revoke& revoke) const;
  const std::map<wire::StatementId, InviteState>& invites() const { return invites_; }
  /// Epoch 0 and GENESIS' commitment while nobody was revoked.
  const SecretCommit& secret() const { return secret_; }
  /// The next time at which the answer can change by time alone; never() if not.
  UnixTime next_change() const { return next_change_; }
  const wire::NetworkId& network() const { return network_; }
  const IdentityKey& root() const { return root_; }
  /// What the root names as issuer: the network id, or the ROLL that made it the root.
  const wire::StatementId& root_issuer() const { return root_issuer_; }
  /// The CONFIG in force; nullopt when there is none.
  const std::optional<wire::StatementId>& config() const { return config_; }
  /// Null for a statement without effect.
  const Effect* effect_of(const wire::StatementId& id) const;
  std::uint8_t policy() const { return policy_; }
  const std::optional<Prefix4>& pool() const { return pool_; }

  /// A free address of the pool for a newcomer: none a member has or an open invite reserves. The
  /// lowest free one, or among the 16 lowest by `spread` once members() > 2, so that members that
  /// admit at the same moment seldom choose the same. nullopt: the pool is full.
  std::optional<Ipv4> free_address(UnixTime at, std::uint64_t spread) const;
  /// `wish`, or wish-2, wish-3, … when taken or reserved; "member" for an empty wish.
  std::string free_name(std::string_view wish, UnixTime at) const;
  /// Whether a member, or an open invite that can be redeemed at `at`, has this name.
  bool is_name_taken(std::string_view name, UnixTime at) const;
  bool is_address_taken(Ipv4 address, UnixTime at) const;
  /// Inside the pool, neither its network nor its broadcast address.
  bool is_assignable(Ipv4 address) const;

  friend bool operator==(const Membership&, const Membership&) = default;

 private:
  friend class MembershipBuilder;

  std::map<wire::NodeId, Member> members_;
  std::unordered_map<IdentityKey, wire::NodeId> by_identity_;
  std::unordered_map<TunnelKey, wire::NodeId> by_tunnel_key_;
  std::map<std::string, wire::NodeId, std::less<>> by_name_;
  std::map<Ipv4, wire::NodeId> by_v4_;
  std::map<wire::StatementId, Device> devices_;
  std::map<wire::StatementId, wire::ByeReason> refusals_;
  std::set<IdentityKey> revoked_;
  std::set<TunnelKey> revoked_tunnel_keys_;
  std::map<wire::StatementId, InviteState> invites_;
  SecretCommit secret_;
  UnixTime next_change_ = UnixTime::never();
  wire::NetworkId network_;
  IdentityKey root_;
  wire::StatementId root_issuer_;
  std::optional<wire::StatementId> config_;
  std::vector<Effect> effects_;  ///< ascending by id
  std::uint8_t policy_ = 0;
  std::optional<Prefix4> pool_;
};

}  // namespace ipop::member
