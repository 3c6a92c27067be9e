#include "crypto/aead_openssl.h"

#include <openssl/evp.h>

#include <climits>

#include "base/check.h"
#include "crypto/libraries.h"

namespace ipop::crypto {
namespace {

/// OpenSSL's EVP interface. The key schedule is set once; each packet sets its nonce only, which
/// is what the EVP calls with null cipher and null key mean.
class OpensslAead final : public Aead {
 public:
  OpensslAead(const EVP_CIPHER* cipher, const Secret<32>& key) : context_(EVP_CIPHER_CTX_new()) {
    check(context_ != nullptr);
    check(EVP_EncryptInit_ex2(context_, cipher, as_uchar(key.reveal()), nullptr, nullptr) == 1);
  }
  ~OpensslAead() override { EVP_CIPHER_CTX_free(context_); }

  void seal(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    check(buffer.size() >= kTagSize);
    const MutableBytes text = buffer.first(buffer.size() - kTagSize);
    const MutableBytes tag = buffer.last(kTagSize);
    const unsigned char* iv = as_uchar(Bytes(nonce));
    check(EVP_EncryptInit_ex2(context_, nullptr, nullptr, iv, nullptr) == 1);
    check(update({}, aad) && update(text, text) && finish(tag));
    check(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1);
  }

  Result<MutableBytes> open(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    if (buffer.size() < kTagSize) {
      wipe(buffer);
      return fail(Errc::Denied, "shorter than a tag");
    }
    const MutableBytes text = buffer.first(buffer.size() - kTagSize);
    const MutableBytes tag = buffer.last(kTagSize);
    const unsigned char* iv = as_uchar(Bytes(nonce));
    check(EVP_DecryptInit_ex2(context_, nullptr, nullptr, iv, nullptr) == 1);
    check(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1);
    check(update({}, aad) && update(text, text));
    // The final call compares the tag (CRYPTO_memcmp, constant time). Until then `text` holds
    // plaintext that nobody vouches for.
    std::array<std::byte, kTagSize> unused;
    if (!finish(unused)) {
      wipe(buffer);
      return fail(Errc::Denied, "AEAD tag");
    }
    return text;
  }

 private:
  /// Text in place, or additional data, for which `out` is empty.
  bool update(MutableBytes out, Bytes in) {
    check(in.size() <= INT_MAX);
    if (in.empty()) return true;
    int written = 0;
    return EVP_CipherUpdate(context_, out.empty() ? nullptr : as_uchar(out), &written, as_uchar(in),
                            static_cast<int>(in.size())) == 1;
  }
  /// Writes nothing for either cipher, both being stream modes; EVP wants a place all the same.
  bool finish(MutableBytes place) {
    int written = 0;
    return EVP_CipherFinal_ex(context_, as_uchar(place), &written) == 1;
  }

  EVP_CIPHER_CTX* context_;
};

}  // namespace

std::unique_ptr<Aead> open_openssl_aead(Suite suite, const Secret<32>& key) {
  const EVP_CIPHER* cipher = nullptr;
  switch (suite) {
    case Suite::ChaCha20Poly1305:
      cipher = libraries().chacha20_poly1305;
      break;
    case Suite::Aes256Gcm:
      cipher = libraries().aes256_gcm;
      break;
  }
  check(cipher != nullptr);
  return std::make_unique<OpensslAead>(cipher, key);
}

}  // namespace ipop::crypto
