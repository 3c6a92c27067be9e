#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "base/device.h"
#include "base/error.h"
#include "dataplane/ecn.h"

/// What the packet path must know of the IP packets it carries, and the few changes it makes.
namespace ipop::dataplane {

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpV6 = 58;

/// IPv6 extension headers: how many and how many bytes are looked through. Real packets have one
/// or two; the bound keeps a crafted chain from costing time.
inline constexpr std::size_t kExtensionHeadersMax = 8;
inline constexpr std::size_t kExtensionBytesMax = 256;

enum class Fragment : std::uint8_t {
  Whole,  ///< not a fragment (or an IPv6 "atomic" one)
  First,  ///< has the transport header
  Later,  ///< has none
};

struct InnerPacket {
  IpAddress source;
  IpAddress destination;
  Ecn ecn = Ecn::NotEct;
  std::uint8_t protocol = 0;  ///< of the transport header, behind any extension headers
  Fragment fragment = Fragment::Whole;
  bool may_fragment = false;  ///< IPv4 without DF
  std::size_t size = 0;       ///< of the whole packet by its header; bytes behind it are padding
  std::size_t transport = 0;  ///< offset of the transport header, <= size
};

/// Reads an IPv4 or IPv6 header and the extension headers. Errors: Truncated (less than the header
/// says), BadValue (version, header length, endless extension chain). The header checksum is left
/// to the kernel.
Result<InnerPacket> parse_inner(Bytes packet);

/// Writes the ECN bits and updates an IPv4 header checksum. Requires: parse_inner() took `packet`.
void set_ecn(MutableBytes packet, Ecn ecn);

/// A SYN, or what claims to be one: the only packet that clamp_mss() may change. Requires: as
/// clamp_mss().
bool is_tcp_syn(Bytes packet, const InnerPacket& inner);

/// Lowers the MSS option of a TCP SYN to what fits `mtu` (RFC 6691: less 40 or 60, whatever options
/// there are) and updates the TCP checksum. True when it changed something. A malformed TCP header
/// is left as it is. Requires: `inner` is parse_inner(packet).
bool clamp_mss(MutableBytes packet, const InnerPacket& inner, std::uint16_t mtu);

/// Bytes of a whole TCP or UDP packet's transport header; 0 for a fragment, another protocol or a
/// header that does not fit. Requires: as clamp_mss().
std::size_t transport_header_size(Bytes packet, const InnerPacket& inner);

/// Where a TCP or UDP packet's checksum is: what an Offload says of it, from our own parse. Error
/// BadValue where transport_header_size() is 0 or, for UDP, its length field is not the segment's.
Result<Offload> checksum_place(Bytes packet, const InnerPacket& inner);

/// Computes the TCP or UDP checksum of a packet whose sender left it to us (DATA flag
/// CSUM_PARTIAL), from our own parse and nothing the sender wrote in its place. Errors as
/// checksum_place(). Requires: as clamp_mss().
Result<void> complete_checksum(MutableBytes packet, const InnerPacket& inner);

/// Writes the pseudo-header's sum into the checksum field of a packet that is to be finished by
/// others, as `place` of checksum_place() says. Requires: as clamp_mss().
void write_partial_checksum(MutableBytes packet, const InnerPacket& inner, const Offload& place);

/// Finishes the checksum that our kernel began (an Offload with checksum_partial), wherever it is:
/// the kernel leaves those of tunnels inside the packet too. Error BadValue when it is outside.
Result<void> finish_checksum(MutableBytes packet, const Offload& left);

}  // namespace ipop::dataplane
