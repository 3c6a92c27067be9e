#include "os/crc32c.h"

namespace ipop::os {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1U) ^ ((value & 1U) != 0 ? 0x82f63b78U : 0U);
    }
    table[i] = value;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

}  // namespace

std::uint32_t crc32c(Bytes bytes) {
  std::uint32_t value = ~std::uint32_t{0};
  for (const std::byte b : bytes) {
    value = (value >> 8U) ^ kTable[(value ^ std::to_integer<std::uint32_t>(b)) & 0xffU];
  }
  return ~value;
}

}  // namespace ipop::os
