#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <sodium.h>

namespace ipop::crypto {

void wipe(MutableBytes area) { sodium_memzero(area.data(), area.size()); }

bool equal_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace ipop::crypto
