#pragma once

#include <array>
#include <string_view>

#include "base/time.h"
#include "wire/data.h"
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
  /// Between our last initiation and the first of a rekey, of handshake_now(), of settling; stock:
  /// of any attempt.
  Duration initiation_interval;
  Duration rekey_after_time;  ///< since the first IP packet on the keypair; stock: its age
  /// Added where we answered the pair's initiation: with traffic both ways both ends' clocks start
  /// together, and without this every rekey would be made twice.
  Duration responder_rekey_delay;
  Duration rekey_idle_after_time;  ///< age without an IP packet; zero = never
  Duration rekey_idle_jitter_max;  ///< uniform addition, so that both ends seldom coincide
  Duration reject_after_time;      ///< age at which received packets are refused
  /// Both ends count the age from different moments (the response's flight apart, at most
  /// pending_lifetime), and packets take time: stop sending this long before the receiver refuses.
  Duration send_margin;
  Duration send_after_first_ip_max;  ///< a pair carries data this long after its first IP packet
  Duration wipe_after;               ///< a replaced pair is dropped this long after its replacement
  Duration unproven_lifetime;        ///< a pair that is never proven is dropped at this age
  Duration pending_lifetime;         ///< a response to an older initiation is not accepted

  // What packets that flow one way only make a stock session do (zero: nothing).
  Duration keepalive_timeout;     ///< having received and sent nothing: an empty packet
  Duration no_answer_timeout;     ///< having sent and received nothing: a handshake
  Duration no_answer_jitter_max;  ///< uniform addition to it
  Duration rekey_receive_after;   ///< age at which receiving alone makes the initiator rekey
};

/// How the one handshake machine speaks: natively, or as stock WireGuard (a second value, no second
/// machine).
struct Profile {
  std::string_view construction;  ///< Noise protocol name
  wire::HandshakeShape shape;
  wire::Framing framing;
  std::string_view mac1_label;
  std::string_view cookie_label;
  /// Both messages say by which GRANT and SKEY epoch, suites are negotiated, the data keys cover
  /// the transcript, and mac1 needs the network's secret. Stock: message 1 carries its TAI64N label
  /// only, message 2 nothing, the data keys are Noise's own, mac1 needs the receiver's key alone.
  bool carries_membership;
  /// A pair sends after handle_proven(). Stock: as soon as it is confirmed, the initiator's
  /// confirmation being a packet that it sends at once.
  bool needs_proof;
  /// Of proven pairs the one established last sends, whoever made it. Native: Session's ranks.
  bool newest_sends;
  /// connect() asks for one attempt, for a packet that waits. Native: for a session, for good.
  bool connects_once;
  bool initiator_only_rekeys;  ///< stock: only the initiator rekeys on time
  bool initiates_on_cookie;    ///< at once; stock waits for its next retry
  /// Initiations that may still be answered. A stock peer forgets an older one with each newer one
  /// that it answers, so that a late response would make a pair that the peer has dropped.
  std::size_t pending_max;
  Timers timers;
};

/// PROTOCOL: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, types 0xC0.., retries at 0.25, 0.5, 1, 2, 4 s.
extern const Profile kNativeProfile;

/// WireGuard as its paper and its implementations have it: types 1 to 4, their labels, their timers
/// (docs/protocol.md, "Stock WireGuard").
extern const Profile kStockProfile;
/// Its prologue, what LocalSide::prologue is for stock sessions.
inline constexpr std::string_view kStockPrologue = "WireGuard v1 zx2c4 Jason@zx2c4.com";

}  // namespace ipop::session
