#pragma once

#include <memory>
#include <string_view>

#include "crypto/aead.h"

namespace ipop::crypto {

/// Which library seals and opens packets of each suite. A value that the program draws up once, at
/// its start, and hands in with the keys.
struct Backends {
  Backend chacha20_poly1305 = Backend::Openssl;
  Backend aes256_gcm = Backend::Openssl;

  Backend of(Suite suite) const {
    return suite == Suite::Aes256Gcm ? aes256_gcm : chacha20_poly1305;
  }
  friend bool operator==(const Backends&, const Backends&) = default;
};

/// ipsec-mb for each suite in which it can run here and gives the known answers; else OpenSSL. The
/// same on one machine each time. Takes about 10 ms. Any thread.
Backends choose_backends();

/// "OpenSSL" or "ipsec-mb", for the operator.
std::string_view backend_name(Backend backend);

using OpenAead = std::unique_ptr<Aead> (*)(Suite suite, const Secret<32>& key);
/// True when `open` makes Aeads that give a published vector and, for texts of many lengths, what
/// OpenSSL gives; that open them again; and that refuse and wipe a forged one.
bool gives_known_answers(Suite suite, OpenAead open);

}  // namespace ipop::crypto
