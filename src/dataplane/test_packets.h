#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "dataplane/inner_packet.h"

/// Packets and a slow checksum for this folder's tests and fuzz targets; shares no code with what
/// it tests.
namespace ipop::dataplane::test {

/// RFC 1071 word by word with the carry brought round after every addition.
inline std::uint16_t slow_sum(Bytes bytes, std::uint16_t start = 0) {
  std::uint32_t sum = start;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto value = std::to_integer<std::uint32_t>(bytes[i]);
    sum += i % 2 == 0 ? value * 256 : value;
    if (sum >= 65536) sum -= 65535;
  }
  return static_cast<std::uint16_t>(sum);
}

inline void put16(ByteVector& out, unsigned value) {
  out.push_back(static_cast<std::byte>(value / 256));
  out.push_back(static_cast<std::byte>(value % 256));
}
inline void set16(ByteVector& out, std::size_t at, unsigned value) {
  out[at] = static_cast<std::byte>(value / 256);
  out[at + 1] = static_cast<std::byte>(value % 256);
}
inline unsigned get16(Bytes bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes[at]) * 256 + std::to_integer<unsigned>(bytes[at + 1]);
}
inline ByteVector address_bytes(const IpAddress& address) {
  if (address.is_v6()) return to_vector(address.v6().bytes);
  return to_vector(address.v4().to_bytes());
}

/// Sum over pseudo-header and segment: 0xffff when the segment's checksum is right.
inline std::uint16_t slow_transport_sum(const IpAddress& source, const IpAddress& destination,
                                        std::uint8_t protocol, Bytes segment) {
  ByteVector pseudo = address_bytes(source);
  append(pseudo, address_bytes(destination));
  put16(pseudo, static_cast<unsigned>(segment.size() / 65536));
  put16(pseudo, static_cast<unsigned>(segment.size() % 65536));
  put16(pseudo, 0);
  put16(pseudo, protocol);
  return slow_sum(segment, slow_sum(pseudo));
}

struct PacketOptions {
  IpAddress source = Ipv4{0x0a530001};       // 10.83.0.1
  IpAddress destination = Ipv4{0x0a530002};  // 10.83.0.2
  std::uint8_t protocol = 17;
  unsigned traffic_class = 0;
  unsigned fragment = 0x4000;  ///< IPv4: flags and offset (DF)
};

/// An IPv4 or IPv6 packet, by the family of the addresses, with a right header checksum.
inline ByteVector ip_packet(const PacketOptions& options, Bytes payload) {
  ByteVector out;
  if (options.source.is_v6()) {
    put16(out, 0x6000 + options.traffic_class * 16);
    put16(out, 0);
    put16(out, static_cast<unsigned>(payload.size()));
    put16(out, options.protocol * 256U + 64);
  } else {
    put16(out, 0x4500 + options.traffic_class);
    put16(out, static_cast<unsigned>(20 + payload.size()));
    put16(out, 0x1234);
    put16(out, options.fragment);
    put16(out, 64 * 256U + options.protocol);
    put16(out, 0);
  }
  append(out, address_bytes(options.source));
  append(out, address_bytes(options.destination));
  if (!options.source.is_v6()) set16(out, 10, 0xffffU - slow_sum(out));
  append(out, payload);
  return out;
}

inline constexpr unsigned kTcpSyn = 2;
inline constexpr unsigned kTcpAck = 16;

/// A TCP segment with a right checksum; `tcp_options` must have a multiple of four bytes.
inline ByteVector tcp_segment(const PacketOptions& ip, unsigned flags, Bytes tcp_options,
                              Bytes payload = {}) {
  ByteVector out;
  put16(out, 40000);
  put16(out, 22);
  put16(out, 0x0102);
  put16(out, 0x0304);
  put16(out, 0);
  put16(out, 0);
  put16(out, static_cast<unsigned>((20 + tcp_options.size()) / 4) * 4096 + flags);
  put16(out, 64240);
  put16(out, 0);
  put16(out, 0);
  append(out, tcp_options);
  append(out, payload);
  set16(out, 16, 0xffffU - slow_transport_sum(ip.source, ip.destination, 6, out));
  return out;
}

inline ByteVector udp_datagram(const PacketOptions& ip, Bytes payload) {
  ByteVector out;
  put16(out, 40000);
  put16(out, 53);
  put16(out, static_cast<unsigned>(8 + payload.size()));
  put16(out, 0);
  append(out, payload);
  const unsigned sum = 0xffffU - slow_transport_sum(ip.source, ip.destination, 17, out);
  set16(out, 6, sum == 0 ? 0xffff : sum);
  return out;
}

/// A packet as a kernel with TSO or USO leaves it to an interface: one header, payload for many.
struct LargePacket {
  ByteVector bytes;
  Offload left;
  InnerPacket inner;
  ByteVector payload;
};
struct LargeOptions {
  PacketOptions ip;
  bool is_tcp = true;
  unsigned tcp_flags = 16 + 8;  ///< ACK, PSH
  ByteVector tcp_options;
  std::size_t payload_size = 0;
  std::uint16_t segment_size = 0;
};
inline LargePacket large_packet(LargeOptions options) {
  LargePacket out;
  for (std::size_t i = 0; i < options.payload_size; ++i) {
    out.payload.push_back(static_cast<std::byte>(i * 7 + i / 251));
  }
  options.ip.protocol = options.is_tcp ? 6 : 17;
  const ByteVector transport =
      options.is_tcp ? tcp_segment(options.ip, options.tcp_flags, options.tcp_options, out.payload)
                     : udp_datagram(options.ip, out.payload);
  out.bytes = ip_packet(options.ip, transport);
  out.inner = *parse_inner(out.bytes);
  out.left = *checksum_place(out.bytes, out.inner);
  write_partial_checksum(out.bytes, out.inner, out.left);
  out.left.segment_size = options.segment_size;
  out.left.segmentation = !options.is_tcp             ? Segmentation::Udp
                          : options.ip.source.is_v6() ? Segmentation::Tcp6
                                                      : Segmentation::Tcp4;
  return out;
}

/// "fd00::1" and the like, for tests that know the text is right.
inline Ipv6 v6(std::string_view text) { return *Ipv6::parse(text); }
inline Ipv4 v4(std::string_view text) { return *Ipv4::parse(text); }

}  // namespace ipop::dataplane::test
