#pragma once

#include <cstdint>

namespace ipop::wire {

/// First byte of a control frame. 0x10 between them is a relayed datagram, which is no control
/// frame and is refused by parse_frame(); 0x19 up to 0x1C are the relays' (wire/relay_frames.h),
/// 0x20 and 0x21 the diagnosis' (wire/diagnosis.h).
enum class FrameType : std::uint8_t {
  Ping = 0x01,
  Pong = 0x02,
  Proof = 0x03,
  Secret = 0x04,
  Statement = 0x05,
  Recon = 0x06,
  Observed = 0x07,
  Peers = 0x08,
  Bye = 0x09,
  PathChallenge = 0x0A,
  PathResponse = 0x0B,
  Part = 0x0C,
  Neighbours = 0x0D,
  LinkRequest = 0x0E,
  LinkAnswer = 0x0F,
  Unlink = 0x11,
  Forward = 0x12,
  ForwardAck = 0x13,
  ForwardReply = 0x14,
  Gone = 0x15,
  ProbeRequest = 0x16,
  ProbeResult = 0x17,
  Merge = 0x18,
  MtuProbe = 0x1D,
  MtuResponse = 0x1E,
  Ports = 0x1F,
  Streams = 0x22,
  Spread = 0x23,
  Spreading = 0x24,
};

// Bits and kinds in the first bytes of frames.
inline constexpr std::uint8_t kPongHasDigest = 1;
inline constexpr std::uint8_t kProofAcceptedYours = 1;
inline constexpr std::uint8_t kProofBeginsAnew = 2;
inline constexpr std::uint8_t kReconKindRanges = 2;

}  // namespace ipop::wire
