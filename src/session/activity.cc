// What flowing packets make a stock session do: WireGuard paper, section 6.5, and the timers of the
// Linux implementation (drivers/net/wireguard/timers.c, send.c and receive.c, whose names are in
// the comments). Those run on every packet; here the packet path keeps a few words of what it saw,
// and control looks at them when traffic begins, when something may be due, and every ten seconds
// while it flows.

#include <algorithm>

#include "session/session.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;

/// The packet path reports traffic that begins after this long a silence; closer packets are one
/// flow, of which the words tell the last.
constexpr Duration kFlowPause = 1s;

bool is_flowing(Instant last, Instant now) { return last > now - kFlowPause; }

/// Since when something is outstanding, given that `cleared` ended it and that `last` is the latest
/// packet of the kind that makes it outstanding.
Instant outstanding_since(Instant since, Instant cleared, Instant last) {
  if (since >= cleared) return since;
  return last > cleared ? cleared : Instant::max();
}

}  // namespace

void Session::handle_activity(const Now& now, const Activity& activity) {
  activity_ = activity;
  advance(now);
}

void Session::keep_up(Instant now) {
  const Timers& timers = options_.profile->timers;
  if (timers.keepalive_timeout == Duration::zero()) return;
  if (now >= keepalive_at()) {  // wg_expired_send_keepalive
    another_keepalive_since_.reset();
    if (activity_.unacknowledged_since < activity_.last_ip_received) another_keepalive_since_ = now;
    keepalive_sent_at_ = now;
    outputs_.emplace_back(SendKeepalive{*sending_});
  }
  if (now >= no_answer_at()) {  // wg_expired_new_handshake
    no_answer_noted_at_ = now;
    if (attempt_.active) {
      attempt_.started_at = now;
    } else {
      start_attempt(now, next_initiation_at(now));
    }
    const auto jitter_max = static_cast<std::uint64_t>(timers.no_answer_jitter_max.count());
    no_answer_jitter_ = Duration(static_cast<Duration::rep>(options_.rng->below(jitter_max + 1)));
  }
  looked_at_ = now;
  const bool flowing =
      is_flowing(activity_.last_ip_sent, now) || is_flowing(activity_.last_ip_received, now);
  look_again_at_ = flowing ? now + timers.keepalive_timeout : Instant::max();
}

/// Data arrived, and nothing was sent since, not even a handshake message.
Instant Session::keepalive_at() const {
  if (!sending_) return Instant::max();
  // An IP packet on a newer pair does not clear the word of the pair before.
  const Instant sent =
      std::max({last_handshake_sent_at_, keepalive_sent_at_, activity_.last_ip_sent});
  Instant since =
      outstanding_since(activity_.unacknowledged_since, sent, activity_.last_ip_received);
  if (another_keepalive_since_ && *another_keepalive_since_ >= last_handshake_sent_at_ &&
      *another_keepalive_since_ >= activity_.last_ip_sent) {
    since = std::min(since, *another_keepalive_since_);
  }
  return since == Instant::max() ? since : since + options_.profile->timers.keepalive_timeout;
}

/// Data was sent, and nothing authentic arrived since.
Instant Session::no_answer_at() const {
  const Instant heard =
      std::max({activity_.last_received, last_handshake_received_at_, no_answer_noted_at_});
  const Instant since =
      outstanding_since(activity_.unanswered_since, heard, activity_.last_ip_sent);
  if (since == Instant::max()) return since;
  return since + options_.profile->timers.no_answer_timeout + no_answer_jitter_;
}

/// Whether an initiator's pair is used at an age at which it should be replaced (keep_key_fresh):
/// sending at 120 s, receiving at 165 s.
bool Session::is_used_late(const Pair& pair, Instant now) const {
  const Timers& timers = options_.profile->timers;
  if (timers.keepalive_timeout == Duration::zero() || !pair.initiator) return false;
  const auto used = [now](Instant from, Instant last) {
    return now >= from && (last >= from || is_flowing(last, now));
  };
  return used(pair.made_at + timers.rekey_after_time,
              std::max(activity_.last_ip_sent, keepalive_sent_at_)) ||
         used(pair.made_at + timers.rekey_receive_after, activity_.last_received);
}

Instant Session::activity_deadline() const {
  const Timers& timers = options_.profile->timers;
  if (timers.keepalive_timeout == Duration::zero()) return Instant::max();
  Instant at = std::min({keepalive_at(), no_answer_at(), look_again_at_});
  const Pair* sending = sending_pair();
  if (sending == nullptr || !sending->initiator || attempt_.active) return at;
  for (const Duration age : {timers.rekey_after_time, timers.rekey_receive_after}) {
    if (looked_at_ < sending->made_at + age) at = std::min(at, sending->made_at + age);
  }
  return at;
}

}  // namespace ipop::session
