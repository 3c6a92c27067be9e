#pragma once

#include "base/keys.h"
#include "crypto/secret.h"

namespace ipop::crypto {

/// The key pair of a seed (RFC 8032 private key, 32 bytes).
class SigningKey {
 public:
  static SigningKey random(Rng& rng);
  static SigningKey from_seed(Secret<32> seed);

  const IdentityKey& public_key() const { return public_key_; }
  const Secret<32>& seed() const { return seed_; }
  /// Signature over domain || message. The domain names the purpose ("ipop v1 grant"), so that a
  /// signature for one purpose never verifies for another.
  Signature sign(Bytes domain, Bytes message) const;
  SigningKey clone() const { return from_seed(seed_.clone()); }

 private:
  Secret<32> seed_;
  Secret<64> expanded_;
  IdentityKey public_key_;
};

/// Strict verification as libsodium does it: S < L, no small-order keys or R. One library
/// everywhere, since verifiers disagree on the edge cases.
bool verify(const IdentityKey& key, Bytes domain, Bytes message, const Signature& signature);

}  // namespace ipop::crypto
