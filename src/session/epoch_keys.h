#pragma once

#include <deque>

#include "base/id.h"
#include "crypto/secret.h"

namespace ipop::session {

/// What follows from one epoch's network secret: psk_e, mac_e and rv_e = derive_key(SECRET_e,
/// "ipop psk" / "ipop mac" / "ipop rendezvous").
struct EpochKeys {
  Epoch epoch;
  crypto::Secret<32> psk;
  crypto::Secret<32> mac;
  crypto::Secret<32> rendezvous;

  static EpochKeys derive(Epoch epoch, const crypto::Secret<32>& network_secret);
};

/// The live epochs of a network, newest first; at most kLiveEpochsMax are
/// kept.
using EpochKeyRing = std::deque<EpochKeys>;
inline constexpr std::size_t kLiveEpochsMax = 4;

/// The keys of `epoch`; null when it is not live. Borrowed until the ring changes.
const EpochKeys* find_epoch(const EpochKeyRing& ring, Epoch epoch);

}  // namespace ipop::session
