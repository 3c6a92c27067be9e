#include "crypto/xchacha.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/aead.h"
#include "crypto/libraries.h"

namespace ipop::crypto {

void xchacha_seal(const Secret<32>& key, const XChaChaNonce& nonce, Bytes aad, Bytes plaintext,
                  MutableBytes out) {
  check(out.size() == plaintext.size() + kTagSize);
  libraries();
  check(crypto_aead_xchacha20poly1305_ietf_encrypt(
            as_uchar(out), nullptr, as_uchar(plaintext), plaintext.size(), as_uchar(aad),
            aad.size(), nullptr, as_uchar(Bytes(nonce)), as_uchar(key.reveal())) == 0);
}

Result<void> xchacha_open(const Secret<32>& key, const XChaChaNonce& nonce, Bytes aad, Bytes sealed,
                          MutableBytes out) {
  check(out.size() + kTagSize == sealed.size());
  libraries();
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          as_uchar(out), nullptr, nullptr, as_uchar(sealed), sealed.size(), as_uchar(aad),
          aad.size(), as_uchar(Bytes(nonce)), as_uchar(key.reveal())) != 0) {
    wipe(out);
    return fail(Errc::Denied, "XChaCha20-Poly1305 tag");
  }
  return {};
}

}  // namespace ipop::crypto
