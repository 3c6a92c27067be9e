#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

/// The Internet checksum (RFC 1071) and big-endian fields of IP headers.
namespace ipop::dataplane {

/// Requires: at + 2 <= bytes.size().
inline std::uint16_t read_be16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8U |
                                    std::to_integer<unsigned>(bytes[at + 1]));
}
inline void write_be16(MutableBytes bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8U);
  bytes[at + 1] = static_cast<std::byte>(value);
}

/// A one's-complement sum under way. 64 bits hold the carries of any packet.
class ChecksumSum {
 public:
  /// Adds big-endian words; a last odd byte counts as a word with a zero behind it, so only the
  /// last part may be odd.
  void add(Bytes bytes);
  void add_word(std::uint16_t word) { sum_ += word; }
  /// What TCP, UDP and ICMPv6 add: both addresses, length and protocol (RFC 9293 3.1, RFC 8200
  /// 8.1). Requires: both addresses of one family.
  void add_pseudo_header(const IpAddress& source, const IpAddress& destination,
                         std::uint8_t protocol, std::size_t length);
  /// The value for the checksum field.
  std::uint16_t finish() const;

 private:
  std::uint64_t sum_ = 0;
};

/// `checksum` after one aligned word of what it covers changed (RFC 1624, equation 3).
std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after);

}  // namespace ipop::dataplane
