#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"

namespace ipop::wire {

/// DATA: u8 type=0xC4 | u8 queue | u8 flags | u8 zero | u32 receiver | u64 counter | ciphertext |
/// tag The 16 header bytes are the AAD.
inline constexpr std::size_t kDataHeaderSize = 16;
inline constexpr std::size_t kDataOverhead = kDataHeaderSize + 16;
/// The inner checksum is only the pseudo-header's (our kernel gave NEEDS_CSUM).
inline constexpr std::uint8_t kDataFlagCsumPartial = 1;

struct Data {
  std::uint8_t queue = 0;
  std::uint8_t flags = 0;
  SessionIndex receiver;
  Counter counter;
};

/// Parses and checks the header of `datagram`; the sealed part is datagram.subspan(16).
/// Errors: Truncated (< 32 bytes), BadValue (type, reserved byte, unknown flag).
Result<Data> parse_data(Bytes datagram);
/// Requires: out.size() >= 16.
void write_data_header(const Data& data, MutableBytes out);

/// First byte of a plaintext: 0x4_ and 0x6_ are IP, below 0x40 control frames; empty = keepalive.
enum class PayloadKind : std::uint8_t { Keepalive, Control, Ipv4, Ipv6, Unknown };
PayloadKind payload_kind(Bytes plaintext);

}  // namespace ipop::wire
