#pragma once

#include <limits>
#include <unordered_map>
#include <vector>

#include "member/statement_set.h"

namespace ipop::member {

/// Tolerance of every time edge (PROTOCOL 1).
inline constexpr std::chrono::seconds kTimeTolerance{600};

/// An SKEY that comes sooner after the one before is ignored (PROTOCOL 6).
inline constexpr std::chrono::seconds kSkeySpacing{3600};
/// GRANTs of one issuer that count at a time (PROTOCOL 6).
inline constexpr std::size_t kLiveGrantsMax = 1024;

/// What a REVOKE of kind Grant names.
wire::StatementId granted_id(const wire::Revoke& revoke);

/// The statements of a set with their references resolved to indices, and everything about them
/// that depends on neither time nor revocations. Borrows from the set.
struct Graph {
  using Index = std::uint32_t;
  static constexpr Index kNone = std::numeric_limits<Index>::max();

  /// A principal: a root (GENESIS' or a ROLL's), or a GRANT.
  struct Node {
    wire::StatementId id;  ///< the network id for GENESIS' root
    IdentityKey subject;
    const wire::Grant* grant = nullptr;  ///< null for a root
    Index issuer = kNone;
    std::uint8_t rank = 0;
    wire::Rights rights = wire::kRightsAll;
    std::uint32_t root_epoch = 0;
    bool is_root_of_line = false;  ///< a root on the line from GENESIS to the current root

    bool is(wire::GrantKind kind) const { return grant != nullptr && grant->kind == kind; }
    bool is_member() const {
      return is(wire::GrantKind::Member) || is(wire::GrantKind::Redemption);
    }
  };

  /// What can make a GRANT stand, in the one order that decides who is first: an ADMIT at its time,
  /// a GRANT of kind Member or Device at its not_before.
  struct Event {
    UnixTime time;
    wire::StatementId id;
    Index node = kNone;  ///< the redemption, or the Member or Device GRANT itself
    Index admitter = kNone;
    const wire::Admit* admit = nullptr;
    friend bool operator<(const Event& a, const Event& b) {
      return std::tie(a.time, a.id) < std::tie(b.time, b.id);
    }
  };

  struct Revocation {
    wire::StatementId id;
    const wire::Revoke* revoke = nullptr;
    Index issuer = kNone;
    std::vector<Index> hits;  ///< the principals it takes down if it is accepted
    bool of_oneself = false;
    /// Ascending: revocations are judged by the rank of their issuer, younger roots before older
    /// ones, a principal's own departure before what else it revoked.
    std::uint64_t stage = 0;
  };

  struct SkeyEntry {
    wire::StatementId id;
    const wire::Skey* skey = nullptr;
  };
  struct ConfigEntry {
    wire::StatementId id;
    const wire::Config* config = nullptr;
    Index issuer = kNone;
  };

  explicit Graph(const StatementSet& set);

  const wire::Genesis* genesis = nullptr;  ///< null: the graph is empty
  std::vector<Node> nodes;                 ///< roots first, then GRANTs ascending by id
  std::size_t roots = 0;
  Index current_root = kNone;
  std::vector<Event> events;            ///< ascending
  std::vector<Revocation> revocations;  ///< ascending by stage, then id
  std::vector<SkeyEntry> skeys;
  std::vector<ConfigEntry> configs;
  std::unordered_map<IdentityKey, std::vector<Index>> by_subject;
  /// GRANTs of the issuers that have more than kLiveGrantsMax, in the order in which they count.
  std::unordered_map<Index, std::vector<Index>> crowded;

  Index index_of(const wire::StatementId& id) const;

 private:
  void add_roots(const StatementSet& set);
  void add_grants(const StatementSet& set);
  void add_rest(const StatementSet& set);
  void find_hits();
  bool is_hit(const Revocation& revocation, Index target) const;
  bool descends(Index node, Index ancestor) const;

  wire::StatementId root_issuer_;
  std::unordered_map<wire::StatementId, Index> index_;
};

}  // namespace ipop::member
