#include "os/crc32c.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ipop::os {
namespace {

/// Bit by bit, straight from the polynomial.
std::uint32_t slow_crc32c(Bytes bytes) {
  std::uint32_t value = 0xffffffffU;
  for (const std::byte b : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::uint32_t in = (value ^ (std::to_integer<std::uint32_t>(b) >> bit)) & 1U;
      value = (value >> 1U) ^ (in != 0 ? 0x82f63b78U : 0U);
    }
  }
  return value ^ 0xffffffffU;
}

TEST(Crc32c, PublishedVectors) {
  // RFC 3720 B.4, whose bytes are in the order of transmission; and the usual check value.
  ByteVector up(32);
  ByteVector down(32);
  for (std::size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<std::byte>(i);
    down[i] = static_cast<std::byte>(31 - i);
  }
  EXPECT_EQ(crc32c({}), 0U);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c(ByteVector(32, std::byte{0})), 0x8a9136aaU);
  EXPECT_EQ(crc32c(ByteVector(32, std::byte{0xff})), 0x62a8ab43U);
  EXPECT_EQ(crc32c(up), 0x46dd794eU);
  EXPECT_EQ(crc32c(down), 0x113fdb5cU);
}

TEST(Crc32c, AgreesWithTheSlowModel) {
  SeededRng rng(1);
  for (std::size_t size = 0; size < 300; ++size) {
    ByteVector bytes(size);
    rng.fill(bytes);
    EXPECT_EQ(crc32c(bytes), slow_crc32c(bytes)) << size;
  }
}

}  // namespace
}  // namespace ipop::os
