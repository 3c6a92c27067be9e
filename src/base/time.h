#pragma once

#include <chrono>
#include <cstdint>

namespace ipop {

/// The core's clock has no now(): code below os/ cannot read time, it can only be told it.
struct CoreClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<CoreClock>;
  static constexpr bool is_steady = true;
};
using Duration = CoreClock::duration;
/// Monotonic, counts suspended time (CLOCK_BOOTTIME in the daemon); the origin is the driver's.
using Instant = CoreClock::time_point;

/// Wall-clock time in whole seconds since 1970-01-01 UTC. Statements carry it; it may jump.
struct UnixTime {
  std::uint64_t seconds = 0;

  static constexpr UnixTime never() { return {UINT64_MAX}; }
  /// Saturates, so that `t.plus(tolerance)` of never() stays never().
  constexpr UnixTime plus(std::chrono::seconds s) const {
    const auto n = static_cast<std::uint64_t>(s.count());
    return {seconds > UINT64_MAX - n ? UINT64_MAX : seconds + n};
  }
  constexpr UnixTime minus(std::chrono::seconds s) const {
    const auto n = static_cast<std::uint64_t>(s.count());
    return {seconds < n ? 0 : seconds - n};
  }
  friend constexpr auto operator<=>(UnixTime, UnixTime) = default;
};

/// Both clocks at one moment; every handle_*() of the engine is told it.
struct Now {
  Instant at;
  UnixTime wall;
  std::uint32_t wall_nanoseconds = 0;
};

}  // namespace ipop
