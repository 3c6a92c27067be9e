#pragma once

#include <memory>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "dataplane/shared.h"

namespace ipop::dataplane {

/// Which of `workers` workers opens the packets of a lane. The sockets are steered by the same
/// rule, so that they arrive there by themselves (os::UdpSocket::open_group).
constexpr std::size_t owner_of_lane(std::uint8_t lane, std::size_t workers) {
  return lane == 0 ? 0 : (lane - std::size_t{1}) % workers;
}

/// A datagram on its way from the worker it arrived at to the one that owns its lane.
struct HandedOver {
  Endpoint from;
  std::uint8_t ecn = 0;
  MutableBytes datagram;  ///< valid until pop()
};

/// A ring of slots that are allocated once. One worker pushes, one pops, neither ever waits. What
/// the kernel joined in one buffer (UDP_GRO looks at addresses and sizes, not at lanes) comes this
/// way, and nothing else.
class HandoverQueue {
 public:
  static constexpr std::size_t kSlots = 64;
  static constexpr std::size_t kSlotBytes = 2048;

  HandoverQueue();
  ~HandoverQueue();
  HandoverQueue(const HandoverQueue&) = delete;
  HandoverQueue& operator=(const HandoverQueue&) = delete;

  /// Copies the datagram in; false when the ring is full or it exceeds a slot.
  bool push(const Endpoint& from, std::uint8_t ecn, Bytes datagram);
  /// The oldest one.
  std::optional<HandedOver> front();
  /// Requires: front() gave one.
  void pop();

 private:
  struct Slot;
  MutableBytes bytes_of(std::uint64_t number) const {
    return {&bytes_[number % kSlots * kSlotBytes], kSlotBytes};
  }
  RingWords words_;
  std::unique_ptr<Slot[]> slots_;
  /// Apart from the slots and not written before use: what is never used has no pages.
  std::unique_ptr<std::byte[]> bytes_;
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
