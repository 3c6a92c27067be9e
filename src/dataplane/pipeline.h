#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>

#include "base/device.h"
#include "base/packet.h"
#include "dataplane/drop.h"
#include "dataplane/ecn.h"
#include "dataplane/segments.h"
#include "dataplane/snapshot.h"

/// What happens to one packet, in each direction, without any I/O: the worker in the daemon and the
/// simulator run the same functions.
namespace ipop::dataplane {

/// --- from TUN towards a peer ---

/// What the worker reports to control about a keypair that it sends on.
struct SendReports {
  SessionIndex session;
  bool first_ip = false;     ///< first on the keypair or after a pause: report IpSentEvent
  bool rekey_limit = false;  ///< report LimitEvent
};
/// `packet` is now a datagram for `to`, a leg, to be sent with `ecn` in the outer header.
struct SendDatagram {
  Way to;
  Ecn ecn = Ecn::NotEct;
  SendReports reports;
};
/// `packet` stands for many, still to be sealed by seal_segments(). Borrows from the snapshot and
/// the packet.
struct SendSegments {
  Way to;  ///< a leg
  Ecn ecn = Ecn::NotEct;
  SendReports reports;
  Segments segments;
  const PeerRoute* peer = nullptr;
  const PeerRoute* hop = nullptr;  ///< the relay that the way leads through, if it does
};
/// No proven session or path: hand the IP packet, its checksum finished, to control; of one that
/// stands for many, `segments`.
struct NeedsSession {
  PeerHandle peer;
  std::optional<Segments> segments;
};
/// `packet` was replaced by an answer (ICMP too big) to write back to TUN.
struct AnswerToTun {
  Drop counted;  ///< why the packet itself did not go
};
struct Dropped {
  Drop reason;
};
using OutboundVerdict =
    std::variant<SendDatagram, SendSegments, NeedsSession, AnswerToTun, Dropped>;

/// Classifies, checks source and MTU, clamps TCP MSS on SYN, and seals in place (RFC 6040: the
/// inner ECN field is copied out). TTL stays: a network is one link. What the kernel left undone,
/// a checksum or the splitting, is `left` to us. `now` stamps the keypair's words. Any sender's
/// thread, each with its own SenderId.
/// Requires: `packet` has its whole headroom, as after read_area().
OutboundVerdict outbound(const Snapshot& snapshot, NetworkSlot network, SenderId sender,
                         Instant now, const Offload& left, Packet& packet);

/// Datagrams of one seal_segments().
struct SealedRun {
  std::size_t segments = 0;  ///< how many; 0: the keypair is past its limit
  std::uint16_t datagram_size = 0;
};
/// Seals as many of the segments from `first` on as one send takes, one datagram behind the other,
/// all but the last of datagram_size, into `out`. Requires: first < segments.count().
SealedRun seal_segments(const SendSegments& send, SenderId sender, std::size_t first, Packet& out);

/// What one UDP_SEGMENT send takes: UDP_MAX_SEGMENTS of Linux before 6.9, and an IPv4 datagram.
inline constexpr std::size_t kRunSegmentsMax = 64;
inline constexpr std::size_t kRunBytesMax = 65507;

/// --- from UDP ---

/// The datagram is now an IP packet for this network's TUN.
struct WriteToTun {
  NetworkSlot network;
  InnerPacket inner;
  bool checksum_partial = false;  ///< the reader is to finish it; checksum_place() is no error
};
/// The datagram is now an IP packet, its checksum whole, that a device hosted here sends or gets:
/// forward() a copy of it.
struct ForwardIp {
  NetworkSlot network;
  PeerHandle from;         ///< whose packet it is
  std::uint32_t peer = 0;  ///< index into the snapshot's peers
};
/// The datagram, still in its place as the plaintext that it was sealed as, is somebody else's:
/// relay() it. Borrows from the snapshot.
struct RelayOn {
  const LabelForward* forward = nullptr;
};
/// The datagram is now another one, which came through a relay: for inbound() by this way, by the
/// thread that owns its lane. It gives no other one.
struct Relayed {
  Way from;
};
/// The datagram is now a control frame's plaintext (may be empty: keepalive).
struct ControlFrame {
  SessionIndex session;
};
/// Not DATA: the datagram is unchanged and for the engine.
struct ToEngine {};
using InboundAction =
    std::variant<WriteToTun, ForwardIp, RelayOn, Relayed, ControlFrame, ToEngine, Dropped>;
struct InboundVerdict {
  InboundAction action;
  /// Set when the first authenticated packet came, or one by another way than expected.
  std::optional<SessionIndex> report;
  std::optional<SessionIndex> rekey_limit;  ///< report LimitEvent
};

/// Demultiplexes by the first byte, opens in place (narrowing the view), checks that the inner
/// source is the sender's and the destination ours or a hosted device's or, from such a device,
/// anybody's, trims to the inner length, merges the outer ECN mark (RFC 6040), clamps MSS. The
/// thread that owns the datagram's lane.
InboundVerdict inbound(const Snapshot& snapshot, Instant now, const Way& from, Ecn outer,
                       MutableBytes& datagram);

/// Seals what a member sends to a device hosted here, or such a device to anybody, as outbound()
/// does for our own packets. One that is too big for the way on is answered to its sender. Gives
/// SendDatagram, NeedsSession or Dropped.
/// Requires: inbound() said so, on the same snapshot; `packet` has its whole headroom.
OutboundVerdict forward(const Snapshot& snapshot, const ForwardIp& wanted, SenderId sender,
                        Instant now, Packet& packet);

/// Seals a datagram again for the next leg, in its place, and says by which direct way that leads.
/// Nullopt: the keypair is past its limit.
/// Requires: inbound() said so, on the same snapshot; `datagram` is the whole that it was given.
std::optional<Way> relay(const Snapshot& snapshot, const RelayOn& wanted, SenderId sender,
                         MutableBytes datagram);

}  // namespace ipop::dataplane
