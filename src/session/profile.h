#pragma once

#include <array>
#include <string_view>

#include "base/time.h"
#include "wire/handshake.h"

namespace ipop::session {

/// When things happen; names follow the WireGuard paper, section 6.
struct Timers {
  /// Fresh initiations while none was answered; after the last one every retry_interval.
  std::array<Duration, 5> retries;
  Duration retry_interval;
  /// Uniform random addition to each retry, as a fraction of it (0.2) or at most retry_jitter_max.
  double retry_jitter;
  Duration retry_jitter_max;
  /// Give up an attempt; Duration::max() = as long as somebody wants the session.
  Duration attempt_time;
  Duration rekey_after_time;  ///< since the first IP packet on the keypair
  /// Added where we answered the pair's initiation: with traffic both ways both ends' clocks start
  /// together, and without this every rekey would be made twice.
  Duration responder_rekey_delay;
  Duration rekey_idle_after_time;    ///< age without an IP packet; zero = never
  Duration rekey_idle_jitter_max;    ///< uniform addition, so that both ends seldom coincide
  Duration reject_after_time;        ///< age at which received packets are refused
  Duration send_after_first_ip_max;  ///< a pair carries data this long after its first IP packet
  Duration wipe_after;               ///< a replaced pair is dropped this long after its replacement
  Duration unproven_lifetime;        ///< a pair that is never proven is dropped at this age
  Duration pending_lifetime;         ///< a response to an older initiation is not accepted
};

/// How the one handshake machine speaks: natively, or as stock WireGuard (a second value, no second
/// machine).
struct Profile {
  std::string_view construction;  ///< Noise protocol name
  wire::HandshakeShape shape;
  std::string_view mac1_label;
  std::string_view cookie_label;
  bool initiator_only_rekeys;  ///< stock: only the initiator rekeys on time
  bool initiates_on_cookie;    ///< at once; stock waits for its next retry
  Timers timers;
};

/// PROTOCOL: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, types 0xC0.., retries at 0.25, 0.5, 1, 2, 4 s.
extern const Profile kNativeProfile;

}  // namespace ipop::session
