#pragma once

#include <cstdint>

#include "base/time.h"

namespace ipop::dataplane {

/// When a queue's sender is to be slowed down: "controlled delay" (RFC 8289) for one flow. Judged
/// by how long packets waited, so the same two numbers fit every speed: a burst may wait as long as
/// it drains within kInterval, a standing queue may not.
class Codel {
 public:
  /// What is left of a wait when senders do what they are told (RFC 8289, sections 4.2 and 4.3).
  static constexpr Duration kTarget = std::chrono::milliseconds(5);
  static constexpr Duration kInterval = std::chrono::milliseconds(100);

  /// For each packet that leaves the queue, in order: whether its sender is to hear of congestion,
  /// by a mark or by its loss. `is_last`: none of its flow waits behind it, so that a loss would
  /// free nothing.
  bool is_congested(Instant now, Duration waited, bool is_last);

 private:
  bool is_above(Instant now, Duration waited, bool is_last);
  Instant next_after(Instant then) const;

  bool signalling_ = false;
  bool was_above_ = false;
  Instant above_until_;           ///< with was_above_: standing from here on
  Instant next_;                  ///< the next signal, while it goes on
  std::uint32_t count_ = 0;       ///< signals since it began
  std::uint32_t count_then_ = 0;  ///< count_ when it last began
};

}  // namespace ipop::dataplane
