#include "session/pair.h"

#include <algorithm>

namespace ipop::session {

bool outranks(const Pair& a, const Pair& b, bool local_is_lower) {
  if (a.initiator == b.initiator) return a.began > b.began;
  const Pair& ours = a.initiator ? a : b;
  const Pair& theirs = a.initiator ? b : a;
  const bool ours_first = local_is_lower
                              ? theirs.began < ours.established
                              : theirs.established != 0 && theirs.established < ours.began;
  return ours_first == a.initiator;
}

Instant send_until(const Pair& pair, const Timers& timers) {
  const Instant by_age = pair.made_at + timers.reject_after_time - timers.send_margin;
  if (!pair.first_ip_at) return by_age;
  return std::min(by_age, *pair.first_ip_at + timers.send_after_first_ip_max);
}

Instant rekey_at(const Pair& pair, const Profile& profile, bool wanted) {
  const Timers& timers = profile.timers;
  if (pair.limit_reached) return Instant::min();
  if (profile.initiator_only_rekeys && !pair.initiator) return Instant::max();
  Instant at = Instant::max();
  if (pair.first_ip_at) {
    at = *pair.first_ip_at + timers.rekey_after_time;
    if (!pair.initiator) at += timers.responder_rekey_delay;
  }
  if (wanted && timers.rekey_idle_after_time > Duration::zero()) {
    at = std::min(at, pair.made_at + timers.rekey_idle_after_time + pair.idle_jitter);
  }
  return at;
}

Instant drop_at(const Pair& pair, const Timers& timers) {
  Instant at = pair.made_at + timers.reject_after_time;
  if (!pair.proven) at = std::min(at, pair.made_at + timers.unproven_lifetime);
  if (pair.replaced_at) at = std::min(at, *pair.replaced_at + timers.wipe_after);
  return at;
}

}  // namespace ipop::session
