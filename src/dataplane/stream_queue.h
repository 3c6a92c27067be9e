#pragma once

#include <optional>

#include "base/address.h"
#include "dataplane/slot_ring.h"

namespace ipop::dataplane {

/// A datagram for a TLS connection.
struct StreamDatagram {
  Endpoint to;
  MutableBytes datagram;  ///< valid until pop()
};

/// From one worker to the thread that has the TLS connections. Full, it loses what is newest, as a
/// line that is too slow does: neither of the two ever waits.
class StreamQueue {
 public:
  /// 350 kB of packets: what TCP in the tunnel sends in one burst, and a few of these.
  static constexpr std::size_t kSlots = 256;
  static constexpr std::size_t kSlotBytes = 2048;

  /// The worker: copies the datagram in; false when the ring is full or it exceeds a slot.
  bool push(const Endpoint& to, Bytes datagram) { return ring_.push({to}, datagram); }
  /// The other thread: the oldest one.
  std::optional<StreamDatagram> front() {
    const auto entry = ring_.front();
    if (!entry) return std::nullopt;
    return StreamDatagram{entry->notice.to, entry->bytes};
  }
  /// Requires: front() gave one.
  void pop() { ring_.pop(); }

 private:
  struct Notice {
    Endpoint to;
  };
  SlotRing<Notice, kSlots, kSlotBytes> ring_;
};

}  // namespace ipop::dataplane
