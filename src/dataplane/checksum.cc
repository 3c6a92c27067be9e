#include "dataplane/checksum.h"

namespace ipop::dataplane {

void ChecksumSum::add(Bytes bytes) {
  std::size_t i = 0;
  // Four words at once in the two halves of a 64-bit sum, of which neither can overflow for any
  // packet: 2^16 bytes add less than 2^13 times 2^32.
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t words = 0;
    for (std::size_t b = 0; b < 8; ++b)
      words = words << 8U | std::to_integer<unsigned>(bytes[i + b]);
    high += words >> 32U;
    low += words & 0xffffffffU;
  }
  sum_ += (high >> 16U) + (high & 0xffffU) + (low >> 16U) + (low & 0xffffU);
  for (; i + 2 <= bytes.size(); i += 2) sum_ += read_be16(bytes, i);
  if (i < bytes.size()) sum_ += std::to_integer<std::uint64_t>(bytes[i]) << 8U;
}

void ChecksumSum::add_pseudo_header(const IpAddress& source, const IpAddress& destination,
                                    std::uint8_t protocol, std::size_t length) {
  if (source.is_v6()) {
    add(source.v6().bytes);
    add(destination.v6().bytes);
  } else {
    add(source.v4().to_bytes());
    add(destination.v4().to_bytes());
  }
  sum_ += protocol;
  sum_ += length;
}

std::uint16_t ChecksumSum::finish() const {
  std::uint64_t sum = sum_;
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) {
  ChecksumSum sum;
  sum.add_word(static_cast<std::uint16_t>(~checksum));
  sum.add_word(static_cast<std::uint16_t>(~before));
  sum.add_word(after);
  return sum.finish();
}

}  // namespace ipop::dataplane
