#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ipop::os {

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4): reflected polynomial 0x82f63b78, initial value and
/// final xor all ones.
std::uint32_t crc32c(Bytes bytes);

}  // namespace ipop::os
