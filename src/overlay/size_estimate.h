#pragma once

#include <span>
#include <vector>

#include "overlay/link_table.h"

namespace ipop::overlay {

/// 256 x log2(value), truncated; 0 for 0.
std::uint32_t log2_256(std::uint64_t value);
/// 2^(log/256), for log <= 64 * 256; saturates.
std::uint64_t exp2_256(std::uint32_t log);

/// This node's own estimate, from how dense its neighbourhood is: the members in the span from the
/// `per_side`-th link before to that after it. 256 x log2, at least 0 (alone).
std::uint16_t own_size_log2_256(RingId self, const LinkTable& links, std::size_t per_side);
/// The network's size from the estimates of its links and its own: their median, so that a few
/// liars move nothing.
std::uint16_t network_size_log2_256(std::uint16_t own, const LinkTable& links);

}  // namespace ipop::overlay
