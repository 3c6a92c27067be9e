#pragma once

#include <array>

#include "base/error.h"
#include "crypto/secret.h"

namespace ipop::crypto {

inline constexpr std::size_t kXChaChaNonceSize = 24;
using XChaChaNonce = std::array<std::byte, kXChaChaNonceSize>;

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), for cookies. `out` gets plaintext || 16-byte tag.
/// Requires: out.size() == plaintext.size() + 16.
void xchacha_seal(const Secret<32>& key, const XChaChaNonce& nonce, Bytes aad, Bytes plaintext,
                  MutableBytes out);
/// Requires: out.size() + 16 == sealed.size(). Error Denied on a wrong tag; then `out` is zero.
Result<void> xchacha_open(const Secret<32>& key, const XChaChaNonce& nonce, Bytes aad, Bytes sealed,
                          MutableBytes out);

}  // namespace ipop::crypto
