#include "nat/path_set.h"

#include <algorithm>

namespace ipop::nat {

void PathSet::add_hint(const Endpoint& endpoint) {
  if (endpoint.port != 0 && !endpoint.address.is_unspecified()) find_or_add(endpoint);
}

void PathSet::handle_received(Instant now, const Endpoint& from) {
  Path& path = find_or_add(from);
  path.last_received = now;
  if (!path.proven && !path.token) {
    path.misses = 0;
    challenge(now, path);
  }
}

void PathSet::handle_proven(Instant now, const Endpoint& endpoint) {
  Path& path = find_or_add(endpoint);
  path.proven = true;
  path.misses = 0;
  path.token.reset();
  path.last_received = now;
  // A path that a handshake has just proven is the freshest knowledge there is: take it when there
  // is none, or when the present one is under suspicion.
  const Path* current = active_ ? find(*active_) : nullptr;
  if (current == nullptr || current->misses > 0) activate(endpoint);
}

void PathSet::handle_response(Instant now, const Token& token) {
  const auto it =
      std::find_if(paths_.begin(), paths_.end(), [&](const Path& p) { return p.token == token; });
  if (it == paths_.end()) return;
  it->token.reset();
  it->misses = 0;
  it->last_received = now;
  const Duration sample = now - it->challenged_at;
  it->rtt = it->rtt ? *it->rtt * 7 / 8 + sample / 8 : sample;
  received_ = std::max(received_, now);
  const bool roamed = !it->proven;
  it->proven = true;
  if (active_ == it->endpoint) {
    handle_traffic(now, sent_, received_);
    return;
  }
  const Path* current = active_ ? find(*active_) : nullptr;
  // The peer itself started to send from there (an address change): follow it. A merely probed
  // alternative takes over only from a path that stopped answering.
  if (current == nullptr || current->misses > 0 ||
      (roamed && it->last_received > current->last_received)) {
    activate(it->endpoint);
  }
}

void PathSet::handle_traffic(Instant now, Instant sent, Instant received) {
  sent_ = std::max(sent_, sent);
  received_ = std::max(received_, received);
  if (!active_) return;
  if (Path* path = find(*active_)) path->last_received = std::max(path->last_received, received);
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
  Path* path = active_ ? find(*active_) : nullptr;
  if (path != nullptr && !path->token) challenge(now, *path);
}

void PathSet::handle_timeout(Instant now) {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    if (!path.token || now < path.challenged_at + kChallengeTimeout) continue;
    path.token.reset();
    ++path.misses;
    if (path.last_received > path.challenged_at && path.proven) {
      // Something authenticated came meanwhile: the answer was lost, the path was not.
      path.misses = 0;
    } else if (path.misses < kMissesMax) {
      challenge(now, path);
    } else {
      lose(now, path);
    }
  }
  if (probe_at_ <= now) handle_traffic(now, sent_, received_);
}

PathSet::Output PathSet::poll_output() {
  if (!outputs_.empty()) {
    const Output first = outputs_.front();
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = probe_at_;
  for (const Path& p : paths_) {
    if (p.token) at = std::min(at, p.challenged_at + kChallengeTimeout);
  }
  return WaitUntil{at};
}

std::optional<Duration> PathSet::rtt() const {
  for (const Path& p : paths_) {
    if (active_ == p.endpoint) return p.rtt;
  }
  return std::nullopt;
}

void PathSet::set_rtt(Duration sample) {
  Path* path = active_ ? find(*active_) : nullptr;
  if (path != nullptr) path->rtt = path->rtt ? *path->rtt * 7 / 8 + sample / 8 : sample;
}

std::vector<Endpoint> PathSet::destinations() const {
  std::vector<Endpoint> out;
  if (active_) out.push_back(*active_);
  for (const bool proven : {true, false}) {
    for (const Path& p : paths_) {
      if (p.proven == proven && active_ != p.endpoint) out.push_back(p.endpoint);
    }
  }
  return out;
}

void PathSet::reset() {
  for (Path& p : paths_) {
    p.proven = false;
    p.token.reset();
    p.misses = 0;
  }
  if (active_) outputs_.emplace_back(ActiveChanged{});
  active_.reset();
  probe_at_ = Instant::max();
}

PathSet::Path* PathSet::find(const Endpoint& endpoint) {
  const auto it = std::find_if(paths_.begin(), paths_.end(),
                               [&](const Path& p) { return p.endpoint == endpoint; });
  return it == paths_.end() ? nullptr : &*it;
}

PathSet::Path& PathSet::find_or_add(const Endpoint& endpoint) {
  if (Path* known = find(endpoint)) return *known;
  if (paths_.size() >= kPathsMax) {
    // The least recently heard one goes that neither carries data nor is proven, else any but the
    // active one: a peer that names many addresses cannot make us hold more.
    const auto worth = [&](const Path& p) {
      return std::pair(active_ == p.endpoint ? 2 : (p.proven ? 1 : 0), p.last_received);
    };
    paths_.erase(std::min_element(paths_.begin(), paths_.end(), [&](const Path& a, const Path& b) {
      return worth(a) < worth(b);
    }));
  }
  Path path;
  path.endpoint = endpoint;
  paths_.push_back(path);
  return paths_.back();
}

void PathSet::challenge(Instant now, Path& path) {
  Token token{};
  rng_->fill(token);
  path.token = token;
  path.challenged_at = now;
  outputs_.emplace_back(SendChallenge{path.endpoint, token});
}

void PathSet::activate(const Endpoint& endpoint) {
  active_ = endpoint;
  outputs_.emplace_back(ActiveChanged{endpoint});
}

void PathSet::lose(Instant now, Path& path) {
  const bool was_active = active_ == path.endpoint;
  path.proven = false;
  path.misses = 0;
  if (!was_active) return;
  active_.reset();
  Path* best = nullptr;
  for (Path& p : paths_) {
    if (p.proven && (best == nullptr || p.last_received > best->last_received)) best = &p;
  }
  if (best != nullptr) {
    activate(best->endpoint);
    challenge(now, *best);  // it may be as dead as the first
  } else {
    probe_at_ = Instant::max();
    outputs_.emplace_back(ActiveChanged{});
  }
}

}  // namespace ipop::nat
