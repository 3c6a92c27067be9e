#include "nat/stream_dialer.h"

#include <algorithm>
#include <utility>

namespace ipop::nat {

void StreamDialer::want(Instant now, std::span<const Endpoint> any_of) {
  const Endpoint* best = nullptr;
  std::pair<Instant, Duration> best_rank;
  for (const Endpoint& to : any_of) {
    const auto it = lines_.find(to);
    if (it == lines_.end() && lines_.size() >= kKnownMax) continue;
    if (it != lines_.end() && it->second.state != State::Resting) {
      it->second.wanted_until = now + kWantedFor;
      return;
    }
    const auto rank = it == lines_.end()
                          ? std::pair(now, kPauseMin)
                          : std::pair(std::max(it->second.next_at, now), it->second.pause);
    if (best == nullptr || rank < best_rank) {
      best = &to;
      best_rank = rank;
    }
  }
  if (best == nullptr) return;
  for (const Endpoint& to : any_of) {
    // Another one that waited for its turn does so no more.
    if (const auto it = lines_.find(to); it != lines_.end()) it->second.wanted_until = now;
  }
  // Behind those that wait already.
  const auto [it, is_new] = lines_.try_emplace(*best, Line{.next_at = now});
  it->second.wanted_until = now + kWantedFor;
  dial(now);
}

void StreamDialer::handle_up(Instant now, const Endpoint& to) {
  const auto it = lines_.find(to);
  if (it == lines_.end() || it->second.state != State::Dialling) return;
  it->second.state = State::Up;
  it->second.up_since = now;
  it->second.is_proven = false;
}

void StreamDialer::handle_proven(const Endpoint& to) {
  const auto it = lines_.find(to);
  if (it != lines_.end() && it->second.state == State::Up) it->second.is_proven = true;
}

void StreamDialer::handle_down(Instant now, const Endpoint& to) {
  const auto it = lines_.find(to);
  if (it == lines_.end() || it->second.state == State::Resting) return;
  rest(now, it->second);
  dial(now);
}

/// It failed, or ended after it was good.
void StreamDialer::rest(Instant now, Line& line) {
  const bool was_good = line.state == State::Up && line.is_proven && line.up_since + kGood <= now;
  if (was_good) line.pause = kPauseMin;
  line.state = State::Resting;
  const auto spread = static_cast<std::uint64_t>(line.pause.count() / 5);
  line.next_at = now + line.pause + Duration(static_cast<std::int64_t>(rng_->below(spread)));
  line.pause = std::min(line.pause * 2, kPauseMax);
}

void StreamDialer::handle_timeout(Instant now) {
  for (auto it = lines_.begin(); it != lines_.end();) {
    Line& line = it->second;
    const bool is_wanted = line.wanted_until > now;
    const bool is_mute =
        line.state == State::Up && !line.is_proven && line.up_since + kGreet <= now;
    if (line.state != State::Resting && (is_mute || !is_wanted)) {
      outputs_.emplace_back(Close{it->first});
      if (line.state == State::Up && line.is_proven) {
        // What ends here by our own will is no failure.
        line.next_at = now;
        line.state = State::Resting;
      } else {
        rest(now, line);
      }
    }
    // A failing one is remembered for its pause, so that wanting it anew dials no earlier.
    it = !is_wanted && line.next_at <= now ? lines_.erase(it) : std::next(it);
  }
  dial(now);
}

/// Those that wait longest go first.
void StreamDialer::dial(Instant now) {
  while (open_count() < kOpenMax) {
    auto best = lines_.end();
    for (auto it = lines_.begin(); it != lines_.end(); ++it) {
      const Line& line = it->second;
      if (line.state != State::Resting || line.next_at > now || line.wanted_until <= now) continue;
      if (best == lines_.end() || line.next_at < best->second.next_at) best = it;
    }
    if (best == lines_.end()) return;
    best->second.state = State::Dialling;
    outputs_.emplace_back(Open{best->first});
  }
}

StreamDialer::Output StreamDialer::poll_output() {
  if (!outputs_.empty()) {
    const Output first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = Instant::max();
  const bool is_full = open_count() >= kOpenMax;
  for (const auto& [to, line] : lines_) {
    const bool waits = line.state == State::Resting && !is_full;
    // Not before it is wanted no more, or may be dialled again, whichever is first and still ahead.
    if (waits && line.next_at < line.wanted_until) at = std::min(at, line.next_at);
    if (line.state == State::Up && !line.is_proven) at = std::min(at, line.up_since + kGreet);
    at = std::min(at, std::max(line.wanted_until,
                               line.state == State::Resting ? line.next_at : line.wanted_until));
  }
  return WaitUntil{at};
}

bool StreamDialer::is_up(const Endpoint& to) const {
  const auto it = lines_.find(to);
  return it != lines_.end() && it->second.state == State::Up;
}

std::size_t StreamDialer::open_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      lines_, [](const auto& entry) { return entry.second.state != State::Resting; }));
}

}  // namespace ipop::nat
