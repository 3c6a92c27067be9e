#include "engine/mend_turns.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "overlay/circle.h"

namespace ipop::engine {

std::size_t MendTurns::place_of(const wire::NodeId& self, const wire::NodeId& lost,
                                std::size_t members) {
  // The upper half of a distance of at most 2^63, so that the product fits.
  const auto share = overlay::distance(wire::ring_id(self), wire::ring_id(lost)) >> 32U;
  return 1 + static_cast<std::size_t>((share * members) >> 31U);
}

std::vector<wire::NodeId> MendTurns::take_due(Instant now, std::span<const Lost> lost) {
  std::vector<wire::NodeId> due;
  std::map<wire::NodeId, Instant> before = std::exchange(at_, {});
  for (const Lost& one : lost) {
    const auto known = before.find(one.node);
    const Instant turn = known != before.end()
                             ? known->second
                             : now + kTurn * static_cast<int>(std::bit_width(one.place));
    const bool is_due = turn <= now;
    if (is_due) due.push_back(one.node);
    at_.emplace(one.node, is_due ? now + kTurn : turn);
  }
  return due;
}

Instant MendTurns::deadline() const {
  Instant first = Instant::max();
  for (const auto& [node, at] : at_) first = std::min(first, at);
  return first;
}

}  // namespace ipop::engine
