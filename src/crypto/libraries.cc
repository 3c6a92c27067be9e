#include "crypto/libraries.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <sodium.h>

#include "base/check.h"

namespace ipop::crypto {
namespace {

/// A library context of our own: unlike the default one it reads no configuration file, so that
/// neither openssl.cnf nor the environment can swap an algorithm. It lives as long as the process.
Libraries open_libraries() {
  OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
  check(context != nullptr && OSSL_PROVIDER_load(context, "default") != nullptr);

  std::size_t mac_size = 16;
  const OSSL_PARAM mac_params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &mac_size),
                                   OSSL_PARAM_construct_end()};
  EVP_MAC* mac = EVP_MAC_fetch(context, "BLAKE2SMAC", nullptr);
  check(mac != nullptr);
  EVP_MAC_CTX* mac_template = EVP_MAC_CTX_new(mac);
  check(mac_template != nullptr && EVP_MAC_CTX_set_params(mac_template, mac_params) == 1);
  EVP_MAC_free(mac);

  const Libraries out{EVP_CIPHER_fetch(context, "AES-256-GCM", nullptr),
                      EVP_CIPHER_fetch(context, "ChaCha20-Poly1305", nullptr),
                      EVP_MD_fetch(context, "BLAKE2S-256", nullptr),
                      EVP_MD_fetch(context, "SHA2-256", nullptr), mac_template};
  check(out.aes256_gcm != nullptr && out.chacha20_poly1305 != nullptr);
  check(out.blake2s != nullptr && out.sha256 != nullptr);
  // Chooses libsodium's implementations for this CPU: X25519 takes 30 us instead of 52 us. It also
  // readies libsodium's random generator, which nothing here ever asks.
  check(sodium_init() >= 0);
  return out;
}

}  // namespace

// The one function-local static of the core. Looking an algorithm up takes a lock and a string
// search inside OpenSSL (an unfetched BLAKE2s costs 410 ns, a fetched one 208 ns), and handing the
// result down through every type that hashes would put OpenSSL into their headers. What is kept is
// immutable and holds no secret, so nodes of one simulation can share it.
const Libraries& libraries() {
  static const Libraries kLibraries = open_libraries();
  return kLibraries;
}

}  // namespace ipop::crypto
