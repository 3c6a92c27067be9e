#include "dataplane/allowance.h"

#include <algorithm>

namespace ipop::dataplane {

bool take_allowance(AllowanceWords& words, BitsPerSecond limit, Instant now, std::size_t bytes) {
  const std::int64_t at = now.time_since_epoch().count();
  if (limit != 0) {
    // At most 64 KiB at no less than 1 bit/s: within 63 bits.
    const auto cost = static_cast<std::int64_t>(bytes * 8 * 1'000'000'000ULL / limit);
    std::int64_t spent = words.spent_until.load(std::memory_order_relaxed);
    do {
      if (spent > at && spent - at >= kAllowanceBurst.count()) {
        words.dropped_packets.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
    } while (!words.spent_until.compare_exchange_weak(spent, std::max(spent, at) + cost,
                                                      std::memory_order_relaxed));
  }
  words.bytes.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

}  // namespace ipop::dataplane
