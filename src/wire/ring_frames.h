#pragma once

#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "wire/frame_type.h"
#include "wire/ids.h"
#include "wire/reader.h"

/// Frames of the ring (overlay/ring.h): who links whom, routing, failures, merging. They travel
/// inside proven sessions only. What they say about third parties is a hint.
namespace ipop::wire {

inline constexpr std::size_t kNeighboursMax = 96;
/// A near set: 4 on each side and the answerer.
inline constexpr std::size_t kNearSetMax = 9;
inline constexpr std::size_t kAlternativesMax = 8;
inline constexpr std::uint8_t kForwardTtlMax = 32;
inline constexpr std::size_t kForwardVisitedMax = 16;
/// A whole outer datagram: an inner packet of any usual MTU, sealed, or a handshake.
inline constexpr std::size_t kForwardPayloadMax = 2048;

/// Position of a member on the circle mod 2^64: the first 8 bytes of its node id, most significant
/// first. On the wire these 8 bytes.
using RingId = StrongId<struct RingIdTag, std::uint64_t>;
constexpr RingId ring_id(const NodeId& node) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i)
    out = out << 8U | std::to_integer<std::uint64_t>(node.bytes[i]);
  return RingId{out};
}

/// What a link is for.
enum class LinkRole : std::uint8_t { Near = 0, Long = 1 };

/// 8 ring id | u8 flags (bit 0 near, bit 1 long, bit 2 relayed) | u8 round trip in units of 4 ms
/// (255: longer or unknown)
struct Neighbour {
  RingId id;
  bool near = false;
  bool distant = false;
  bool relayed = false;
  std::uint8_t rtt_4ms = 255;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};
/// u8 type | u16 256 x log2 of the sender's own estimate of the network's size | u8 n |
/// n x neighbour, ascending. The sender's whole list of links that have a role.
struct Neighbours {
  std::uint16_t size_log2_256 = 0;
  std::vector<Neighbour> links;  // <= kNeighboursMax
};
/// u8 type | u8 role: "be this for me, on this session".
struct LinkRequest {
  LinkRole role = LinkRole::Near;
};
/// u8 type | u8 role | u8 verdict (0 no, 1 yes) | u8 n | n x 16 node id, ascending; yes: n = 0.
struct LinkAnswer {
  LinkRole role = LinkRole::Near;
  bool yes = false;
  std::vector<NodeId> alternatives;  // <= kAlternativesMax, better suited
};
/// u8 type | u8 flags (bit 0 near, bit 1 long: the roles that end; bit 2: the sender goes offline,
/// then both roles) | u8 n | n x 16 node id, ascending: the sender's near set.
struct Unlink {
  bool near = false;
  bool distant = false;
  bool leaving = false;
  std::vector<NodeId> near_set;  // <= kNearSetMax
};
/// Where a FORWARD ends: at the destination itself, or at the member closest to it, next after it
/// (clockwise), or next before it.
enum class ForwardMode : std::uint8_t { Exact = 0, Closest = 1, Successor = 2, Predecessor = 3 };
/// u8 type | u8 mode | u8 ttl (1..32) | u8 v <= 16 | 8 message id | 16 source | 16 destination |
/// v x 8 visited ring id | payload. Exact carries a datagram (1..2048 bytes); the other modes are a
/// FIND of the destination, without payload. The source is not authenticated.
struct Forward {
  ForwardMode mode = ForwardMode::Exact;
  std::uint8_t ttl = kForwardTtlMax;
  std::uint64_t message = 0;
  NodeId source;
  NodeId destination;
  std::vector<RingId> visited;  // <= kForwardVisitedMax, oldest first
  Bytes payload;                // borrowed
};
/// u8 type | u8 what | 8 message id: this hop has the FORWARD or FORWARD_REPLY; or it had that
/// FORWARD before from another hop, which therefore has to try somebody else.
struct ForwardAck {
  enum class What : std::uint8_t { Forward = 0, Reply = 1, Loop = 2 };
  What what = What::Forward;
  std::uint64_t message = 0;
};
/// 16 the member where the FIND ended | u8 n | n x 16 node id, ascending: its near set.
struct Found {
  NodeId node;
  std::vector<NodeId> near_set;  // <= kNearSetMax
};
/// 16 the member closest to the destination where the search ended.
struct NoRoute {
  NodeId closest;
};
/// The destination's datagram in the opposite direction: 1..2048 bytes.
struct ReturnedDatagram {
  Bytes payload;  // borrowed
};
/// u8 type | u8 kind (0 found, 1 no route, 2 datagram) | 8 message id of the FORWARD | body.
/// Goes back over the FORWARD's hops.
struct ForwardReply {
  std::uint64_t message = 0;
  std::variant<Found, NoRoute, ReturnedDatagram> body;
};
/// u8 type | 8 ring id: "I lost my link to this one".
struct Gone {
  RingId id;
};
/// u8 type | 8 ring id: "do you hear this one?"; to the one itself: "do you hear me?"
struct ProbeRequest {
  RingId id;
};
/// u8 type | 8 ring id | u8 verdict (0 no link with it, 1 heard)
struct ProbeResult {
  RingId id;
  bool heard = false;
};
/// u8 type | 8 epoch | 16 witness: "this one belongs to another ring of our network; look there".
struct Merge {
  std::uint64_t epoch = 0;
  NodeId witness;
};

using RingFrame = std::variant<Neighbours, LinkRequest, LinkAnswer, Unlink, Forward, ForwardAck,
                               ForwardReply, Gone, ProbeRequest, ProbeResult, Merge>;

/// The rest of a frame after its type byte; `type` is one of the ring's. Views borrow from the
/// reader's input. Errors: Truncated, BadValue.
Result<RingFrame> parse_ring_frame(FrameType type, Reader& reader);
/// Append the frame with its type byte. Require: counts and lengths within their limits, ids
/// ascending.
void write_ring_frame(const Neighbours& frame, ByteVector& out);
void write_ring_frame(const LinkRequest& frame, ByteVector& out);
void write_ring_frame(const LinkAnswer& frame, ByteVector& out);
void write_ring_frame(const Unlink& frame, ByteVector& out);
void write_ring_frame(const Forward& frame, ByteVector& out);
void write_ring_frame(const ForwardAck& frame, ByteVector& out);
void write_ring_frame(const ForwardReply& frame, ByteVector& out);
void write_ring_frame(const Gone& frame, ByteVector& out);
void write_ring_frame(const ProbeRequest& frame, ByteVector& out);
void write_ring_frame(const ProbeResult& frame, ByteVector& out);
void write_ring_frame(const Merge& frame, ByteVector& out);

}  // namespace ipop::wire
