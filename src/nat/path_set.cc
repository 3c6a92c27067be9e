#include "nat/path_set.h"

#include <algorithm>

namespace ipop::nat {
namespace {

/// Between two challenges to an active path that the peer has left for another one.
constexpr Duration kProbeElsewhere = std::chrono::seconds(1);

/// `rtt` with the next sample in it (RFC 6298 section 2).
Duration smoothed(const std::optional<Duration>& rtt, Duration sample) {
  return rtt ? *rtt * 7 / 8 + sample / 8 : sample;
}

/// To the peer these are two addresses of ours, of which it has chosen one.
bool is_other_socket(const Way& a, const Way& b) {
  return a.is_direct() && b.is_direct() && a.endpoint() == b.endpoint() && a != b;
}

}  // namespace

bool PathSet::add_hint(const Way& way) {
  if (way.is_leg() && (way.endpoint().port == 0 || way.endpoint().address.is_unspecified())) {
    return false;
  }
  if (find(way) != nullptr) return false;
  find_or_add(way);
  if (way.is_direct()) seek_pause_ = kUpgradePauseMin;
  return true;
}

void PathSet::probe(Instant now, const Way& way) {
  Path& path = find_or_add(way);
  if (path.proven || path.waits) return;
  path.misses = 0;
  challenge(now, path);
}

void PathSet::remove(Instant now, const Way& way) {
  Path* path = find(way);
  if (path == nullptr) return;
  lose(now, *path);
  std::erase_if(paths_, [&](const Path& p) { return p.way == way; });
}

void PathSet::handle_received(Instant now, const Way& from) {
  Path& path = find_or_add(from);
  path.last_received = now;
  if (!path.proven) return probe(now, from);
  Path* current = find_active();
  if (current == nullptr || current == &path) return;
  elsewhere_at_ = now;
  const bool is_held = held_until_ > now;
  const bool follows = role_ == Role::Follows && from.is_relay() && active_->is_relay();
  if (!is_held && (follows || is_other_socket(from, *active_))) {
    activate(now, from);
  } else if (current->challenged_at + kProbeElsewhere <= now) {
    // The peer has left our path, or tries another one. What it sends there does not show that ours
    // still works, so ask.
    suspect_active(now);
  }
}

void PathSet::handle_proven(Instant now, const Way& way) {
  Path& path = find_or_add(way);
  path.proven = true;
  path.misses = 0;
  path.tries = 0;
  path.waits = false;
  path.last_received = now;
  // A path that a handshake has just proven is the freshest knowledge there is: take it when there
  // is none or only a worse kind, or when the present one of the same kind is under suspicion.
  const Path* current = find_active();
  if (current == nullptr || way.kind() < active_->kind() ||
      (way.kind() == active_->kind() && current->misses > 0)) {
    activate(now, way);
  }
}

void PathSet::handle_response(Instant now, const Token& token) {
  Path* path = take_answered(now, token);
  if (path == nullptr) return;
  path->waits = false;
  path->misses = 0;
  path->tries = 0;
  path->last_received = now;
  received_ = std::max(received_, now);
  const bool roamed = !path->proven && path->way.is_leg() && held_until_ <= now;
  path->proven = true;
  if (active_ == path->way) {
    handle_traffic(now, sent_, received_);
    return;
  }
  const Path* current = find_active();
  const bool is_better = current == nullptr || path->way.kind() < active_->kind();
  // The peer itself started to send from there (an address change): follow it. A merely probed
  // alternative takes over only from a path that stopped answering.
  const bool takes_over =
      !is_better && path->way.kind() == active_->kind() &&
      (current->misses > 0 || (roamed && path->last_received > current->last_received));
  if (is_better || takes_over) activate(now, path->way);
}

/// Whose challenge that was, with the round trip that it took; null: nobody's, or too old.
PathSet::Path* PathSet::take_answered(Instant now, const Token& token) {
  for (Path& path : paths_) {
    const auto asked = std::ranges::find(path.unanswered, token, &Challenge::token);
    if (asked == path.unanswered.end()) continue;
    const Duration sample = now - asked->sent;
    path.unanswered.erase(asked);
    if (sample > kAnswerMax) return nullptr;
    path.rtt = smoothed(path.rtt, sample);
    return &path;
  }
  return nullptr;
}

void PathSet::handle_traffic(Instant now, Instant sent, Instant received) {
  sent_ = std::max(sent_, sent);
  received_ = std::max(received_, received);
  if (!active_) return;
  Path* path = find_active();
  if (path != nullptr && !hears_elsewhere(now)) {
    path->last_received = std::max(path->last_received, received);
  }
  const bool flowing = sent_ > now - std::chrono::seconds(1) && sent_ <= now;
  probe_at_ = Instant::max();
  if (!flowing) return;
  // While a challenge is out, its timeout is what comes next; its answer arms this again.
  if (received_ + kSilence <= now) {
    suspect_active(now);
  } else {
    probe_at_ = received_ + kSilence;
  }
}

void PathSet::suspect_active(Instant now) {
  Path* path = find_active();
  if (path != nullptr && !path->waits) challenge(now, *path);
}

void PathSet::handle_timeout(Instant now) {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    if (!path.waits || now < answer_due(path)) continue;
    path.waits = false;
    ++path.misses;
    if (path.last_received > path.challenged_at && path.proven) {
      // Something authenticated came meanwhile: the answer was lost, the path was not.
      path.misses = 0;
    } else if (path.misses < kMissesMax) {
      challenge(now, path);
    } else {
      const bool told = path.proven || ++path.tries == kTriesMax;
      if (told && path.way.is_relay()) outputs_.emplace_back(Lost{path.way});
      lose(now, path);
    }
  }
  if (probe_at_ <= now) handle_traffic(now, sent_, received_);
  seek_better(now);
}

/// What might be better, or a second relay, and is not proven gets one challenge each. Also the
/// peer's side does it, which is what opens a NAT; what hears a challenge answers with its own.
void PathSet::seek_better(Instant now) {
  if (!active_ || active_->is_direct() || now < next_seek()) return;
  sought_at_ = now;
  // Up to a fifth more, so that many links do not do it in step.
  const auto spread = static_cast<std::uint64_t>(seek_pause_.count() / 5);
  seek_pause_ = std::min(seek_pause_ * 2, kUpgradePauseMax) +
                Duration(static_cast<std::int64_t>(rng_->below(spread)));
  for (Path& p : paths_) {
    if (p.proven || p.waits || p.way.kind() > active_->kind()) continue;
    p.misses = kMissesMax - 1;
    challenge(now, p);
  }
}

Instant PathSet::next_seek() const {
  const bool is_in_use = sent_ > sought_at_;
  return sought_at_ + (is_in_use ? std::min(seek_pause_, kUpgradePauseInUse) : seek_pause_);
}

bool PathSet::hears_elsewhere(Instant now) const {
  return elsewhere_at_ > now - std::chrono::seconds(1);
}

PathSet::Output PathSet::poll_output() {
  if (!outputs_.empty()) {
    const Output first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = probe_at_;
  for (const Path& p : paths_) {
    if (p.waits) at = std::min(at, answer_due(p));
  }
  if (active_ && !active_->is_direct()) at = std::min(at, next_seek());
  return WaitUntil{at};
}

std::optional<Duration> PathSet::rtt() const {
  for (const Path& p : paths_) {
    if (active_ == p.way) return p.rtt;
  }
  return std::nullopt;
}

void PathSet::set_rtt(Duration sample) {
  Path* path = find_active();
  if (path != nullptr) path->rtt = smoothed(path->rtt, sample);
}

std::vector<Way> PathSet::destinations() const {
  std::vector<Way> out;
  if (active_) out.push_back(*active_);
  for (const bool proven : {true, false}) {
    for (const Way::Kind kind :
         {Way::Kind::Direct, Way::Kind::Stream, Way::Kind::Relay, Way::Kind::Routed}) {
      for (const Path& p : paths_) {
        if (p.proven == proven && p.way.kind() == kind && active_ != p.way) out.push_back(p.way);
      }
    }
  }
  return out;
}

void PathSet::reset() {
  for (Path& p : paths_) {
    p.proven = false;
    p.waits = false;
    p.unanswered.clear();
    p.misses = 0;
  }
  if (active_) outputs_.emplace_back(ActiveChanged{});
  active_.reset();
  probe_at_ = Instant::max();
}

bool PathSet::contains(const Way& way) const {
  return std::ranges::any_of(paths_, [&](const Path& p) { return p.way == way; });
}

PathSet::Path* PathSet::find(const Way& way) {
  const auto it =
      std::find_if(paths_.begin(), paths_.end(), [&](const Path& p) { return p.way == way; });
  return it == paths_.end() ? nullptr : &*it;
}

PathSet::Path& PathSet::find_or_add(const Way& way) {
  if (Path* known = find(way)) return *known;
  if (paths_.size() >= kPathsMax) {
    // The least recently heard one goes that neither carries data nor is proven, else any but the
    // active one: a peer that names many addresses cannot make us hold more, nor push out a relay.
    const auto worth = [&](const Path& p) {
      const int rank = active_ == p.way ? 3 : p.proven ? 2 : p.way.is_direct() ? 0 : 1;
      return std::pair(rank, p.last_received);
    };
    paths_.erase(std::min_element(paths_.begin(), paths_.end(), [&](const Path& a, const Path& b) {
      return worth(a) < worth(b);
    }));
  }
  Path path;
  path.way = way;
  paths_.push_back(path);
  return paths_.back();
}

/// When the last challenge counts as missed.
Instant PathSet::answer_due(const Path& path) {
  const Duration usual = path.rtt ? std::min(*path.rtt * 2, kAnswerMax) : Duration(0);
  return path.challenged_at + std::max(kChallengeTimeout, usual);
}

void PathSet::challenge(Instant now, Path& path) {
  std::erase_if(path.unanswered, [&](const Challenge& c) { return c.sent + kAnswerMax < now; });
  if (path.unanswered.size() == kUnansweredMax) path.unanswered.erase(path.unanswered.begin());
  Token token{};
  rng_->fill(token);
  path.unanswered.push_back({token, now});
  path.waits = true;
  path.challenged_at = now;
  outputs_.emplace_back(SendChallenge{path.way, token});
}

void PathSet::activate(Instant now, const Way& way) {
  active_ = way;
  elsewhere_at_ = Instant::min();
  sought_at_ = now;
  seek_pause_ = kUpgradePauseMin;
  outputs_.emplace_back(ActiveChanged{way});
}

void PathSet::lose(Instant now, Path& path) {
  const bool was_active = active_ == path.way;
  path.proven = false;
  path.misses = 0;
  if (!was_active) return;
  active_.reset();
  Path* best = nullptr;
  const auto is_better = [](const Path& a, const Path& b) {
    if (a.way.kind() != b.way.kind()) return a.way.kind() < b.way.kind();
    return a.last_received > b.last_received;
  };
  for (Path& p : paths_) {
    if (p.proven && (best == nullptr || is_better(p, *best))) best = &p;
  }
  if (best != nullptr) {
    activate(now, best->way);
    if (!best->waits) challenge(now, *best);  // it may be as dead as the first
  } else {
    probe_at_ = Instant::max();
    outputs_.emplace_back(ActiveChanged{});
  }
}

}  // namespace ipop::nat
