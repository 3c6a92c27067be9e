#pragma once

#include <cstdint>
#include <variant>

#include "base/bytes.h"
#include "base/id.h"
#include "base/way.h"

/// What a worker tells the control thread. Bounded, and never a reason to wait.
namespace ipop::dataplane {

/// A datagram that is not DATA: handshakes, and what other protocols share the port later.
struct DatagramEvent {
  Way from;
  ByteVector datagram;
};
/// An authenticated control frame (or keepalive: empty) on a known session.
struct FrameEvent {
  SessionIndex session;
  Way from;
  ByteVector plaintext;
};
/// First authenticated packet on a keypair, or one from a way that the snapshot does not name.
struct ReceivedEvent {
  SessionIndex session;
  Way from;
};
/// First IP packet sealed on a keypair, or first after a second of silence.
struct IpSentEvent {
  SessionIndex session;
};
/// The keypair passed its rekey limit.
struct LimitEvent {
  SessionIndex session;
};
/// An IP packet for a peer that has no proven session or path; the engine queues it.
struct UnroutedEvent {
  PeerHandle peer;
  ByteVector packet;
};
/// The kernel refused a datagram as too big (EMSGSIZE) on the way to a peer.
struct TooBigEvent {
  Endpoint to;
};

using Event = std::variant<DatagramEvent, FrameEvent, ReceivedEvent, IpSentEvent, LimitEvent,
                           UnroutedEvent, TooBigEvent>;

}  // namespace ipop::dataplane
