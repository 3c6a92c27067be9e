#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"

/// How a NAT that gives every destination another port chooses them: what a peer needs to guess the
/// next one. Pure functions over what others saw; one liar among them does not spoil the answer.
namespace ipop::nat {

/// Who tells us something: a number of the owner's for a member or a server, the same for all that
/// one of them says.
struct Witness {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Witness, Witness) = default;
};

/// An outer port of ours as somebody saw it.
struct PortSample {
  Witness witness;
  Instant created;  ///< when the first datagram of this flow left: the order of the allocations
  std::uint16_t port = 0;
};

/// A NAT that counts: the next flow gets newest + step, as long as no other flow comes between.
struct PortStep {
  int step = 0;  ///< not 0; negative for one that counts down
  std::uint16_t newest = 0;
  friend bool operator==(const PortStep&, const PortStep&) = default;
};

/// All ports that were seen, both ends included. The allocator's own range is likely larger.
struct PortSpan {
  std::uint16_t lowest = 0;
  std::uint16_t highest = 0;
  friend bool operator==(const PortSpan&, const PortSpan&) = default;
};

/// Flows of one burst are compared: older ones have too many strangers' flows between them.
inline constexpr Duration kPortBurst = std::chrono::seconds(5);
/// The largest difference of two neighbours in a burst. A small random block exceeds it soon.
inline constexpr int kPortStepReach = 32;

/// The step of a sequential allocator: in the newest burst, at least three samples of at least two
/// witnesses ascend (or descend) by multiples of the step, and at least half of them by the step
/// itself, the rest having met strangers' flows. Whatever one witness says may be left out for it.
/// nullopt: no such order.
std::optional<PortStep> find_port_step(std::span<const PortSample> samples);

/// The span of the ports. One witness of at least four is left out who alone more than doubles it.
/// nullopt without samples.
std::optional<PortSpan> find_port_span(std::span<const PortSample> samples);

}  // namespace ipop::nat
