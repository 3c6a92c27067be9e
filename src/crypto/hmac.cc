#include "crypto/hmac.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "crypto/secret.h"

namespace ipop::crypto {
namespace {

/// One hash state, used for one hash after another.
class Digest {
 public:
  explicit Digest(const EVP_MD* algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
    check(context_ != nullptr);
  }
  ~Digest() { EVP_MD_CTX_free(context_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void start() { check(EVP_DigestInit_ex2(context_, algorithm_, nullptr) == 1); }
  void update(Bytes part) { check(EVP_DigestUpdate(context_, part.data(), part.size()) == 1); }
  void finish(std::span<std::byte, kHashSize> out) {
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_, as_uchar(MutableBytes(out)), &size) == 1);
    check(size == kHashSize);
  }

 private:
  const EVP_MD* algorithm_;
  EVP_MD_CTX* context_;
};

using Block = std::array<std::byte, kHashBlockSize>;

void xor_block(Block& block, std::byte with) {
  for (std::byte& b : block) b ^= with;
}

}  // namespace

void hash(const EVP_MD* algorithm, std::initializer_list<Bytes> parts,
          std::span<std::byte, kHashSize> out) {
  Digest digest(algorithm);
  digest.start();
  for (const Bytes part : parts) digest.update(part);
  digest.finish(out);
}

void hmac(const EVP_MD* algorithm, Bytes key, std::initializer_list<Bytes> parts,
          std::span<std::byte, kHashSize> out) {
  Digest digest(algorithm);
  Block pad{};
  if (key.size() <= pad.size()) {
    copy_bytes(pad, key);
  } else {
    digest.start();
    digest.update(key);
    digest.finish(std::span(pad).first<kHashSize>());
  }
  xor_block(pad, std::byte{0x36});
  digest.start();
  digest.update(pad);
  for (const Bytes part : parts) digest.update(part);
  std::array<std::byte, kHashSize> inner;
  digest.finish(inner);

  xor_block(pad, std::byte{0x36 ^ 0x5c});
  digest.start();
  digest.update(pad);
  digest.update(inner);
  digest.finish(out);
  wipe(pad);
  wipe(inner);
}

void hkdf_expand(const EVP_MD* algorithm, Bytes key, Bytes info, MutableBytes out) {
  check(out.size() <= 255 * kHashSize);
  std::array<std::byte, kHashSize> block;
  Bytes previous;
  for (std::byte counter{1}; !out.empty();
       counter = static_cast<std::byte>(std::to_integer<unsigned>(counter) + 1)) {
    hmac(algorithm, key, {previous, info, Bytes(&counter, 1)}, block);
    previous = block;
    const std::size_t n = std::min(out.size(), block.size());
    copy_bytes(out, previous.first(n));
    out = out.subspan(n);
  }
  wipe(block);
}

}  // namespace ipop::crypto
