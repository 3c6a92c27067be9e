#include "session/session.h"

#include <algorithm>

#include "base/check.h"

namespace ipop::session {
Session::Session(const Options& options) : options_(options) {
  check(options.profile != nullptr && options.local != nullptr && options.indices != nullptr &&
        options.rng != nullptr);
}

Session::~Session() {
  for (const Pending& pending : pending_) options_.indices->release(pending.local);
  for (const Pair& pair : pairs_) options_.indices->release(pair.local);
}

void Session::connect(const Now& now) {
  wanted_ = true;
  const bool once = options_.profile->connects_once;
  if (once && attempt_.active) attempt_.started_at = now.at;
  advance(now);
  if (once && sending_) wanted_ = false;
}

void Session::stop_connecting() {
  wanted_ = false;
  attempt_.active = false;
}

void Session::handshake_now(const Now& now) {
  const Instant first_at = next_initiation_at(now.at);
  if (attempt_.active) {
    attempt_.started_at = now.at;
    attempt_.next_at = std::min(attempt_.next_at, first_at);
  } else {
    start_attempt(now.at, first_at);
  }
  advance(now);
}

void Session::reset() {
  wanted_ = false;
  attempt_.active = false;
  settle_at_.reset();
  activity_ = {};
  another_keepalive_since_.reset();
  if (sending_) {
    sending_.reset();
    outputs_.emplace_back(SendOn{std::nullopt});
  }
  abandon_pending(pending_.size());
  while (!pairs_.empty()) drop_pair(pairs_.front().local);
}

Session::Output Session::poll_output() {
  if (outputs_.empty()) return WaitUntil{deadline()};
  Output out = std::move(outputs_.front());
  outputs_.pop_front();
  return out;
}

std::optional<SessionIndex> Session::sending_on() const { return sending_; }

bool Session::is_initiating() const { return attempt_.active; }

}  // namespace ipop::session
