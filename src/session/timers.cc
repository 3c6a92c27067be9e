#include <algorithm>

#include "session/session.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;

/// How long an attempt lasts that nobody asked for by connect(): WireGuard's REKEY_ATTEMPT_TIME.
constexpr Duration kUnwantedAttemptTime = 90s;

}  // namespace

void Session::handle_timeout(const Now& now) { advance(now); }

/// Everything that the passing of time does, in an order that leaves nothing due: each step's
/// condition is part of deadline().
void Session::advance(const Now& now) {
  expire(now.at);
  choose_sending(now.at);
  keep_up(now.at);
  consider_attempt(now.at);
  run_attempt(now);
}

void Session::expire(Instant now) {
  const Timers& timers = options_.profile->timers;
  std::size_t stale = 0;
  while (stale < pending_.size() && now >= pending_[stale].sent_at + timers.pending_lifetime) {
    ++stale;
  }
  abandon_pending(stale);
  std::vector<SessionIndex> dead;
  for (const Pair& p : pairs_) {
    if (now >= drop_at(p, timers)) dead.push_back(p.local);
  }
  for (const SessionIndex local : dead) drop_pair(local);
}

/// An established pair that will send as soon as it is proven.
bool Session::successor_on_its_way() const {
  const Pair* sending = sending_pair();
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const Pair& p) {
    return p.established != 0 && !p.proven && !p.replaced_at &&
           (sending == nullptr || ranks_above(p, *sending));
  });
}

void Session::consider_attempt(Instant now) {
  if (attempt_.active) return;
  if (successor_on_its_way()) return;
  if (const Pair* sending = sending_pair()) {
    const bool settle = settle_at_ && now >= *settle_at_;
    if (!settle && now < rekey_at(*sending, *options_.profile, wanted_) &&
        !is_used_late(*sending, now)) {
      return;
    }
    settle_at_.reset();
    start_attempt(now, next_initiation_at(now));
  } else if (wanted_) {
    start_attempt(now, options_.profile->connects_once ? next_initiation_at(now) : now);
  }
}

/// When one that nothing presses may go out. For stock a response counts too: its sender would
/// rather be confirmed than called.
Instant Session::next_initiation_at(Instant now) const {
  const Profile& profile = *options_.profile;
  const Instant last = profile.connects_once ? last_handshake_sent_at_
                                             : last_initiation_at_.value_or(Instant::min());
  return std::max(now, last + profile.timers.initiation_interval);
}

void Session::start_attempt(Instant now, Instant first_at) {
  attempt_ = {.active = true, .started_at = now, .next_at = first_at, .sent = 0};
}

void Session::run_attempt(const Now& now) {
  if (!attempt_.active) return;
  if (now.at >= attempt_ends_at()) {
    attempt_.active = false;
    if (options_.profile->timers.attempt_time != Duration::max()) {
      wanted_ = false;
      outputs_.emplace_back(GaveUp{});
    }
    return;
  }
  if (now.at < attempt_.next_at) return;
  send_initiation(now);
  attempt_.next_at = now.at + retry_delay();
  ++attempt_.sent;
}

Instant Session::attempt_ends_at() const {
  Duration limit = options_.profile->timers.attempt_time;
  if (!wanted_) limit = std::min(limit, kUnwantedAttemptTime);
  return limit == Duration::max() ? Instant::max() : attempt_.started_at + limit;
}

/// From the initiation that is being sent to the next one.
Duration Session::retry_delay() {
  const Timers& timers = options_.profile->timers;
  const Duration base =
      attempt_.sent < timers.retries.size() ? timers.retries[attempt_.sent] : timers.retry_interval;
  const auto fraction = std::chrono::duration<double, Duration::period>(base) * timers.retry_jitter;
  const Duration jitter_max =
      std::min(std::chrono::duration_cast<Duration>(fraction), timers.retry_jitter_max);
  const auto bound = static_cast<std::uint64_t>(jitter_max.count()) + 1;
  return base + Duration(static_cast<Duration::rep>(options_.rng->below(bound)));
}

Instant Session::deadline() const {
  const Timers& timers = options_.profile->timers;
  Instant at = activity_deadline();
  if (!pending_.empty()) at = std::min(at, pending_.front().sent_at + timers.pending_lifetime);
  for (const Pair& p : pairs_) at = std::min(at, drop_at(p, timers));
  const Pair* sending = sending_pair();
  if (sending != nullptr) at = std::min(at, send_until(*sending, timers));
  if (attempt_.active) return std::min({at, attempt_.next_at, attempt_ends_at()});
  if (sending != nullptr && !successor_on_its_way()) {
    at = std::min(at, rekey_at(*sending, *options_.profile, wanted_));
    if (settle_at_) at = std::min(at, *settle_at_);
  }
  return at;
}

}  // namespace ipop::session
