#include <algorithm>

#include "base/check.h"
#include "session/session.h"

namespace ipop::session {

bool Session::local_is_lower() const { return options_.local->keys.public_key < options_.remote; }

bool Session::ranks_above(const Pair& a, const Pair& b) const {
  if (options_.profile->newest_sends) return a.established > b.established;
  return outranks(a, b, local_is_lower());
}

Pair* Session::find_pair(SessionIndex local) {
  const auto it =
      std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& p) { return p.local == local; });
  return it == pairs_.end() ? nullptr : &*it;
}

const Pair* Session::sending_pair() const {
  if (!sending_) return nullptr;
  const auto it = std::find_if(pairs_.begin(), pairs_.end(),
                               [&](const Pair& p) { return p.local == *sending_; });
  check(it != pairs_.end());
  return &*it;
}

Pair& Session::add_pair(const Now& now, SessionIndex local, Epoch epoch) {
  Pair pair{.local = local, .epoch = epoch, .made_at = now.at};
  const auto jitter_ms_max = static_cast<std::uint64_t>(
      options_.profile->timers.rekey_idle_jitter_max / std::chrono::milliseconds(1));
  pair.idle_jitter =
      std::chrono::milliseconds(static_cast<std::int64_t>(options_.rng->below(jitter_ms_max + 1)));
  return pairs_.emplace_back(pair);
}

void Session::handle_received(const Now& now, SessionIndex local) {
  Pair* pair = find_pair(local);
  if (pair == nullptr || pair->established != 0) return;
  establish(*pair);
  advance(now);
}

void Session::handle_proven(const Now& now, SessionIndex local) {
  Pair* pair = find_pair(local);
  if (pair == nullptr || pair->proven) return;
  pair->proven = true;
  if (pair->established == 0) establish(*pair);
  advance(now);
}

void Session::handle_ip_sent(const Now& now, SessionIndex local) {
  Pair* pair = find_pair(local);
  if (pair == nullptr || pair->first_ip_at) return;
  pair->first_ip_at = now.at;
  advance(now);
}

void Session::handle_rekey_limit(const Now& now, SessionIndex local) {
  Pair* pair = find_pair(local);
  if (pair == nullptr) return;
  pair->limit_reached = true;
  advance(now);
}

/// Invalidates references to pairs.
void Session::establish(Pair& pair) {
  pair.established = ++events_;
  attempt_.active = false;
  if (!options_.profile->needs_proof) pair.proven = true;
  if (options_.profile->connects_once) wanted_ = false;
  if (!pair.initiator) {
    // The peer accepts no response to an older initiation any longer; where it had completed one
    // before, it cannot have sent data on it, since that takes a PROOF that we would have seen.
    const EventNumber began = pair.began;
    std::vector<SessionIndex> older;
    for (const Pair& p : pairs_) {
      if (!p.initiator && p.established == 0 && p.began < began) older.push_back(p.local);
    }
    for (const SessionIndex local : older) drop_pair(local);
  }
  bound_established();
}

/// Drops the lowest-ranking established pairs beyond the limit.
void Session::bound_established() {
  while (true) {
    std::size_t count = 0;
    const Pair* lowest = nullptr;
    for (const Pair& p : pairs_) {
      if (p.established == 0) continue;
      ++count;
      if (p.local == sending_) continue;
      if (lowest == nullptr || ranks_above(*lowest, p)) lowest = &p;
    }
    if (count <= kEstablishedMax) return;
    drop_pair(lowest->local);
  }
}

/// Makes room for one more unconfirmed pair; they are in the order in which they were answered.
void Session::bound_unconfirmed() {
  const auto unconfirmed = [](const Pair& p) { return p.established == 0; };
  while (std::count_if(pairs_.begin(), pairs_.end(), unconfirmed) >=
         static_cast<std::ptrdiff_t>(kUnconfirmedMax)) {
    drop_pair(std::find_if(pairs_.begin(), pairs_.end(), unconfirmed)->local);
  }
}

void Session::choose_sending(Instant now) {
  const Timers& timers = options_.profile->timers;
  const Pair* best = nullptr;
  for (const Pair& p : pairs_) {
    if (!p.proven || p.replaced_at || now >= send_until(p, timers)) continue;
    if (best == nullptr || ranks_above(p, *best)) best = &p;
  }
  const std::optional<SessionIndex> chosen =
      best == nullptr ? std::nullopt : std::optional(best->local);
  if (chosen != sending_) {
    if (Pair* old = sending_ ? find_pair(*sending_) : nullptr) old->replaced_at = now;
    sending_ = chosen;
    outputs_.emplace_back(SendOn{chosen});
    if (best != nullptr) consider_settling(now, *best);
  }
  mark_replaced(now);
}

void Session::mark_replaced(Instant now) {
  const Pair* sending = sending_pair();
  if (sending == nullptr) return;
  for (Pair& p : pairs_) {
    if (p.local == sending->local || p.established == 0 || p.replaced_at) continue;
    if (ranks_above(*sending, p)) p.replaced_at = now;
  }
}

/// The one case in which the peer may have chosen otherwise.
void Session::consider_settling(Instant now, const Pair& chosen) {
  settle_at_.reset();
  if (options_.profile->newest_sends) return;
  if (!local_is_lower() || chosen.initiator || !last_completion_) return;
  if (last_completion_->number < chosen.began &&
      chosen.made_at - last_completion_->at < kSettleWindow) {
    settle_at_ = now + kSettleDelay;
  }
}

void Session::drop_pair(SessionIndex local) {
  std::erase_if(pairs_, [&](const Pair& p) { return p.local == local; });
  options_.indices->release(local);
  if (sending_ == local) {
    sending_.reset();
    outputs_.emplace_back(SendOn{std::nullopt});
  }
  outputs_.emplace_back(PairDropped{local});
}

}  // namespace ipop::session
