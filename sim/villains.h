#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "base/random.h"
#include "sim/node.h"
#include "wire/frames.h"

namespace ipop::sim {

/// What a member that turned hostile does; everything else it does as an honest one.
enum class Vice : std::uint8_t {
  Drop,      ///< acknowledges what it should pass on, and does not
  Misroute,  ///< passes it on to anybody but the next one
  Lie,       ///< names links that it does not have, and addresses that are not the members'
  Replay,    ///< sends what it received, again, to others
  Flood,     ///< asks everybody for everything without end
  Deaf,      ///< obeys no statement: a kicked member that goes on
};
inline constexpr std::size_t kViceCount = 6;
const char* vice_name(Vice vice);

/// The hostile members of a world. Their engines are the shipped ones, so what they would send is
/// put into the mouths of their sessions: an honest node's worker hands up the frame as if it had
/// come sealed. Set World::villains to one of these; it must live as long.
class Villains {
 public:
  explicit Villains(std::uint64_t seed) : rng_(seed) {}

  void set(const Node& node, Vice vice) { vices_[node.index()] = vice; }
  bool is_one(std::size_t node) const { return vices_.contains(node); }
  std::size_t size() const { return vices_.size(); }

  /// A control frame is about to be handed up at `at`; `from` sent it. May change it. False: it is
  /// not handed up.
  bool may_pass(World& world, Node& at, std::size_t from, ByteVector& plaintext);
  /// Whether a member carries the packets of others.
  bool relays(const Node& node) const;
  /// A datagram arrived at `at`.
  void notice(const Node& at, Bytes datagram);
  /// What they do unasked; call it some times a second.
  void act(World& world);
  /// How often one of them did something; a test of malice asserts that it happened.
  std::uint64_t deeds() const { return deeds_; }

 private:
  bool mishandle(World& world, Node& at, std::size_t from, Vice vice, const wire::Forward& forward);
  bool lie(World& world, const wire::Frame& frame, ByteVector& plaintext);
  void flood(World& world, Node& villain);
  void replay(World& world, Node& villain);

  SeededRng rng_;
  std::map<std::size_t, Vice> vices_;
  std::map<std::size_t, std::deque<ByteVector>> caught_;
  std::uint64_t deeds_ = 0;
};

}  // namespace ipop::sim
