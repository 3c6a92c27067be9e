#pragma once

#include <vector>

#include "base/time.h"
#include "overlay/circle.h"

namespace ipop::overlay {

/// One FORWARD that passed here, for dropping its copies and for the way back.
struct Seen {
  std::uint64_t message = 0;
  RingId previous;  ///< where it came from; answers go there
  RingId next;      ///< where it went
  Instant until{};
  bool own = false;  ///< we are its source
  bool find = false;
  bool answered = false;      ///< a FOUND or NOROUTE went back
  std::uint8_t returned = 0;  ///< datagrams that went back
};

/// The last FORWARDs; the oldest are forgotten when there are too many.
class SeenTable {
 public:
  static constexpr Duration kLife = std::chrono::seconds(10);
  static constexpr std::size_t kMax = 512;
  static constexpr std::uint8_t kReturnedMax = 64;

  Seen* find(std::uint64_t message);
  /// Valid until the next call.
  Seen& add(Instant now, const Seen& seen);
  /// Forgets the old; names the hops to which FINDs went that nobody answered.
  std::vector<RingId> expire(Instant now);

 private:
  std::vector<Seen> entries_;  ///< oldest first
};

/// A FORWARD or FORWARD_REPLY whose hop has not acknowledged it yet.
struct Pending {
  std::uint64_t message = 0;
  bool of_reply = false;
  NodeId to;
  ByteVector frame;  ///< FORWARD: as it came, before the step; FORWARD_REPLY: as it goes
  std::vector<RingId> tried;
  Instant sent{};
  Instant deadline{};
  std::uint8_t sends = 1;
};

/// Bounded; what does not fit travels without being repeated.
class PendingTable {
 public:
  static constexpr std::size_t kMax = 64;

  void add(Pending pending);
  /// Takes out the one that this hop acknowledged.
  bool take(std::uint64_t message, bool of_reply, const NodeId& from, Pending& out);
  /// Takes out those whose time is over.
  std::vector<Pending> take_due(Instant now);
  /// A link is gone: what waits for it is due.
  void hurry(const NodeId& to, Instant now);
  Instant next() const;

 private:
  std::vector<Pending> entries_;
};

}  // namespace ipop::overlay
