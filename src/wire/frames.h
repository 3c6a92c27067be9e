#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/diagnosis.h"
#include "wire/frame_type.h"
#include "wire/ids.h"
#include "wire/relay_frames.h"
#include "wire/ring_frames.h"

/// Control frames: plaintext of a DATA packet whose first byte is below 0x40. One frame a packet,
/// at most kFrameSizeMax bytes; a longer one travels as PARTs, but for MTU_PROBE. Parsers are
/// canonical: no trailing bytes, no unknown flag or type. docs/protocol.md has the byte tables.
namespace ipop::wire {

inline constexpr std::size_t kFrameSizeMax = 1180;
/// A frame that was put together from PARTs: bounds what a peer makes us hold (PROOF chain <= 8 kB,
/// a REVOKE with 1024 kept ids 16 kB).
inline constexpr std::size_t kMessageSizeMax = 20000;
inline constexpr std::size_t kPartPayloadMax = kFrameSizeMax - 8;
inline constexpr std::size_t kPartsMax = 18;
inline constexpr std::size_t kReconIdsMax = 64;
inline constexpr std::size_t kReconRangesMax = 16;
/// An MTU_PROBE without padding, and with the most of it: what still fits where a worker puts
/// frames for control (dataplane/event_queue.h).
inline constexpr std::size_t kMtuProbeSizeMin = 9;
inline constexpr std::size_t kMtuProbeSizeMax = 2048;
inline constexpr std::size_t kPeersMax = 8;
inline constexpr std::size_t kPeerCandidatesMax = 6;
inline constexpr std::size_t kStreamsMax = 4;
inline constexpr std::uint16_t kSpreadMax = 256;
/// More than fit a message: the smallest statement (a CONFIG without a blob) has 108 bytes.
inline constexpr std::size_t kProofStatementsMax = 190;

using Digest = FixedBytes<struct DigestTag, 16>;

/// u8 type | u8 zero | u16 sequence | u32 network secret epoch | 16 authority digest
struct Ping {
  std::uint16_t sequence = 0;
  Epoch epoch;
  Digest digest;
};
/// u8 type | u8 flags (bit 0: a digest follows) | u16 the PING's sequence | u32 network secret
/// epoch | 16 authority digest, if it is another than the PING's
struct Pong {
  std::uint16_t sequence = 0;
  Epoch epoch;
  std::optional<Digest> digest;
};
/// u8 type | u8 flags (bit 0: the sender has accepted the receiver's PROOF, bit 1: it had no
/// session with the receiver when this one began) | 16 grant id | 16 skey id (zero: the key in the
/// GRANT) | u16 n | n x (u16 length | statement) n = 0 refers to a chain that the receiver holds.
/// The responder's first one includes GENESIS.
struct Proof {
  bool accepted_yours = false;
  bool begins_anew = false;
  StatementId grant;
  StatementId skey;
  std::vector<Bytes> statements;  // borrowed
};
/// u8 type | u32 epoch | 32 secret. Only inside proven sessions to members.
struct SecretFrame {
  Epoch epoch;
  Bytes secret;  // 32, borrowed
};
/// u8 type | statement: one whole signed statement, flooded.
struct StatementFrame {
  Bytes statement;  // borrowed
};
/// u8 type | u8 kind | 16 lower bound | 16 upper bound | u16 n | n x 16 id
/// Have: "these are all my ids in [lower, upper]" (bounds inclusive). Want: "send me these" (bounds
/// zero).
struct Recon {
  enum class Kind : std::uint8_t { Have = 0, Want = 1 };
  Kind kind = Kind::Have;
  StatementId lower;
  StatementId upper;
  std::vector<StatementId> ids;  // <= kReconIdsMax, ascending
};
/// u8 type | u8 kind = 2 | 16 lower bound | u16 n | n x (16 upper bound | 16 fingerprint | u32
/// count) "So many ids have I in these ranges, and this is their fingerprint" (member/reconcile.h).
/// The first range begins at the lower bound, each further one just above the upper bound before
/// it.
struct ReconRanges {
  struct Range {
    StatementId upper;
    Digest fingerprint;
    std::uint32_t count = 0;
  };
  StatementId lower;
  std::vector<Range> ranges;  // 1 .. kReconRangesMax, upper bounds ascending
};
/// u8 type | candidate: "I see you as this address".
struct Observed {
  Endpoint endpoint;
};
/// u8 type | candidate | i16 step | u16 lowest | u16 highest: "my NAT gives each flow another port.
/// The newest that I know of is this; the next one is `step` further, or with 0 any, of about this
/// span." Who can be found may look for the port of the flow towards him.
struct Ports {
  Endpoint newest;
  std::int16_t step = 0;
  std::uint16_t lowest = 1;  // 1 .. highest
  std::uint16_t highest = 1;
};
/// u8 type | candidate | u16 sockets: "call me there from so many further sockets, as your NAT
/// draws each flow's port at random; then I look for one of these." The answer to a PORTS.
struct Spread {
  Endpoint to;
  std::uint16_t sockets = 1;  // 1 .. kSpreadMax
};
/// u8 type | u16 sockets: "so many have called you where you said; 0: none will." The answer to a
/// SPREAD.
struct Spreading {
  std::uint16_t sockets = 0;  // <= kSpreadMax
};
/// u8 type | u8 n | n x (16 node id | u32 age in seconds | u8 m | m x candidate): hints only.
struct PeerHint {
  NodeId node;
  std::uint32_t age_seconds = 0;
  std::vector<Endpoint> candidates;  // <= kPeerCandidatesMax
};
struct Peers {
  std::vector<PeerHint> peers;  // <= kPeersMax, each node once
};
/// u8 type | u8 n | n x candidate: "I take TLS connections at these TCP addresses"; all of them.
struct Streams {
  std::vector<Endpoint> endpoints;  // <= kStreamsMax
};
/// Why a session ends or a redemption is refused.
enum class ByeReason : std::uint8_t {
  Shutdown = 0,   ///< going down, will be back
  Leaving = 1,    ///< left the network for good
  NotMember = 2,  ///< your chain does not (or no longer) evaluate
  InviteExpired = 3,
  InviteUsed = 4,  ///< as many redemptions as it allows came first
  NameTaken = 5,
  PoolExhausted = 6,  ///< no free address
  Revoked = 7,
  Superseded = 8,      ///< somebody else's redemption of this one came first
  TooDeep = 9,         ///< chain of invites too long
  InviteRevoked = 10,  ///< withdrawn, or closed by a kick
  Idle = 11,           ///< nobody here has used the session for long; the next packet calls again
};
/// u8 type | u8 reason
struct Bye {
  ByeReason reason = ByeReason::Shutdown;
};
/// u8 type | 8 token
struct PathChallenge {
  std::array<std::byte, 8> token{};
};
struct PathResponse {
  std::array<std::byte, 8> token{};
};
/// u8 type | u8 index | u8 count (2..kPartsMax) | u8 zero | u32 message | bytes
/// The parts of a message but the last are kPartPayloadMax long.
struct Part {
  std::uint8_t index = 0;
  std::uint8_t count = 0;
  std::uint32_t message = 0;
  Bytes payload;  // borrowed
};

/// u8 type | 8 token | zeros: as long as the IP packet whose passage is in question, so that both
/// make datagrams of one size. The answer is never longer.
struct MtuProbe {
  std::array<std::byte, 8> token{};
  std::uint16_t size = kMtuProbeSizeMin;  ///< of the whole frame, .. kMtuProbeSizeMax
};
/// u8 type | 8 token of the probe
struct MtuResponse {
  std::array<std::byte, 8> token{};
};

using Frame =
    std::variant<Ping, Pong, Proof, SecretFrame, StatementFrame, Recon, ReconRanges, Observed,
                 Peers, Bye, PathChallenge, PathResponse, Part, Neighbours, LinkRequest, LinkAnswer,
                 Unlink, Forward, ForwardAck, ForwardReply, Gone, ProbeRequest, ProbeResult, Merge,
                 Ports, Streams, RelayOpen, RelayOk, RelayNo, RelayClose, MtuProbe, MtuResponse,
                 Diagnose, Diagnosis, Spread, Spreading>;

/// Views in the frame borrow from `plaintext`. Errors: Truncated, BadValue.
Result<Frame> parse_frame(Bytes plaintext);
/// Appends the frame. Requires: the counts within their limits.
void write_frame(const Frame& frame, ByteVector& out);

/// Cuts a frame longer than kFrameSizeMax into PART frames, ready to seal; a shorter one comes back
/// as it is. Requires: message.size() <= kMessageSizeMax.
std::vector<ByteVector> split_message(ByteVector message, std::uint32_t message_number);

/// Puts one message at a time together; a PART of another message number starts afresh, so a peer
/// holds at most kMessageSizeMax bytes here.
class PartAssembler {
 public:
  /// The whole message when `part` was its last missing piece; valid until the next call.
  std::optional<Bytes> add(const Part& part);

 private:
  std::uint32_t message_ = 0;
  std::vector<ByteVector> parts_;
  std::vector<bool> have_;
  ByteVector whole_;
};

}  // namespace ipop::wire
