#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/way.h"
#include "dataplane/slot_ring.h"
#include "wire/data.h"

namespace ipop::dataplane {

/// Which of `workers` workers opens the packets of a lane. The sockets are steered by the same
/// rule, so that they arrive there by themselves (os::UdpSocket::open_group).
constexpr std::size_t owner_of_lane(std::uint8_t lane, std::size_t workers) {
  return lane == 0 ? 0 : (lane - std::size_t{1}) % workers;
}

/// Data packets belong to the worker of their lane, whose windows nobody else may touch; nullopt:
/// what is no data, which anybody may hand to control.
inline std::optional<std::size_t> owner_of_datagram(Bytes datagram, std::size_t workers) {
  if (datagram.size() < 2 || !wire::is_data(datagram)) return std::nullopt;
  // The second byte of a stock packet is zero, as is the number of its one lane.
  return owner_of_lane(std::to_integer<std::uint8_t>(datagram[1]), workers);
}

/// A datagram on its way from the worker it arrived at to the one that owns its lane.
struct HandedOver {
  Way from;
  std::uint8_t ecn = 0;
  MutableBytes datagram;  ///< valid until pop()
};

/// From one worker to another. What the kernel joined in one buffer (UDP_GRO looks at addresses and
/// sizes, not at lanes) comes this way, and nothing else.
class HandoverQueue {
 public:
  static constexpr std::size_t kSlots = 64;
  static constexpr std::size_t kSlotBytes = 2048;

  /// Copies the datagram in; false when the ring is full or it exceeds a slot.
  bool push(const Way& from, std::uint8_t ecn, Bytes datagram) {
    return ring_.push({from, ecn}, datagram);
  }
  /// The oldest one.
  std::optional<HandedOver> front() {
    const auto entry = ring_.front();
    if (!entry) return std::nullopt;
    return HandedOver{entry->notice.from, entry->notice.ecn, entry->bytes};
  }
  /// Requires: front() gave one.
  void pop() { ring_.pop(); }

 private:
  struct Notice {
    Way from;
    std::uint8_t ecn = 0;
  };
  SlotRing<Notice, kSlots, kSlotBytes> ring_;
};

/// One queue from every worker to every other.
class Handover {
 public:
  explicit Handover(std::size_t workers)
      : workers_(workers), queues_(std::make_unique<HandoverQueue[]>(workers * workers)) {}

  std::size_t workers() const { return workers_; }
  HandoverQueue& between(std::size_t from, std::size_t to) { return queues_[from * workers_ + to]; }

 private:
  std::size_t workers_;
  std::unique_ptr<HandoverQueue[]> queues_;
};

}  // namespace ipop::dataplane
