#pragma once

#include <optional>

#include "dataplane/event.h"
#include "dataplane/slot_ring.h"

namespace ipop::dataplane {

/// What a worker tells control, on its way: a ring of slots that are allocated once. One thread
/// pushes, one pops, neither ever waits.
///
/// What arrives from anybody must not keep out what matters more, so each kind may fill the ring
/// only up to its own level: packets that wait for a session, then datagrams from anywhere, then
/// what authenticated peers cause, then our own once-in-a-keypair reports.
class EventQueue {
 public:
  static constexpr std::size_t kSlots = 256;
  /// Handshakes have 320 bytes, frames 1180; an IP packet that must wait fits up to this MTU.
  static constexpr std::size_t kSlotBytes = 2048;

  enum class Kind : std::uint8_t { Datagram, Frame, Received, IpSent, Limit, Unrouted, TooBig };

  /// The parts of an event but its bytes; which ones count depends on the kind (event.h).
  struct Notice {
    Kind kind = Kind::Datagram;
    SessionIndex session;
    PeerHandle peer;
    Way way;
  };

  /// Worker: copies the event in. False, and nothing happened, when its kind's level is reached or
  /// `bytes` exceeds a slot; the worker counts that.
  bool push(const Notice& notice, Bytes bytes = {});
  /// Control: the oldest event.
  std::optional<Event> pop();

  /// How many slots may be in use for one more of this kind to be taken.
  static std::size_t level_of(Kind kind);

 private:
  SlotRing<Notice, kSlots, kSlotBytes> ring_;
};

}  // namespace ipop::dataplane
