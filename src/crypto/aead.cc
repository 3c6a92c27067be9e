#include "crypto/aead.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/check.h"
#include "crypto/aead_ipsec_mb.h"
#include "crypto/aead_openssl.h"

namespace ipop::crypto {

AeadNonce nonce_of(Suite suite, std::uint64_t counter) {
  AeadNonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t at = suite == Suite::Aes256Gcm ? 11 - i : 4 + i;
    nonce[at] = static_cast<std::byte>(counter >> (8 * i));
  }
  return nonce;
}

std::unique_ptr<Aead> open_aead(Backend backend, Suite suite, const Secret<32>& key) {
  switch (backend) {
    case Backend::Openssl:
      return open_openssl_aead(suite, key);
    case Backend::IpsecMb:
      return open_ipsec_mb_aead(suite, key);
  }
  check(false);
  return nullptr;
}

std::unique_ptr<Aead> open_aead(Suite suite, const Secret<32>& key) {
  return open_openssl_aead(suite, key);
}

bool has_hardware_aes() {
#if defined(__x86_64__)
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (ecx & bit_AES) != 0 && (ecx & bit_PCLMUL) != 0;
#else
  return false;  // Other machines tell this by a system call only; they use ChaCha20-Poly1305.
#endif
}

}  // namespace ipop::crypto
