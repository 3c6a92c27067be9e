#pragma once

#include "base/error.h"
#include "base/keys.h"
#include "crypto/secret.h"

namespace ipop::crypto {

struct X25519KeyPair {
  Secret<32> secret;
  TunnelKey public_key;

  static X25519KeyPair random(Rng& rng);
  static X25519KeyPair from_secret(Secret<32> secret);
};

/// RFC 7748 X25519. Error Denied when the result is all zero (low-order point), which every caller
/// treats as a failed handshake.
Result<Secret<32>> x25519(const Secret<32>& secret, const TunnelKey& peer);

}  // namespace ipop::crypto
