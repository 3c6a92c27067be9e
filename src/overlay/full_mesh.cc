#include "overlay/full_mesh.h"

#include <algorithm>

#include "wire/handshake.h"

namespace ipop::overlay {

void FullMesh::set_members(Instant now, const std::vector<wire::NodeId>& members) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool gone = std::find(members.begin(), members.end(), it->first) == members.end();
    it = gone ? entries_.erase(it) : std::next(it);
  }
  for (const wire::NodeId& node : members) entries_.try_emplace(node);
  handle_timeout(now);
}

void FullMesh::remember(Instant now, const wire::NodeId& node,
                        const std::vector<Endpoint>& candidates) {
  const auto it = entries_.find(node);
  if (it == entries_.end()) return;
  if (merge(it->second, candidates) && !it->second.connected) call(now, node, it->second);
}

void FullMesh::handle_connected(Instant now, const wire::NodeId& node, const Endpoint& endpoint,
                                const std::vector<Endpoint>& own_candidates) {
  const auto it = entries_.find(node);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  const bool known = entry.connected;
  entry.connected = true;
  entry.calling = false;
  entry.next = Instant::max();
  entry.pause = kPauseMin;
  std::vector<Endpoint> all = {endpoint};
  all.insert(all.end(), own_candidates.begin(), own_candidates.end());
  const bool changed = merge(entry, all);
  if (known && !changed) return;

  wire::Peers others;
  for (auto& [other, other_entry] : entries_) {
    if (other == node || !other_entry.connected) continue;
    outputs_.emplace_back(Tell{other, {{hint_of(node, entry)}}});
    others.peers.push_back(hint_of(other, other_entry));
    if (others.peers.size() == wire::kPeersMax) {
      outputs_.emplace_back(Tell{node, others});
      others.peers.clear();
    }
  }
  if (!others.peers.empty()) outputs_.emplace_back(Tell{node, others});
  handle_timeout(now);
}

void FullMesh::handle_disconnected(Instant now, const wire::NodeId& node) {
  const auto it = entries_.find(node);
  if (it == entries_.end() || !it->second.connected) return;
  it->second.connected = false;
  it->second.pause = kPauseMin;
  call(now, node, it->second);
}

void FullMesh::want(Instant now, const wire::NodeId& node) {
  const auto it = entries_.find(node);
  if (it != entries_.end() && !it->second.connected && !it->second.calling) {
    call(now, node, it->second);
  }
}

void FullMesh::handle_peers(Instant now, const wire::Peers& peers) {
  for (const wire::PeerHint& hint : peers.peers) {
    const auto it = entries_.find(hint.node);
    if (it == entries_.end() || it->second.connected) continue;
    if (merge(it->second, hint.candidates)) {
      it->second.pause = kPauseMin;
      call(now, hint.node, it->second);
    } else {
      want(now, hint.node);
    }
  }
}

void FullMesh::handle_network_change(Instant now) {
  for (auto& [node, entry] : entries_) {
    entry.pause = kPauseMin;
    if (!entry.connected) call(now, node, entry);
  }
}

void FullMesh::handle_timeout(Instant now) {
  for (auto& [node, entry] : entries_) {
    if (entry.connected || now < entry.next) continue;
    if (entry.calling) {
      entry.calling = false;
      // Up to a fifth more, so that members that lost each other do not call in step for ever.
      const auto spread = static_cast<std::uint64_t>(entry.pause.count() / 5) + 1;
      entry.next = now + entry.pause + Duration(static_cast<std::int64_t>(rng_->below(spread)));
      entry.pause = std::min(entry.pause * 2, kPauseMax);
      outputs_.emplace_back(Rest{node});
    } else {
      call(now, node, entry);
    }
  }
}

FullMesh::Output FullMesh::poll_output() {
  if (!outputs_.empty()) {
    Output first = std::move(outputs_.front());
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = Instant::max();
  for (const auto& [node, entry] : entries_) {
    if (!entry.connected) at = std::min(at, entry.next);
  }
  return WaitUntil{at};
}

std::vector<wire::PeerHint> FullMesh::remembered() const {
  std::vector<wire::PeerHint> out;
  for (const auto& [node, entry] : entries_) {
    if (!entry.candidates.empty()) out.push_back(hint_of(node, entry));
  }
  return out;
}

/// Puts `candidates` in front; true when one of them is new.
bool FullMesh::merge(Entry& entry, const std::vector<Endpoint>& candidates) {
  bool changed = false;
  std::vector<Endpoint> merged;
  const auto add = [&](const Endpoint& e) {
    if (merged.size() < wire::kCandidatesMax &&
        std::find(merged.begin(), merged.end(), e) == merged.end()) {
      merged.push_back(e);
    }
  };
  for (const Endpoint& e : candidates) {
    changed |=
        std::find(entry.candidates.begin(), entry.candidates.end(), e) == entry.candidates.end();
    add(e);
  }
  for (const Endpoint& e : entry.candidates) add(e);
  entry.candidates = std::move(merged);
  return changed;
}

void FullMesh::call(Instant now, const wire::NodeId& node, Entry& entry) {
  if (entry.candidates.empty()) return;
  entry.calling = true;
  entry.next = now + kAttempt;
  outputs_.emplace_back(Call{node, entry.candidates});
}

wire::PeerHint FullMesh::hint_of(const wire::NodeId& node, const Entry& entry) const {
  return {node, 0, entry.candidates};
}

}  // namespace ipop::overlay
