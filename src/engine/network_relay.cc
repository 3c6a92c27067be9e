// Ways that lead through other members: seeking them, sending on them, and carrying for others.

#include <algorithm>
#include <set>
#include <utility>

#include "engine/network.h"
#include "engine/overload.h"

namespace ipop::engine {
namespace {

/// Between two looks at whether what was opened led anywhere, while the peer is not reached.
constexpr Duration kRelayAgain = std::chrono::seconds(2);

constexpr Duration kRelayAfterRouted = std::chrono::milliseconds(500);

/// Addresses of local networks (RFC 1918, 3927, 4193, 4291): what travels between two of them costs
/// nobody's line.
bool is_local_network(const IpAddress& a) {
  if (a.is_link_local() || a.is_loopback()) return true;
  if (a.is_v6()) return (std::to_integer<unsigned>(a.v6().bytes[0]) & 0xfeU) == 0xfcU;
  const std::uint32_t v = a.v4().value;
  return v >> 24U == 10 || v >> 20U == 0xac1 || v >> 16U == 0xc0a8;
}

/// Index among the network's routes, which begin at `first`.
std::optional<std::uint32_t> route_of(const dataplane::Snapshot& snapshot, std::size_t first,
                                      PeerHandle peer) {
  for (std::size_t i = first; i < snapshot.peers.size(); ++i) {
    if (snapshot.peers[i].peer == peer) return static_cast<std::uint32_t>(i);
  }
  return std::nullopt;
}

std::pair<wire::NodeId, wire::NodeId> pair_of(const overlay::Relays::Circuit& circuit) {
  return std::minmax(circuit.asker.node, circuit.far.node);
}

}  // namespace

bool Network::pump_relays(const Now& now) {
  bool worked = false;
  for (bool more = true; more;) {
    auto output = relays_.poll_output();
    std::visit(Overload{
                   [&](const overlay::Relays::Up& o) { note_relay_up(now, o); },
                   [&](const overlay::Relays::Down& o) { note_relay_down(now, o.incoming); },
                   [&](const overlay::Relays::Send& o) {
                     Peer* peer = peers_.find(o.to);
                     if (peer == nullptr || !peer->proven || peer->doomed) return;
                     std::visit([&](const auto& frame) { peer->link->send(frame); }, o.frame);
                   },
                   [&](const overlay::Relays::CircuitsChanged&) { keep_circuit_words(); },
                   [&](const overlay::Relays::WaitUntil& o) {
                     relays_deadline_ = o.at;
                     more = false;
                   },
               },
               output);
    worked |= more;
  }
  return worked;
}

void Network::note_relay_up(const Now& now, const overlay::Relays::Up& up) {
  Peer* far = peers_.find(up.far);
  const Peer* hop = peers_.look(up.hop);
  if (far == nullptr || hop == nullptr) return;
  const Way way = Way::relay(hop->handle, up.outgoing);
  relayed_[up.incoming] = {up.far, way};
  ctx_->snapshot_stale = true;
  far->link->add_way(now, way);
  if (far->link->online()) return;  // the way is proven by a challenge
  far->link->handshake_now(now);
}

void Network::note_relay_down(const Now& now, RelayLabel incoming) {
  const auto it = relayed_.find(incoming);
  if (it == relayed_.end()) return;
  const RelayedWay gone = it->second;
  relayed_.erase(it);
  ctx_->snapshot_stale = true;
  if (Peer* far = peers_.find(gone.far)) far->link->remove_way(now, gone.way);
}

void Network::note_way_lost(const Now& now, const Way& way) {
  if (const Peer* hop = peers_.look(way.hop()); hop != nullptr && hop->node) {
    relays_.handle_lost(now.at, *hop->node, way.label());
  }
}

/// Every circuit that is up has its words, and every pair its allowance, made once: neither a
/// rebuilt snapshot nor a second circuit fills it.
void Network::keep_circuit_words() {
  ctx_->snapshot_stale = true;
  std::set<NodePair> pairs;
  for (const auto& [id, circuit] : relays_.circuits()) {
    if (!circuit.up) continue;
    pairs.insert(pair_of(circuit));
    auto& words = circuit_words_[id];
    if (words == nullptr) words = std::make_unique<dataplane::CircuitWords>();
    auto& allowance = allowance_words_[pair_of(circuit)];
    if (allowance == nullptr) allowance = std::make_unique<dataplane::AllowanceWords>();
  }
  for (auto it = circuit_words_.begin(); it != circuit_words_.end();) {
    const bool stays = relays_.circuits().contains(it->first);
    if (!stays) ctx_->garbage.circuits.push_back(std::move(it->second));
    it = stays ? std::next(it) : circuit_words_.erase(it);
  }
  for (auto it = allowance_words_.begin(); it != allowance_words_.end();) {
    const bool stays = pairs.contains(it->first);
    if (!stays) ctx_->garbage.allowances.push_back(std::move(it->second));
    it = stays ? std::next(it) : allowance_words_.erase(it);
  }
}

/// What a session is good for changed: it came, went, or moved between direct and relayed.
void Network::note_session(const Now& now, Peer& peer) {
  if (!peer.node) return;
  const bool online = peer.link->online() && peer.proven && !peer.doomed;
  const bool direct = online && peer.link->way()->is_leg();
  const bool reached = online && is_reached(peer);
  if (reached) {
    relays_.handle_up(now.at, *peer.node, direct);
  } else {
    relays_.handle_down(now.at, *peer.node);
  }
  if (direct) rest_relay(peer);
  if (reached) {
    peer.relay_at = Instant::max();
  } else if (online) {
    // What the overlay carries should go a shorter way, unless a direct one is just being found.
    seek_relay(peer, now.at + kRelayAfterRouted);
  }
}

/// By a way that workers can take, and the ring's links with it.
bool Network::is_reached(const Peer& peer) {
  const auto way = peer.link->way();
  return peer.link->online() && way && way->kind() != Way::Kind::Routed;
}

/// Members that list it among their links, those that we reach fastest first: a direct link of
/// theirs before one of which we know only that it exists. Where a session shows that it lives,
/// also those that do not: we cross it out of everybody's list when our own link to it ends.
std::vector<wire::NodeId> Network::relay_candidates(const Peer& peer) const {
  if (!ring_) return {};
  const wire::NodeId& far = *peer.node;
  enum class Lists : std::uint8_t { Direct, Relayed, No };
  std::vector<std::tuple<Lists, Duration, wire::NodeId>> ranked;
  for (const overlay::Link& link : ring_->links()) {
    if (!link.direct || link.node == far) continue;
    const auto listed =
        std::find_if(link.neighbours.begin(), link.neighbours.end(),
                     [&](const wire::Neighbour& n) { return n.id == wire::ring_id(far); });
    if (listed != link.neighbours.end()) {
      ranked.emplace_back(listed->relayed ? Lists::Relayed : Lists::Direct,
                          link.rtt + listed->rtt_4ms * std::chrono::milliseconds(4), link.node);
    } else if (peer.link->online()) {
      ranked.emplace_back(Lists::No, link.rtt, link.node);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<wire::NodeId> out;
  for (const auto& [lists, rtt, node] : ranked) out.push_back(node);
  return out;
}

/// If the peer is not reached until then, members are asked to relay.
void Network::seek_relay(Peer& peer, Instant at) {
  if (!is_reached(peer)) peer.relay_at = std::min(peer.relay_at, at);
}

/// It is reached directly, or not called any more.
void Network::rest_relay(Peer& peer) {
  peer.relay_at = Instant::max();
  if (std::exchange(peer.relay_wanted, false)) relays_.unwant(*peer.node);
}

void Network::relay_timeouts(const Now& now) {
  for (const auto& [id, words] : circuit_words_) {
    const auto ns = words->last_used.load(std::memory_order_relaxed);
    if (ns != INT64_MIN) relays_.note_used(id, Instant(Duration(ns)));
  }
  relays_.handle_timeout(now.at);
}

void Network::seek_relay_again(const Now& now, Peer& peer) {
  if (peer.relay_at > now.at) return;
  peer.relay_at = Instant::max();
  if (!peer.node || peer.doomed || is_reached(peer) || state_ != State::Member) return;
  if (peer.relay_wanted) relays_.handle_unreachable(now.at, *peer.node);
  peer.relay_wanted = true;
  relays_.want(now.at, *peer.node, relay_candidates(peer));
  peer.relay_at = now.at + kRelayAgain;
}

/// The path, where no other member is on it.
std::optional<Way> Network::leg_of(const Peer& peer) {
  const auto way = peer.link->way();
  return way && way->is_leg() ? way : std::nullopt;
}

/// The name of the member through which the peer is reached; nullopt where it is directly.
std::optional<std::string> Network::relay_of(const Peer& peer) const {
  const auto way = peer.link->way();
  if (!way || !way->is_relay()) return std::nullopt;
  return name_of(way->hop());
}

/// Empty where it is no member's.
std::string Network::name_of(PeerHandle peer) const {
  const Peer* known = peers_.look(peer);
  if (known == nullptr || !known->node) return {};
  const member::Member* member = membership_.find(*known->node);
  return member == nullptr ? std::string() : member->name;
}

void Network::add_relays_to_snapshot(dataplane::Snapshot& snapshot, std::size_t first) const {
  for (std::size_t i = first; i < snapshot.peers.size(); ++i) {
    dataplane::PeerRoute& route = snapshot.peers[i];
    if (!route.way || !route.way->is_relay()) continue;
    const auto hop = route_of(snapshot, first, route.way->hop());
    if (!hop) {
      route.way.reset();
      continue;
    }
    route.hop = *hop;
  }
  for (const auto& [incoming, relayed] : relayed_) {
    snapshot.labels[incoming] = {relayed.way.hop(), dataplane::LabelEnd{relayed.way}};
  }
  for (const auto& [id, circuit] : relays_.circuits()) {
    if (circuit.up) add_circuit(snapshot, first, id, circuit);
  }
}

/// Both directions of what we carry, where both legs are there.
void Network::add_circuit(dataplane::Snapshot& snapshot, std::size_t first, std::uint64_t id,
                          const overlay::Relays::Circuit& circuit) const {
  const auto words = circuit_words_.find(id);
  const auto allowance = allowance_words_.find(pair_of(circuit));
  const Peer* asker = peers_.look(circuit.asker.node);
  const Peer* far = peers_.look(circuit.far.node);
  if (words == circuit_words_.end() || allowance == allowance_words_.end() || asker == nullptr ||
      far == nullptr) {
    return;
  }
  const auto to_asker = route_of(snapshot, first, asker->handle);
  const auto to_far = route_of(snapshot, first, far->handle);
  if (!to_asker || !to_far) return;
  const auto is_local = [&](std::uint32_t index) {
    const auto& way = snapshot.peers[index].way;
    return way && way->is_direct() && is_local_network(way->endpoint().address);
  };
  const auto limit = is_local(*to_asker) && is_local(*to_far) ? 0 : ctx_->relay_limit;
  const auto forward = [&](std::uint32_t peer, RelayLabel label) {
    return dataplane::LabelForward{peer, label, words->second.get(), allowance->second.get(),
                                   limit};
  };
  snapshot.labels[circuit.asker.incoming] = {asker->handle, forward(*to_far, circuit.far.outgoing)};
  snapshot.labels[circuit.far.incoming] = {far->handle, forward(*to_asker, circuit.asker.outgoing)};
}

/// Any datagram of ours for the peer, whoever sealed it.
void Network::transmit(Peer& peer, const Way& way, ByteVector datagram) {
  switch (way.kind()) {
    case Way::Kind::Direct:
      if (!exams_.empty()) note_called(peer, way.endpoint());
      [[fallthrough]];
    case Way::Kind::Stream:
      ctx_->outputs.emplace_back(Transmit{way, std::move(datagram)});
      return;
    case Way::Kind::Relay:
      return send_through(way, datagram);
    case Way::Kind::Routed:
      return send_routed(peer, std::move(datagram));
  }
}

/// Back to somebody who is not known yet (a cookie reply). What came routed gets none: its source
/// is not authenticated, and the limits of the door hold it off.
void Network::answer_unknown(const Way& from, ByteVector datagram) {
  if (from.is_leg()) {
    ctx_->outputs.emplace_back(Transmit{from, std::move(datagram)});
  } else if (from.is_relay()) {
    send_through(from, datagram);
  }
}

/// Sealed once more for the hop (docs/protocol.md, "relay"). Nothing happens while the hop itself
/// is not reached directly: one hop only.
void Network::send_through(const Way& relay, Bytes datagram) {
  Peer* hop = peers_.find(relay.hop());
  if (hop == nullptr || !hop->proven) return;
  const auto to = hop->link->way();
  dataplane::Keypair* keypair = hop->link->sending();
  if (!to || !to->is_leg() || keypair == nullptr) return;
  const ByteVector plain = wire::relayed_payload(relay.label(), datagram);
  if (auto sealed = keypair->seal_control(plain)) {
    ctx_->outputs.emplace_back(Transmit{*to, std::move(*sealed)});
  }
}

}  // namespace ipop::engine
