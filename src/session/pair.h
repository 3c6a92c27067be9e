#pragma once

#include <cstdint>
#include <optional>

#include "base/id.h"
#include "base/time.h"
#include "session/profile.h"

namespace ipop::session {

/// A moment in the order in which one session saw things happen; finer than the clock, which may
/// give several of them the same Instant. Zero = has not happened.
using EventNumber = std::uint64_t;

/// What a session knows of a keypair that lives; the keys are the owner's.
struct Pair {
  SessionIndex local;
  bool initiator = false;
  Epoch epoch;
  Instant made_at;
  /// The initiator's: it sent the initiation. The responder's: it answered.
  EventNumber began = 0;
  /// Both ends are known to have the keys. The initiator's: the response arrived. The responder's:
  /// the first packet on the pair arrived ("confirmed").
  EventNumber established = 0;
  bool proven = false;
  bool limit_reached = false;
  std::optional<Instant> first_ip_at;
  /// A pair that outranks this one took over, or this one may not send any longer.
  std::optional<Instant> replaced_at;
  Duration idle_jitter{};
  /// Of our response, until a cookie for it came.
  std::optional<wire::Mac> response_mac1;
};

/// Whether `a` rather than `b` is to send when both are proven: session.h, "Which pair sends".
/// Requires: both established, a and b different pairs of one session.
bool outranks(const Pair& a, const Pair& b, bool local_is_lower);

/// Last moment at which the pair may send.
Instant send_until(const Pair& pair, const Timers& timers);

/// When the sending pair should be replaced; Instant::max() = never on time. `wanted`: somebody
/// wants the session although nothing is sent.
Instant rekey_at(const Pair& pair, const Profile& profile, bool wanted);

/// When the pair is dropped, if nothing else happens before.
Instant drop_at(const Pair& pair, const Timers& timers);

}  // namespace ipop::session
