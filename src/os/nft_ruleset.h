#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace ipop::os {

/// The parts of an nftables rule that can be followed; each works on a packet and on registers.
struct NftLoad {
  enum class What : std::uint8_t {
    L4Protocol,      ///< 1 byte
    Family,          ///< NFPROTO_*, 1 byte
    UdpDestination,  ///< port, 2 bytes, network order
    ConntrackState,  ///< bits, 4 bytes, native order
    InputName,       ///< of the interface, 16 bytes
    InputIndex,      ///< of the interface, 4 bytes, native order
    Else,            ///< what is not known of the packet
  };
  What what = What::Else;
  std::uint32_t to = 0;  ///< register
};
struct NftBitwise {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  ByteVector mask;
  ByteVector flip;
};
struct NftCompare {
  /// Of more than equality: as numbers in network order.
  enum class Relation : std::uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };
  std::uint32_t from = 0;
  Relation relation = Relation::Equal;
  ByteVector value;
};
struct NftVerdict {
  enum class Kind : std::uint8_t { Accept, Drop, Continue, Return, Jump, Goto };
  Kind kind = Kind::Continue;
  std::string chain;  ///< Jump, Goto
};
/// Matches where the set has the register's value; in a map, the element's verdict decides.
struct NftLookup {
  std::uint32_t from = 0;
  std::string set;  ///< of the rule's table
  bool inverted = false;
  bool decides = false;  ///< it is a map of verdicts
};
/// Whether this matches is not known, nor, where it may decide, what.
struct NftRiddle {
  bool may_decide = false;
};
using NftStep = std::variant<NftLoad, NftBitwise, NftCompare, NftLookup, NftVerdict, NftRiddle>;

struct NftRule {
  std::uint64_t handle = 0;
  std::vector<NftStep> steps;
};
struct NftChain {
  std::uint8_t family = 0;  ///< NFPROTO_*
  std::string table;
  std::string name;
  bool is_filter = false;  ///< a base chain that filters what passes its hook
  std::uint32_t hook = 0;  ///< NF_INET_*
  bool drops = false;      ///< its policy
  std::vector<NftRule> rules;
};
/// A set whose elements could be read; of intervals, each element begins one, or the gap behind it.
struct NftSet {
  struct Element {
    ByteVector key;
    bool is_gap = false;
    std::optional<NftVerdict> verdict;
  };
  std::uint8_t family = 0;  ///< NFPROTO_*
  std::string table;
  std::string name;
  bool is_interval = false;
  std::vector<Element> elements;
};
struct NftRuleset {
  std::vector<NftChain> chains;
  std::vector<NftSet> sets;
};

/// The packet filter of the thread's network namespace. One thread; some round trips to the kernel.
/// Error: Denied without CAP_NET_ADMIN, NotFound in a kernel without nftables. Rules of the old
/// iptables (not iptables-nft) are not in it.
Result<NftRuleset> read_nft_ruleset();

/// A datagram that comes to us from outside.
struct IncomingUdp {
  std::uint16_t port = 0;  ///< ours
  bool is_v6 = false;
  bool is_established = false;  ///< the answer to one of ours; else a stranger's
};
struct NftJudgement {
  enum class Fate : std::uint8_t { Accepted, Dropped, Unknown };
  Fate fate = Fate::Unknown;
  std::string chain;                  ///< Dropped: "inet filter input"
  std::optional<std::uint64_t> rule;  ///< Dropped: its handle; nullopt: the chain's policy
};
/// What becomes of it at the hooks for what comes in. Pure. Unknown where it depends on what is not
/// known of the packet (its source, limits) or on a match that is not followed.
NftJudgement judge_incoming_udp(const NftRuleset& rules, const IncomingUdp& packet);

}  // namespace ipop::os
