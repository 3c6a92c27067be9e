#pragma once

#include "base/time.h"
#include "dataplane/shared.h"

namespace ipop::dataplane {

/// How much of one pair of members is carried; 0: as much as there is.
using BitsPerSecond = std::uint64_t;

/// What may pass at once after a pause.
inline constexpr Duration kAllowanceBurst = std::chrono::milliseconds(100);

/// Whether `bytes` more may pass now; counts them then. A token bucket of kAllowanceBurst, kept as
/// the one time at which it will be full again (GCRA), so that it is a single word. The last packet
/// of a burst may exceed it. Any worker.
bool take_allowance(AllowanceWords& words, BitsPerSecond limit, Instant now, std::size_t bytes);

}  // namespace ipop::dataplane
