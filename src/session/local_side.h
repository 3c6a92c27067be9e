#pragma once

#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "crypto/x25519.h"
#include "session/epoch_keys.h"
#include "wire/handshake.h"

namespace ipop::session {

/// Strictly increasing TAI64N labels, also over a restart with the clock set back: the owner stores
/// reserved() on disk and hands it in again as the floor. Nanoseconds are whitened to 2^24 ns as
/// WireGuard does, so that the label is no side channel of the clock.
class TimestampSource {
 public:
  TimestampSource() = default;
  explicit TimestampSource(UnixTime floor) : floor_(floor) {}

  UnixTime floor() const { return floor_; }
  /// A label above every earlier one and above the floor.
  wire::Tai64n next(const Now& now);
  /// Labels up to this time may have been used: what has to be on disk before next() is called
  /// for a wall clock beyond it.
  UnixTime reserved() const { return reserved_; }
  /// True when `now` is closer than half an hour to the reservation (or past it): the owner calls
  /// reserve() and stores reserved() before the next label is needed.
  bool wants_reservation(const Now& now) const;
  /// Reserves two hours beyond both clock and floor.
  void reserve(const Now& now);

 private:
  /// The latest of the clock, the floor and the last label.
  UnixTime reached(const Now& now) const;

  UnixTime floor_;
  UnixTime reserved_;
  wire::Tai64n last_;
};

/// What one network's sessions say about us; owned by the network, shared by reference with its
/// sessions, changed only between their handle_*() calls.
struct LocalSide {
  crypto::X25519KeyPair keys;
  ByteVector prologue;      ///< "ipop v1" || network id
  std::uint8_t suites = 1;  ///< bits of wire::InitiationPayload::suites
  std::uint32_t skey_epoch = 0;
  wire::StatementId grant;
  std::vector<Endpoint> candidates;
  EpochKeyRing epochs;  ///< never empty
  TimestampSource timestamps;
};

/// "ipop v1" || network id.
ByteVector native_prologue(const wire::NetworkId& network);

}  // namespace ipop::session
