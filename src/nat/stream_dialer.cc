#include "nat/stream_dialer.h"

#include <algorithm>

namespace ipop::nat {

void StreamDialer::want(Instant now, const Endpoint& to) {
  if (!lines_.contains(to) && lines_.size() >= kKnownMax) return;
  lines_[to].wanted_until = now + kWantedFor;
  dial(now);
}

void StreamDialer::handle_up(Instant now, const Endpoint& to) {
  const auto it = lines_.find(to);
  if (it == lines_.end() || it->second.state != State::Dialling) return;
  it->second.state = State::Up;
  it->second.up_since = now;
}

void StreamDialer::handle_down(Instant now, const Endpoint& to) {
  const auto it = lines_.find(to);
  if (it == lines_.end() || it->second.state == State::Resting) return;
  Line& line = it->second;
  if (line.state == State::Up && line.up_since + kGood <= now) line.pause = kPauseMin;
  line.state = State::Resting;
  const auto spread = static_cast<std::uint64_t>(line.pause.count() / 5);
  line.next_at = now + line.pause + Duration(static_cast<std::int64_t>(rng_->below(spread)));
  line.pause = std::min(line.pause * 2, kPauseMax);
  dial(now);
}

void StreamDialer::handle_timeout(Instant now) {
  for (auto it = lines_.begin(); it != lines_.end();) {
    Line& line = it->second;
    if (line.wanted_until > now) {
      ++it;
      continue;
    }
    if (line.state != State::Resting) {
      outputs_.emplace_back(Close{it->first});
      // What ends here by our own will is no failure.
      line.next_at = now;
      line.state = State::Resting;
    }
    // A failing one is remembered for its pause, so that wanting it anew dials no earlier.
    it = line.next_at <= now ? lines_.erase(it) : std::next(it);
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
