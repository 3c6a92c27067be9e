#pragma once

#include <span>

#include "overlay/link_table.h"

namespace ipop::overlay {

/// What a hop has to decide about one FORWARD.
struct RouteQuery {
  NodeId self;
  wire::ForwardMode mode = wire::ForwardMode::Exact;
  NodeId source;
  NodeId destination;
  std::span<const RingId> visited;
  std::span<const RingId> tried;  ///< hops that did not acknowledge it
};
/// Where it goes next. `link` null: it ends here.
struct Hop {
  const Link* link = nullptr;
  /// Whether the step is nearer; if not, the sender goes on the visited list, so that a FORWARD
  /// either comes nearer or carries a growing list.
  bool nearer = false;
};

/// Greedy with look-ahead: the link that is nearest or has the nearest neighbour; direct before
/// relayed, then the shorter round trip. A suspect link only when no other comes nearer. Stuck, an
/// exact FORWARD takes a detour over whoever was not visited (<= kDetoursMax), a FIND goes back to
/// a visited member that was nearer than this one.
Hop next_hop(const RouteQuery& query, const LinkTable& links);

inline constexpr std::size_t kDetoursMax = 8;
/// A link whose FINDs remained unanswered so often in a row is not believed about its neighbours.
inline constexpr std::uint8_t kUnansweredMax = 3;

}  // namespace ipop::overlay
