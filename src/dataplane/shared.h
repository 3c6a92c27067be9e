#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/drop.h"

/// Every word that both the control thread and a worker write or watch, with its memory order and
/// the reason. Nothing else in the project is atomic but the snapshot slot.
namespace ipop::dataplane {

/// Keeps words that different threads write out of each other's cache line.
inline constexpr std::size_t kCacheLineSize = 64;

/// Per key of a keypair: one a sender and direction.
struct alignas(kCacheLineSize) LaneWords {
  /// Next send counter. Relaxed fetch_add: uniqueness is all that matters, packets carry the value.
  std::atomic<std::uint64_t> counter{0};
  /// AES blocks sealed or opened under the key. Relaxed: a limit, checked with slack.
  std::atomic<std::uint64_t> blocks{0};
};

/// Per keypair.
struct KeypairWords {
  /// Instant (ns since the driver's origin) of the last authenticated packet. Relaxed: a hint.
  std::atomic<std::int64_t> last_received{INT64_MIN};
  /// Instant of the last IP packet sealed here. Relaxed: a hint.
  std::atomic<std::int64_t> last_ip_sent{INT64_MIN};
  /// Instant of the last IP packet that came in here. Relaxed: a hint.
  std::atomic<std::int64_t> last_ip_received{INT64_MIN};
  /// Of stock keypairs only (dataplane/activity.h). Relaxed: hints; where sender and receiver meet
  /// in them, a timer of seconds moves by one packet.
  std::atomic<std::int64_t> unanswered_since{INT64_MAX};
  std::atomic<std::int64_t> unacknowledged_since{INT64_MAX};
  /// A lane passed its rekey limit. Relaxed: only ever set.
  std::atomic<bool> limit_passed{false};
  /// The rekey limit was reported. Relaxed exchange: exactly one thread sees it change.
  std::atomic<bool> limit_reported{false};
};

/// Per peer, over all its keypairs. Relaxed: statistics.
struct PeerWords {
  std::atomic<std::uint64_t> rx_bytes{0};
  std::atomic<std::uint64_t> tx_bytes{0};
};

/// Per circuit that this node carries for two others.
struct CircuitWords {
  /// Instant (ns) of the last packet that passed. Relaxed: a hint, of minutes.
  std::atomic<std::int64_t> last_used{INT64_MIN};
};

/// Per pair of members that this node carries for, over all its circuits; every worker may write
/// it.
struct alignas(kCacheLineSize) AllowanceWords {
  /// Instant (ns) until which what passed uses the allowance up (dataplane/allowance.h). Relaxed
  /// compare and exchange: packets only have to be counted once each.
  std::atomic<std::int64_t> spent_until{INT64_MIN};
  /// Relaxed: statistics.
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> dropped_packets{0};
};

/// Per worker: packets thrown away, by reason. Written by that worker alone, so a relaxed load and
/// store take the place of a locked addition; read by control. Relaxed: statistics.
struct alignas(kCacheLineSize) DropWords {
  std::array<std::atomic<std::uint64_t>, kDropCount> counts{};
};

/// Of an event or handover queue: how many slots were ever filled and emptied. Each is stored with
/// release by its one writer and loaded with acquire by the other side, which hands the slot's
/// content over.
struct RingWords {
  alignas(kCacheLineSize) std::atomic<std::uint64_t> pushed{0};
  alignas(kCacheLineSize) std::atomic<std::uint64_t> popped{0};
};

}  // namespace ipop::dataplane
