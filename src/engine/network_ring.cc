// The overlay (overlay/ring.h): with whom we keep a session, and what travels from member to member
// before there is a path.

#include <algorithm>
#include <utility>

#include "engine/network.h"
#include "engine/overload.h"

namespace ipop::engine {
namespace {

/// A member whom somebody here wants to talk to is called for so long; then the next packet calls.
constexpr Duration kDemandCall = std::chrono::seconds(8);
/// A session without a part in the ring is given up after this long without an IP packet.
constexpr Duration kIdleDirect = std::chrono::minutes(2);
constexpr Duration kIdleRelayed = std::chrono::minutes(5);
/// How long a member is called by its addresses alone. A direct handshake over half the world takes
/// 300 ms.
constexpr Duration kRelayAfter = std::chrono::seconds(2);

}  // namespace

/// From when on we are a member.
void Network::start_ring() {
  if (!ring_ && up_) ring_.emplace(*ctx_->rng, self()->node);
}

void Network::stop_ring(const Now& now) {
  if (!ring_) return;
  ring_->leave(now.at);
  pump_ring(now);
  ring_.reset();
  ring_deadline_ = Instant::max();
  remembered_ = {addresses_.all(), stream_addresses_.all()};
}

/// Whom there is to link, whenever the membership changed.
void Network::refresh_directory(const Now& now, std::vector<wire::NodeId> others) {
  addresses_.keep_only(others);
  stream_addresses_.keep_only(others);
  const StoredPeers remembered = std::exchange(remembered_, {});
  for (const wire::PeerHint& p : remembered.peers) addresses_.note(p.node, p.candidates);
  for (const wire::PeerHint& p : remembered.streams) stream_addresses_.note(p.node, p.candidates);
  // A host of our invite was reached before it was known to be a member.
  peers_.look_at_each([&](const Peer& peer) {
    note_address(peer);
    if (peer.node) stream_addresses_.note(*peer.node, peer.streams);
  });
  if (!ring_) return;
  directory_ = overlay::Directory(std::move(others));
  ring_->set_directory(now.at, directory_);
  peers_.change_each([&](Peer& peer) { note_ring_link(now, peer); });
}

bool Network::pump_ring(const Now& now) {
  if (!ring_) return false;
  for (auto& [node, datagram] : std::exchange(routed_out_, {})) {
    ring_->send_datagram(now.at, node, datagram);
  }
  bool worked = false;
  for (bool more = true; more;) {
    auto output = ring_->poll_output();
    std::visit(Overload{
                   [&](const overlay::Ring::Connect& o) { link_to(now, o.node); },
                   [&](const overlay::Ring::Release& o) { unlink(now, o.node); },
                   [&](overlay::Ring::Send& o) {
                     Peer* peer = peers_.find(o.to);
                     if (peer != nullptr && peer->proven && !peer->doomed) {
                       peer->link->send_plain(std::move(o.frame));
                     }
                   },
                   [&](overlay::Ring::Deliver& o) {
                     routed_in_.emplace_back(o.hop, std::move(o.datagram));
                   },
                   [](const overlay::Ring::Undeliverable&) {},
                   [&](const overlay::Ring::Suspect& o) {
                     if (Peer* peer = peers_.find(o.node)) peer->link->suspect(now);
                   },
                   [&](const overlay::Ring::WaitUntil& o) {
                     ring_deadline_ = o.at;
                     more = false;
                   },
               },
               output);
    worked |= more;
  }
  while (!routed_in_.empty()) {
    const auto [hop, datagram] = std::move(routed_in_.front());
    routed_in_.pop_front();
    take_routed(now, hop, datagram);
    worked = true;
  }
  return worked;
}

/// The ring wants a session with this member, by any means.
void Network::link_to(const Now& now, const wire::NodeId& node) {
  const member::Member* m = membership_.find(node);
  if (m == nullptr || !up_) return;
  Peer& peer = peer_for(now, m->tunnel_key);
  peer.in_ring = true;
  call(now, peer);
  note_ring_link(now, peer);
  const bool may_dial = ctx_->may_dial && !streams_of(peer).empty();
  const bool hopeless = !peer.link->online() && !peer.link->has_ways() && !may_dial;
  if (hopeless) ring_->handle_unreachable(now.at, node);
}

void Network::unlink(const Now& now, const wire::NodeId& node) {
  Peer* peer = peers_.find(node);
  if (peer == nullptr) return;
  peer->in_ring = false;
  if (!peer->link->online() && peer->wanted_until == Instant::max()) rest(now, *peer);
}

/// Somebody here wants to talk to this member.
void Network::want(const Now& now, Peer& peer) {
  if (peer.link->online() || peer.wanted_until != Instant::max()) return;
  peer.wanted_until = now.at + kDemandCall;
  call(now, peer);
}

/// At every address that is known of it, and through the overlay.
void Network::call(const Now& now, Peer& peer) {
  if (!peer.node || peer.link->online()) return;
  bool news = false;
  for (const Endpoint& e : addresses_.of(*peer.node)) {
    if (is_acceptable(e)) news |= peer.link->add_hint(e);
  }
  if (ring_ && !ring_->links().empty()) news |= peer.link->add_hint(Way::routed());
  if (std::exchange(peer.called, true) && news) {
    peer.link->handshake_now(now);  // not only at the next repetition
  } else {
    peer.link->connect(now);
  }
  seek_relay(peer, now.at + kRelayAfter);
  seek_stream(now, peer);
}

void Network::rest(const Now& now, Peer& peer) {
  peer.called = false;
  peer.link->stop_connecting(now);
  rest_relay(peer);
}

/// Others carry for us: every address that is known of it is tried, and by nat::PathSet again and
/// again.
void Network::seek_direct(const Now& now, Peer& peer) {
  if (!peer.node || peer.link->endpoint()) return;
  for (const Endpoint& e : addresses_.of(*peer.node)) {
    if (is_acceptable(e)) peer.link->add_way(now, e);
  }
}

/// A session that carries frames from us to the peer and back is a link of the ring. One that is
/// itself carried by the ring is none.
void Network::note_ring_link(const Now& now, Peer& peer) {
  if (!ring_ || !peer.node) return;
  const auto way = peer.link->way();
  const bool links =
      peer.link->online() && peer.proven && !peer.doomed && way && way->kind() != Way::Kind::Routed;
  if (links) {
    ring_->handle_up(now.at, *peer.node, {way->is_leg(), peer.link->rtt()});
  } else {
    ring_->handle_down(now.at, *peer.node);
  }
}

/// A call that nobody waits for any longer ends, and a session that neither the ring nor anybody
/// here has used for long.
void Network::let_go(const Now& now, Peer& peer) {
  if (peer.wanted_until <= now.at) {
    peer.wanted_until = Instant::max();
    if (!peer.in_ring && !peer.link->online()) rest(now, peer);
  }
  if (idle_deadline(peer) <= now.at) {
    peer.link->send(wire::Bye{wire::ByeReason::Idle});
    peer.link->reset(now);
    rest(now, peer);
  }
}

Instant Network::idle_deadline(const Peer& peer) const {
  if (!ring_ || peer.in_ring || !peer.was_online || !peer.node) return Instant::max();
  const Instant used = std::max(peer.online_since, peer.link->last_ip());
  return used + (peer.link->endpoint() ? kIdleDirect : kIdleRelayed);
}

/// What was routed to us: its source is whoever the sender claims to be, so nothing but its content
/// counts.
void Network::take_routed(const Now& now, const wire::NodeId& hop, Bytes datagram) {
  if (wire::is_data(datagram)) {
    ctx_->outputs.emplace_back(TakeIn{Way::routed(), to_vector(datagram)});
    return;
  }
  if (const auto m = wire::parse_initiation(wire::kNativeShape, datagram)) {
    const Peer* ingress = peers_.look(hop);
    if (ingress == nullptr) return;
    static_cast<void>(take_initiation(now, *m, Way::routed(), ingress->handle));
  } else if (const auto r = wire::parse_response(wire::kNativeShape, datagram)) {
    if (Peer* peer = peer_of(r->receiver)) {
      static_cast<void>(peer->link->handle_response(now, *r, Way::routed()));
    }
  } else if (const auto c = wire::parse_cookie_reply(wire::kNativeShape, datagram)) {
    if (Peer* peer = peer_of(c->receiver)) {
      static_cast<void>(peer->link->handle_cookie_reply(now, *c));
    }
  }
}

Peer* Network::peer_of(SessionIndex session) {
  const auto handle = ctx_->indices.find(session);
  return handle ? peers_.find(*handle) : nullptr;
}

/// Through the overlay, to the peer's node id.
void Network::send_routed(Peer& peer, ByteVector datagram) {
  if (ring_ && peer.node) routed_out_.emplace_back(*peer.node, std::move(datagram));
}

}  // namespace ipop::engine
