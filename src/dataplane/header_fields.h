#pragma once

#include "dataplane/checksum.h"

/// Sizes and places in IP, TCP and UDP headers (RFC 791, 8200, 9293, 768).
namespace ipop::dataplane {

inline constexpr std::size_t kIpv4HeaderSize = 20;
inline constexpr std::size_t kIpv6HeaderSize = 40;
inline constexpr std::size_t kTcpHeaderSize = 20;
inline constexpr std::size_t kUdpHeaderSize = 8;

inline constexpr std::size_t kTcpSequenceAt = 4;
inline constexpr std::size_t kTcpFlagsAt = 13;
inline constexpr unsigned kTcpFin = 0x01;
inline constexpr unsigned kTcpSyn = 0x02;
inline constexpr unsigned kTcpPsh = 0x08;
inline constexpr unsigned kTcpAck = 0x10;
inline constexpr unsigned kTcpEce = 0x40;
inline constexpr unsigned kTcpCwr = 0x80;
inline constexpr std::uint16_t kTcpChecksumAt = 16;
inline constexpr std::uint16_t kUdpChecksumAt = 6;

/// Requires: at + 4 <= bytes.size().
inline std::uint32_t read_be32(Bytes bytes, std::size_t at) {
  return std::uint32_t{read_be16(bytes, at)} << 16U | read_be16(bytes, at + 2);
}
inline void write_be32(MutableBytes bytes, std::size_t at, std::uint32_t value) {
  write_be16(bytes, at, static_cast<std::uint16_t>(value >> 16U));
  write_be16(bytes, at + 2, static_cast<std::uint16_t>(value));
}

/// Computes an IPv4 header's checksum anew. `header` is the header alone, options included.
inline void write_ipv4_checksum(MutableBytes header) {
  write_be16(header, 10, 0);
  ChecksumSum sum;
  sum.add(header);
  write_be16(header, 10, sum.finish());
}

}  // namespace ipop::dataplane
