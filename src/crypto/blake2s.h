#pragma once

#include <array>
#include <initializer_list>

#include "base/bytes.h"

namespace ipop::crypto {

using Hash32 = FixedBytes<struct Hash32Tag, 32>;
using Hash16 = FixedBytes<struct Hash16Tag, 16>;

/// BLAKE2s-256 (RFC 7693) of the concatenation of `parts`.
Hash32 blake2s(std::initializer_list<Bytes> parts);

/// The first 16 bytes of BLAKE2s-256 over `parts`. It is not the BLAKE2s-128 of RFC 7693, whose
/// output length enters the parameter block: no packaged library offers that one unkeyed, and for
/// names of things the truncated hash is as strong.
Hash16 blake2s_128(std::initializer_list<Bytes> parts);

/// Keyed BLAKE2s with 16 bytes of output (WireGuard's MAC). Requires: 1 <= key.size() <= 32.
Hash16 blake2s_mac(Bytes key, std::initializer_list<Bytes> parts);

/// HMAC-BLAKE2s-256 (RFC 2104; the HMAC of the Noise specification, section 4.3).
Hash32 hmac_blake2s(Bytes key, std::initializer_list<Bytes> parts);

}  // namespace ipop::crypto
