#pragma once

#include "base/bytes.h"

namespace ipop {

/// An X25519 public key: a member's tunnel key (Noise static key), or an ephemeral one.
using TunnelKey = FixedBytes<struct TunnelKeyTag, 32>;
/// An Ed25519 public key: who somebody is.
using IdentityKey = FixedBytes<struct IdentityKeyTag, 32>;
/// An Ed25519 signature.
using Signature = FixedBytes<struct SignatureTag, 64>;

}  // namespace ipop
