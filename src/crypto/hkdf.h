#pragma once

#include <string_view>

#include "crypto/secret.h"

namespace ipop::crypto {

/// Noise HKDF (specification section 4.3) with HMAC-BLAKE2s: KDF_n(chaining_key, input) fills 1 to
/// 3 outputs of 32 bytes. The chaining key may be one of the outputs (it is read first).
void noise_hkdf(const Secret<32>& chaining_key, Bytes input, Secret<32>& out1);
void noise_hkdf(const Secret<32>& chaining_key, Bytes input, Secret<32>& out1, Secret<32>& out2);
void noise_hkdf(const Secret<32>& chaining_key, Bytes input, Secret<32>& out1, Secret<32>& out2,
                Secret<32>& out3);

/// A key for one purpose out of a uniformly random one: HKDF-Expand (RFC 5869) with HMAC-BLAKE2s,
/// first 32 bytes, info = label.
Secret<32> derive_key(const Secret<32>& key, std::string_view label);

/// RFC 5869 HKDF-Extract and -Expand with SHA-256, for the published vectors and for outside
/// formats. Requires: out.size() <= 255 * 32.
void hkdf_sha256(Bytes input, Bytes salt, Bytes info, MutableBytes out);

}  // namespace ipop::crypto
