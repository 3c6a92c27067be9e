#pragma once

#include <algorithm>

#include "wire/ring_frames.h"

/// Positions of members on the circle mod 2^64; "after" is clockwise, towards larger numbers.
namespace ipop::overlay {

using wire::NodeId;
using wire::ring_id;
using wire::RingId;

enum class Side : std::uint8_t { After = 0, Before = 1 };

constexpr std::uint64_t clockwise(RingId from, RingId to) { return to.value - from.value; }
/// How far `to` is from `from` when one walks on this side.
constexpr std::uint64_t distance_on(Side side, RingId from, RingId to) {
  return side == Side::After ? clockwise(from, to) : clockwise(to, from);
}
/// The shorter way round.
constexpr std::uint64_t distance(RingId a, RingId b) {
  return std::min(clockwise(a, b), clockwise(b, a));
}

}  // namespace ipop::overlay
