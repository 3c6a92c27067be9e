#include "crypto/x25519.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/libraries.h"

namespace ipop::crypto {

X25519KeyPair X25519KeyPair::random(Rng& rng) { return from_secret(Secret<32>::random(rng)); }

X25519KeyPair X25519KeyPair::from_secret(Secret<32> secret) {
  libraries();
  X25519KeyPair out;
  check(crypto_scalarmult_curve25519_base(as_uchar(MutableBytes(out.public_key.bytes)),
                                          as_uchar(secret.reveal())) == 0);
  out.secret = std::move(secret);
  return out;
}

Result<Secret<32>> x25519(const Secret<32>& secret, const TunnelKey& peer) {
  libraries();
  Secret<32> shared;
  // libsodium reports the all-zero result, and refuses the small-order points that lead to it.
  if (crypto_scalarmult_curve25519(as_uchar(shared.reveal_mutable()), as_uchar(secret.reveal()),
                                   as_uchar(peer.view())) != 0) {
    return fail(Errc::Denied, "low-order X25519 key");
  }
  return shared;
}

}  // namespace ipop::crypto
