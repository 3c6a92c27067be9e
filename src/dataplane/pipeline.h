#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>

#include "base/packet.h"
#include "dataplane/drop.h"
#include "dataplane/ecn.h"
#include "dataplane/snapshot.h"

/// What happens to one packet, in each direction, without any I/O: the worker in the daemon and the
/// simulator run the same functions.
namespace ipop::dataplane {

/// --- from TUN towards a peer ---

/// `packet` is now a datagram for `to`, to be sent with `ecn` in the outer header.
struct SendDatagram {
  Endpoint to;
  Ecn ecn = Ecn::NotEct;
  SessionIndex session;
  bool first_ip = false;     ///< first on the keypair or after a pause: report IpSentEvent
  bool rekey_limit = false;  ///< report LimitEvent
};
/// No proven session or path: hand the (unchanged) IP packet to control.
struct NeedsSession {
  PeerHandle peer;
};
/// `packet` was replaced by an answer (ICMP too big) to write back to TUN.
struct AnswerToTun {
  Drop counted;  ///< why the packet itself did not go
};
struct Dropped {
  Drop reason;
};
using OutboundVerdict = std::variant<SendDatagram, NeedsSession, AnswerToTun, Dropped>;

/// Classifies, checks source and MTU, clamps TCP MSS on SYN, and seals in place (RFC 6040: the
/// inner ECN field is copied out). TTL stays: a network is one link. `now` stamps the keypair's
/// words. Any sender's thread, each with its own SenderId.
/// Requires: `packet` has its whole headroom, as after read_area().
OutboundVerdict outbound(const Snapshot& snapshot, NetworkSlot network, SenderId sender,
                         Instant now, Packet& packet);

/// --- from UDP ---

/// `packet` is now an IP packet for this network's TUN.
struct WriteToTun {
  NetworkSlot network;
};
/// `packet` is now a control frame's plaintext (may be empty: keepalive).
struct ControlFrame {
  SessionIndex session;
};
/// Not DATA: `packet` is unchanged and for the engine.
struct ToEngine {};
using InboundAction = std::variant<WriteToTun, ControlFrame, ToEngine, Dropped>;
struct InboundVerdict {
  InboundAction action;
  /// Set when the first authenticated packet came, or one from another endpoint than expected.
  std::optional<SessionIndex> report;
  std::optional<SessionIndex> rekey_limit;  ///< report LimitEvent
};

/// Demultiplexes by the first byte, opens in place, checks that the inner source is the sender's
/// and the destination ours, trims to the inner length, merges the outer ECN mark (RFC 6040),
/// clamps MSS, completes a partial checksum. The thread that owns the keypairs' windows.
InboundVerdict inbound(const Snapshot& snapshot, Instant now, const Endpoint& from, Ecn outer,
                       Packet& packet);

}  // namespace ipop::dataplane
