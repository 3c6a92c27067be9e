#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"

namespace ipop::wire {

/// Whose transport packets: both have a header of 16 bytes and a tag of 16.
///  * Native: u8 type=0xC4 | u8 queue | u8 flags | u8 zero | u32 receiver | u64 counter; these 16
///    bytes are the AAD.
///  * Stock WireGuard: u8 type=4 | u8 zero[3] | u32 receiver | u64 counter; no AAD, and the
///    plaintext is padded with zeros to a multiple of 16.
enum class Framing : std::uint8_t { Native, Stock };

inline constexpr std::size_t kDataHeaderSize = 16;
inline constexpr std::size_t kDataOverhead = kDataHeaderSize + 16;
/// The inner checksum is only the pseudo-header's (our kernel gave NEEDS_CSUM).
inline constexpr std::uint8_t kDataFlagCsumPartial = 1;

struct Data {
  Framing framing = Framing::Native;
  std::uint8_t queue = 0;  // of a stock packet always 0, as flags
  std::uint8_t flags = 0;
  SessionIndex receiver;
  Counter counter;
};

/// Parses and checks the header of `datagram`; the sealed part is datagram.subspan(16).
/// Errors: Truncated (< 32 bytes), BadValue (type, reserved bytes, unknown flag).
Result<Data> parse_data(Bytes datagram);
/// Requires: out.size() >= 16; of a stock packet, queue and flags are 0.
void write_data_header(const Data& data, MutableBytes out);
/// What the tag covers besides the ciphertext. Requires: the datagram's header is whole.
Bytes data_aad(Framing framing, Bytes datagram);
/// Whether a datagram begins like a DATA packet of either framing.
bool is_data(Bytes datagram);

/// Size of a stock plaintext of `size` bytes with its padding, which must not make it larger than
/// the path takes.
std::size_t stock_padded_size(std::size_t size, std::size_t mtu);

/// First byte of a plaintext: 0x4_ and 0x6_ are IP, 0x10 a relayed datagram, others below 0x40
/// control frames; empty = keepalive.
enum class PayloadKind : std::uint8_t { Keepalive, Control, Relayed, Ipv4, Ipv6, Unknown };
PayloadKind payload_kind(Bytes plaintext);

/// A datagram on its way through a relay, as the plaintext of a session with that relay:
/// u8 type=0x10 | u32 label | datagram. The label is the one by which the receiver of the plaintext
/// knows the way.
inline constexpr std::byte kTypeRelayed{0x10};
inline constexpr std::size_t kRelayedHeaderSize = 5;
/// What a relay adds to a datagram on each leg.
inline constexpr std::size_t kRelayOverhead = kDataOverhead + kRelayedHeaderSize;

struct Relayed {
  RelayLabel label;
  Bytes datagram;  // borrowed
};
/// Errors: Truncated (no label, or no datagram behind it), BadValue (type, label 0).
Result<Relayed> parse_relayed(Bytes plaintext);
/// Requires: out.size() >= 5.
void write_relayed_header(RelayLabel label, MutableBytes out);
/// Header and datagram in a vector of their own.
ByteVector relayed_payload(RelayLabel label, Bytes datagram);

}  // namespace ipop::wire
