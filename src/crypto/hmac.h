#pragma once

#include <openssl/types.h>

#include <initializer_list>

#include "base/bytes.h"

/// Hash, HMAC and HKDF-Expand over any 32-byte hash of OpenSSL. One piece of code serves BLAKE2s
/// and SHA-256, so that the published SHA-256 vectors also test what the handshake runs on.
/// OpenSSL's own HMAC and HKDF objects take four times as long for our short inputs.
namespace ipop::crypto {

inline constexpr std::size_t kHashSize = 32;
/// Both BLAKE2s and SHA-256 work on blocks of 64 bytes (RFC 7693 2.1, FIPS 180-4).
inline constexpr std::size_t kHashBlockSize = 64;

/// `out` is the hash of the concatenation of `parts`.
void hash(const EVP_MD* algorithm, std::initializer_list<Bytes> parts,
          std::span<std::byte, kHashSize> out);

/// RFC 2104. `out` may be the key or one of the parts: it is written last.
void hmac(const EVP_MD* algorithm, Bytes key, std::initializer_list<Bytes> parts,
          std::span<std::byte, kHashSize> out);

/// RFC 5869 section 2.3. Requires: out.size() <= 255 * 32; `out` overlaps neither input.
void hkdf_expand(const EVP_MD* algorithm, Bytes key, Bytes info, MutableBytes out);

}  // namespace ipop::crypto
