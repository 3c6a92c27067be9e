#pragma once

#include <openssl/types.h>

namespace ipop::crypto {

/// The algorithms of OpenSSL that this folder uses, looked up once.
struct Libraries {
  const EVP_CIPHER* aes256_gcm;
  const EVP_CIPHER* chacha20_poly1305;
  const EVP_MD* blake2s;
  const EVP_MD* sha256;
  const EVP_MAC_CTX* blake2s_mac_16;  ///< unkeyed, 16 bytes of output: to be duplicated
};

/// Readies both libraries on the first call; later calls cost one load. Any thread.
const Libraries& libraries();

}  // namespace ipop::crypto
