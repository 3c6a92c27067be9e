#include "engine/peer_table.h"

#include <algorithm>

#include "base/check.h"

namespace ipop::engine {

Peer& PeerTable::add(std::unique_ptr<Peer> peer) {
  Peer& made = *peer;
  check(look(made.link->remote()) == nullptr);
  by_tunnel_key_[made.link->remote()] = made.handle;
  if (made.node) by_node_[*made.node] = made.handle;
  const bool fresh = peers_.emplace(made.handle, std::move(peer)).second;
  check(fresh);
  touched_.insert(made.handle);
  return made;
}

std::unique_ptr<Peer> PeerTable::remove(PeerHandle handle) {
  const auto it = peers_.find(handle);
  if (it == peers_.end()) return nullptr;
  set_deadline(*it->second, Instant::max());
  touched_.erase(handle);
  std::unique_ptr<Peer> gone = std::move(it->second);
  peers_.erase(it);
  by_tunnel_key_.erase(gone->link->remote());
  drop_node(*gone);
  return gone;
}

void PeerTable::set_node(Peer& peer, const wire::NodeId& node) {
  // Two members may have one tunnel key, and then be this peer one after the other.
  if (peer.node && *peer.node != node) drop_node(peer);
  peer.node = node;
  by_node_[node] = peer.handle;
}

/// Nobody finds it by its member any more, unless another one stands for that by now.
void PeerTable::drop_node(const Peer& peer) {
  if (!peer.node) return;
  const auto named = by_node_.find(*peer.node);
  if (named != by_node_.end() && named->second == peer.handle) by_node_.erase(named);
}

std::size_t PeerTable::strangers() const {
  const auto is_stranger = [](const auto& entry) { return !entry.second->node; };
  return static_cast<std::size_t>(std::ranges::count_if(peers_, is_stranger));
}

const Peer* PeerTable::look(PeerHandle handle) const {
  const auto it = peers_.find(handle);
  return it == peers_.end() ? nullptr : it->second.get();
}

const Peer* PeerTable::look(const TunnelKey& key) const {
  const auto it = by_tunnel_key_.find(key);
  return it == by_tunnel_key_.end() ? nullptr : look(it->second);
}

const Peer* PeerTable::look(const wire::NodeId& node) const {
  const auto it = by_node_.find(node);
  return it == by_node_.end() ? nullptr : look(it->second);
}

Peer* PeerTable::touched(const Peer* peer) {
  if (peer == nullptr) return nullptr;
  touched_.insert(peer->handle);
  return peers_.at(peer->handle).get();
}

Peer* PeerTable::next_touched() {
  if (touched_.empty()) return nullptr;
  const PeerHandle handle = *touched_.begin();
  touched_.erase(touched_.begin());
  ++looks_;
  return peers_.at(handle).get();
}

void PeerTable::set_deadline(const Peer& peer, Instant at) {
  const auto known = deadlines_.find(peer.handle);
  if (known != deadlines_.end()) {
    if (known->second == at) return;
    due_.erase({known->second, peer.handle});
    deadlines_.erase(known);
  }
  if (at == Instant::max()) return;
  due_.emplace(at, peer.handle);
  deadlines_.emplace(peer.handle, at);
}

std::vector<PeerHandle> PeerTable::take_due(Instant now) {
  std::vector<PeerHandle> out;
  while (!due_.empty() && due_.begin()->first <= now) {
    const PeerHandle handle = due_.begin()->second;
    due_.erase(due_.begin());
    deadlines_.erase(handle);
    touched_.insert(handle);
    out.push_back(handle);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace ipop::engine
