#include "dataplane/checksum.h"

namespace ipop::dataplane {

void ChecksumSum::add(Bytes bytes) {
  std::size_t i = 0;
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
