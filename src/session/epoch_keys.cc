#include "session/epoch_keys.h"

#include "crypto/hkdf.h"

namespace ipop::session {

EpochKeys EpochKeys::derive(Epoch epoch, const crypto::Secret<32>& network_secret) {
  return {.epoch = epoch,
          .psk = crypto::derive_key(network_secret, "ipop psk"),
          .mac = crypto::derive_key(network_secret, "ipop mac"),
          .rendezvous = crypto::derive_key(network_secret, "ipop rendezvous")};
}

const EpochKeys* find_epoch(const EpochKeyRing& ring, Epoch epoch) {
  for (const EpochKeys& keys : ring) {
    if (keys.epoch == epoch) return &keys;
  }
  return nullptr;
}

}  // namespace ipop::session
