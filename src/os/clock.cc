#include "os/clock.h"

#include <ctime>

#include "base/check.h"

namespace ipop::os {

Now now() {
  timespec boot{};
  timespec wall{};
  check(::clock_gettime(CLOCK_BOOTTIME, &boot) == 0);
  check(::clock_gettime(CLOCK_REALTIME, &wall) == 0);
  const Duration since_boot =
      std::chrono::seconds(boot.tv_sec) + std::chrono::nanoseconds(boot.tv_nsec);
  // A clock set before 1970 is a machine without a battery: call it the beginning of time.
  const auto seconds = wall.tv_sec < 0 ? 0U : static_cast<std::uint64_t>(wall.tv_sec);
  return {.at = Instant(since_boot),
          .wall = {seconds},
          .wall_nanoseconds = static_cast<std::uint32_t>(wall.tv_nsec)};
}

}  // namespace ipop::os
