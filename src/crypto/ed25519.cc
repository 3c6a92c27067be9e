#include "crypto/ed25519.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/libraries.h"

namespace ipop::crypto {
namespace {

/// libsodium's one-shot functions want the signed bytes in one piece.
ByteVector joined(Bytes domain, Bytes message) {
  ByteVector out;
  out.reserve(domain.size() + message.size());
  append(out, domain);
  append(out, message);
  return out;
}

}  // namespace

SigningKey SigningKey::random(Rng& rng) { return from_seed(Secret<32>::random(rng)); }

SigningKey SigningKey::from_seed(Secret<32> seed) {
  libraries();
  SigningKey out;
  check(crypto_sign_seed_keypair(as_uchar(MutableBytes(out.public_key_.bytes)),
                                 as_uchar(out.expanded_.reveal_mutable()),
                                 as_uchar(seed.reveal())) == 0);
  out.seed_ = std::move(seed);
  return out;
}

Signature SigningKey::sign(Bytes domain, Bytes message) const {
  const ByteVector text = joined(domain, message);
  Signature out;
  check(crypto_sign_detached(as_uchar(MutableBytes(out.bytes)), nullptr, as_uchar(text),
                             text.size(), as_uchar(expanded_.reveal())) == 0);
  return out;
}

bool verify(const IdentityKey& key, Bytes domain, Bytes message, const Signature& signature) {
  libraries();
  const ByteVector text = joined(domain, message);
  return crypto_sign_verify_detached(as_uchar(signature.view()), as_uchar(text), text.size(),
                                     as_uchar(key.view())) == 0;
}

}  // namespace ipop::crypto
