#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "engine/peer.h"

namespace ipop::engine {

/// The peers of one network, by handle, tunnel key and member, and which of them are to be looked
/// at: those that somebody had in hand to change, and those whose time has come. So an event costs
/// by the peers that it concerns, not by how many there are.
///
/// find(), change_if() and add() hand out peers to be changed; each of these comes out of
/// next_touched() once more before the event is dealt with, and then its deadline is set anew.
/// look() and look_at_each() are for reading.
class PeerTable {
 public:
  /// Requires: no peer with its handle or its link's tunnel key.
  Peer& add(std::unique_ptr<Peer> peer);
  /// Null where there is none.
  std::unique_ptr<Peer> remove(PeerHandle handle);
  /// From now on this one stands for the member.
  void set_node(Peer& peer, const wire::NodeId& node);

  Peer* find(PeerHandle handle) { return touched(look(handle)); }
  Peer* find(const TunnelKey& key) { return touched(look(key)); }
  Peer* find(const wire::NodeId& node) { return touched(look(node)); }
  const Peer* look(PeerHandle handle) const;
  const Peer* look(const TunnelKey& key) const;
  const Peer* look(const wire::NodeId& node) const;

  template <class Predicate, class F>
  void change_if(const Predicate& wanted, const F& f) {
    for (auto& [handle, peer] : peers_) {
      if (!wanted(std::as_const(*peer))) continue;
      touched_.insert(handle);
      f(*peer);
    }
  }
  template <class F>
  void change_each(const F& f) {
    change_if([](const Peer&) { return true; }, f);
  }
  template <class F>
  void look_at_each(const F& f) const {
    for (const auto& [handle, peer] : peers_) f(std::as_const(*peer));
  }
  /// Who stands for which member.
  const std::map<wire::NodeId, PeerHandle>& by_node() const { return by_node_; }
  /// Peers that stand for nobody.
  std::size_t strangers() const;

  bool has_touched() const { return !touched_.empty(); }
  /// One that was in hand since it last came out here; null: there is none.
  Peer* next_touched();
  /// When it is to be looked at by itself; max(): not.
  void set_deadline(const Peer& peer, Instant at);
  /// Those whose time has come, to be changed; each has no deadline until one is set.
  std::vector<PeerHandle> take_due(Instant now);
  Instant deadline() const { return due_.empty() ? Instant::max() : due_.begin()->first; }
  /// How often a peer was looked at.
  std::uint64_t looks() const { return looks_; }

 private:
  Peer* touched(const Peer* peer);
  void drop_node(const Peer& peer);

  std::map<PeerHandle, std::unique_ptr<Peer>> peers_;
  std::unordered_map<TunnelKey, PeerHandle> by_tunnel_key_;
  std::map<wire::NodeId, PeerHandle> by_node_;
  std::set<PeerHandle> touched_;
  std::set<std::pair<Instant, PeerHandle>> due_;
  std::unordered_map<PeerHandle, Instant> deadlines_;  ///< what due_ has
  std::uint64_t looks_ = 0;
};

}  // namespace ipop::engine
