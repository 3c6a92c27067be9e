#include "dataplane/inner_packet.h"

#include "dataplane/header_fields.h"

namespace ipop::dataplane {
namespace {

unsigned byte_at(Bytes bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }

Ipv4 ipv4_at(Bytes packet, std::size_t at) { return {read_be32(packet, at)}; }

Ipv6 ipv6_at(Bytes packet, std::size_t at) {
  Ipv6 out;
  copy_bytes(out.bytes, packet.subspan(at, out.bytes.size()));
  return out;
}

Result<InnerPacket> parse_ipv4(Bytes packet) {
  if (packet.size() < kIpv4HeaderSize) return fail(Errc::Truncated, "IPv4 header");
  const std::size_t header = std::size_t{byte_at(packet, 0) & 15U} * 4;
  InnerPacket out;
  out.size = read_be16(packet, 2);
  if (header < kIpv4HeaderSize || out.size < header) return fail(Errc::BadValue, "IPv4 length");
  if (out.size > packet.size()) return fail(Errc::Truncated, "IPv4 packet");
  const unsigned fragment = read_be16(packet, 6);
  const bool more = (fragment & 0x2000U) != 0;
  const bool later = (fragment & 0x1fffU) != 0;
  out.fragment = later ? Fragment::Later : more ? Fragment::First : Fragment::Whole;
  out.may_fragment = (fragment & 0x4000U) == 0;
  out.ecn = static_cast<Ecn>(byte_at(packet, 1) & 3U);
  out.protocol = static_cast<std::uint8_t>(packet[9]);
  out.transport = header;
  out.source = ipv4_at(packet, 12);
  out.destination = ipv4_at(packet, 16);
  return out;
}

/// RFC 8200 section 4 and the IANA registry of IPv6 extension header types. ESP (50) and "no next
/// header" (59) end the chain: nothing behind them can be read.
bool is_extension(std::uint8_t protocol) {
  switch (protocol) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 44:   // fragment
    case 51:   // authentication
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return true;
    default:
      return false;
  }
}

std::size_t extension_size(std::uint8_t type, std::size_t length_field) {
  if (type == 44) return 8;
  if (type == 51) return (length_field + 2) * 4;
  return (length_field + 1) * 8;
}

/// Moves `inner.transport` behind the extension headers.
Result<void> skip_extensions(Bytes packet, InnerPacket& inner) {
  for (std::size_t n = 0; is_extension(inner.protocol); ++n) {
    const Bytes rest = packet.first(inner.size).subspan(inner.transport);
    if (n == kExtensionHeadersMax) return fail(Errc::BadValue, "IPv6 extension headers");
    if (rest.size() < 8) return fail(Errc::Truncated, "IPv6 extension header");
    const std::uint8_t type = inner.protocol;
    const std::size_t size = extension_size(type, byte_at(rest, 1));
    if (size > rest.size()) return fail(Errc::Truncated, "IPv6 extension header");
    if (inner.transport + size > kIpv6HeaderSize + kExtensionBytesMax) {
      return fail(Errc::BadValue, "IPv6 extension headers");
    }
    inner.protocol = static_cast<std::uint8_t>(rest[0]);
    inner.transport += size;
    if (type != 44) continue;
    const unsigned fragment = read_be16(rest, 2);
    const bool more = (fragment & 1U) != 0;
    if ((fragment & 0xfff8U) != 0) {
      inner.fragment = Fragment::Later;
      return {};
    }
    if (more) inner.fragment = Fragment::First;
  }
  return {};
}

Result<InnerPacket> parse_ipv6(Bytes packet) {
  if (packet.size() < kIpv6HeaderSize) return fail(Errc::Truncated, "IPv6 header");
  InnerPacket out;
  out.size = kIpv6HeaderSize + read_be16(packet, 4);
  if (out.size > packet.size()) return fail(Errc::Truncated, "IPv6 packet");
  out.ecn = static_cast<Ecn>(byte_at(packet, 1) >> 4U & 3U);
  out.protocol = static_cast<std::uint8_t>(packet[6]);
  out.transport = kIpv6HeaderSize;
  out.source = ipv6_at(packet, 8);
  out.destination = ipv6_at(packet, 24);
  if (auto skipped = skip_extensions(packet, out); !skipped) {
    return std::unexpected(skipped.error());
  }
  return out;
}

/// Of a TCP header with its options; 0 when it is malformed or not all there.
std::size_t tcp_header_size(Bytes packet, const InnerPacket& inner) {
  if (inner.protocol != kProtocolTcp || inner.fragment == Fragment::Later) return 0;
  const Bytes segment = packet.first(inner.size).subspan(inner.transport);
  if (segment.size() < kTcpHeaderSize) return 0;
  const std::size_t size = std::size_t{byte_at(segment, 12) >> 4U} * 4;
  return size < kTcpHeaderSize || size > segment.size() ? 0 : size;
}

/// Offset of the value of the MSS option in a TCP header; 0 when there is none.
std::size_t find_mss(Bytes header) {
  for (std::size_t at = kTcpHeaderSize; at < header.size();) {
    const unsigned kind = byte_at(header, at);
    if (kind == 0) return 0;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 2 > header.size()) return 0;
    const std::size_t size = byte_at(header, at + 1);
    if (size < 2 || at + size > header.size()) return 0;
    if (kind == 2) return size == 4 ? at + 2 : 0;
    at += size;
  }
  return 0;
}

/// Changes two bytes at any offset and the checksum at `checksum_at`, both in `header`.
void replace_be16(MutableBytes header, std::size_t at, std::uint16_t value,
                  std::size_t checksum_at) {
  // The checksum adds words at even offsets; a value at an odd one lies in two of them.
  const std::size_t first = at & ~std::size_t{1};
  const std::size_t last = (at + 1) & ~std::size_t{1};
  const std::uint16_t before[] = {read_be16(header, first), read_be16(header, last)};
  write_be16(header, at, value);
  std::uint16_t checksum = read_be16(header, checksum_at);
  checksum = updated_checksum(checksum, before[0], read_be16(header, first));
  if (last != first) checksum = updated_checksum(checksum, before[1], read_be16(header, last));
  write_be16(header, checksum_at, checksum);
}

}  // namespace

Result<InnerPacket> parse_inner(Bytes packet) {
  if (packet.empty()) return fail(Errc::Truncated, "empty packet");
  switch (byte_at(packet, 0) >> 4U) {
    case 4:
      return parse_ipv4(packet);
    case 6:
      return parse_ipv6(packet);
    default:
      return fail(Errc::BadValue, "IP version");
  }
}

void set_ecn(MutableBytes packet, Ecn ecn) {
  const auto bits = static_cast<unsigned>(ecn);
  if (byte_at(packet, 0) >> 4U == 6) {
    packet[1] = static_cast<std::byte>((byte_at(packet, 1) & ~0x30U) | bits << 4U);
    return;
  }
  const std::uint16_t before = read_be16(packet, 0);
  packet[1] = static_cast<std::byte>((byte_at(packet, 1) & ~3U) | bits);
  write_be16(packet, 10, updated_checksum(read_be16(packet, 10), before, read_be16(packet, 0)));
}

bool is_tcp_syn(Bytes packet, const InnerPacket& inner) {
  return tcp_header_size(packet, inner) != 0 &&
         (byte_at(packet, inner.transport + kTcpFlagsAt) & kTcpSyn) != 0;
}

bool clamp_mss(MutableBytes packet, const InnerPacket& inner, std::uint16_t mtu) {
  if (!is_tcp_syn(packet, inner)) return false;
  const MutableBytes header = packet.subspan(inner.transport).first(tcp_header_size(packet, inner));
  const std::size_t overhead = inner.source.is_v6() ? kIpv6HeaderSize : kIpv4HeaderSize;
  if (mtu <= overhead + kTcpHeaderSize) return false;
  const auto mss_max = static_cast<std::uint16_t>(mtu - overhead - kTcpHeaderSize);
  const std::size_t at = find_mss(header);
  if (at == 0 || read_be16(header, at) <= mss_max) return false;
  replace_be16(header, at, mss_max, kTcpChecksumAt);
  return true;
}

std::size_t transport_header_size(Bytes packet, const InnerPacket& inner) {
  if (inner.fragment != Fragment::Whole) return 0;
  if (inner.protocol == kProtocolTcp) return tcp_header_size(packet, inner);
  if (inner.protocol != kProtocolUdp || inner.size - inner.transport < kUdpHeaderSize) return 0;
  return kUdpHeaderSize;
}

Result<Offload> checksum_place(Bytes packet, const InnerPacket& inner) {
  if (transport_header_size(packet, inner) == 0) {
    return fail(Errc::BadValue, "checksum of a fragment, or of neither TCP nor UDP");
  }
  const bool udp = inner.protocol == kProtocolUdp;
  const std::size_t size = inner.size - inner.transport;
  if (udp && read_be16(packet, inner.transport + 4) != size) {
    return fail(Errc::BadValue, "UDP length");
  }
  return Offload{.checksum_partial = true,
                 .checksum_start = static_cast<std::uint16_t>(inner.transport),
                 .checksum_offset = udp ? kUdpChecksumAt : kTcpChecksumAt};
}

Result<void> complete_checksum(MutableBytes packet, const InnerPacket& inner) {
  const auto place = checksum_place(packet, inner);
  if (!place) return std::unexpected(place.error());
  write_partial_checksum(packet, inner, *place);
  return finish_checksum(packet.first(inner.size), *place);
}

void write_partial_checksum(MutableBytes packet, const InnerPacket& inner, const Offload& place) {
  ChecksumSum sum;
  sum.add_pseudo_header(inner.source, inner.destination, inner.protocol,
                        inner.size - inner.transport);
  write_be16(packet, std::size_t{place.checksum_start} + place.checksum_offset,
             static_cast<std::uint16_t>(~sum.finish()));
}

Result<void> finish_checksum(MutableBytes packet, const Offload& left) {
  const std::size_t at = std::size_t{left.checksum_start} + left.checksum_offset;
  if (at + 2 > packet.size()) return fail(Errc::BadValue, "checksum outside the packet");
  ChecksumSum sum;
  sum.add(packet.subspan(left.checksum_start));
  const std::uint16_t checksum = sum.finish();
  // Zero in a UDP header means "none" (RFC 768); its other form is as right for every protocol.
  write_be16(packet, at, checksum == 0 ? 0xffff : checksum);
  return {};
}

}  // namespace ipop::dataplane
