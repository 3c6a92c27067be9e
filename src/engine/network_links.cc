// Links to the other members: making and dropping them, handshake inputs, and carrying out what
// links ask for.

#include <algorithm>
#include <utility>

#include "engine/door.h"
#include "engine/network.h"
#include "engine/overload.h"

namespace ipop::engine {
namespace {

/// How long a member is called by its addresses alone; a packet that waits may wait less. A direct
/// handshake over half the world takes 300 ms.
constexpr Duration kRelayAfterPacket = std::chrono::milliseconds(400);

/// Below the time after which nat::Classifier forgets.
constexpr Duration kObservedAgain = std::chrono::minutes(4);
static_assert(kObservedAgain * 2 < nat::Classifier::kExpiry);
/// Between two announcements of our addresses to all who are connected: one who tells us another
/// address each second must not make us repeat it to everybody.
constexpr Duration kTellGap = std::chrono::seconds(5);

/// Of PEERS frames from one member: a few at once, as its addresses come and go, then one in
/// kTellGap.
constexpr TokenBucket::Limit kPeersLimit{.per_second = 0.2, .burst = 6};

bool is_on_port(const Way& from) { return from.is_direct() && from.socket() == kMainSocket; }

/// mac1 of a handshake message addressed to us, under one epoch.
bool is_mac1_ours(const wire::Mac& mac, Bytes input, const session::EpochKeys& epoch,
                  const TunnelKey& key) {
  const auto mac_key =
      session::mac1_key(session::kNativeProfile.mac1_label, epoch.mac.reveal(), key);
  return crypto::equal_constant_time(crypto::blake2s_mac(mac_key.reveal(), {input}).view(),
                                     mac.view());
}

}  // namespace

bool Network::handle_initiation(const Now& now, const wire::Initiation& message, const Way& from) {
  const PeerHandle ingress = from.is_relay() ? from.hop() : PeerHandle{};
  const bool ours = take_initiation(now, message, from, ingress);
  if (ours) pump(now);
  return ours;
}

/// `ingress` is the member through which it came; nobody where it came directly.
bool Network::take_initiation(const Now& now, const wire::Initiation& message, const Way& from,
                              PeerHandle ingress) {
  if (!up_ || local_.epochs.empty() || state_ == State::Out) return false;
  const auto epoch =
      std::find_if(local_.epochs.begin(), local_.epochs.end(), [&](const session::EpochKeys& e) {
        return is_mac1_ours(message.mac1, message.mac1_input, e, local_.keys.public_key);
      });
  if (epoch == local_.epochs.end()) return false;
  auto admission = admit_initiation(*ctx_, now, session::kNativeProfile, local_.keys.public_key,
                                    message, from, ingress);
  if (admission.answer) answer_unknown(from, std::move(*admission.answer));
  if (!admission.enters) return true;
  auto received =
      session::consume_initiation(session::kNativeProfile, local_, message, epoch->epoch);
  if (!received) return true;
  const TunnelKey remote = received->noise.remote();
  // PROTOCOL 5, 10: a revoked key gets silence; under an older epoch everybody does who is not
  // already a member; a joiner hears only those that its invite names.
  const bool is_member = membership_.by_tunnel_key(remote) != nullptr;
  const bool known = peers_.look(remote) != nullptr;
  if (remote == local_.keys.public_key || membership_.is_revoked_tunnel_key(remote)) return true;
  if (from.kind() == Way::Kind::Routed && !is_member) return true;
  if (epoch != local_.epochs.begin() && !is_member) return true;
  if (state_ == State::Joining && !invite_hosts_.contains(remote)) return true;
  if (!is_member && !known && peers_.strangers() >= kUnprovenMax) return true;
  Peer& peer = peer_for(now, remote);
  const bool unasked = is_member && is_on_port(from) && !peer.link->has_way(from);
  if (peer.link->respond(now, std::move(*received), from) && unasked && peer.node) {
    ctx_->outer.handle_unasked(now.at, nat::witness_of(*peer.node), from.endpoint());
  }
  return true;
}

void Network::handle_response(const Now& now, PeerHandle handle, const wire::Response& message,
                              const Way& from) {
  if (from.is_direct() && devices_.handle_response(now, handle, message, from.endpoint())) {
    return pump(now);
  }
  Peer* peer = peers_.find(handle);
  if (peer == nullptr) return;
  static_cast<void>(peer->link->handle_response(now, message, from));
  pump(now);
}

void Network::handle_cookie_reply(const Now& now, PeerHandle handle,
                                  const wire::CookieReply& message) {
  if (devices_.handle_cookie_reply(now, handle, message)) return pump(now);
  Peer* peer = peers_.find(handle);
  if (peer == nullptr) return;
  static_cast<void>(peer->link->handle_cookie_reply(now, message));
  pump(now);
}

void Network::handle_received(const Now& now, PeerHandle handle, SessionIndex session,
                              const Way& from) {
  if (from.is_direct() && devices_.handle_received(now, handle, session, from.endpoint())) {
    return pump(now);
  }
  Peer* peer = peers_.find(handle);
  if (peer == nullptr) return;
  peer->link->handle_received(now, session, from);
  pump(now);
}

void Network::handle_ip_sent(const Now& now, PeerHandle handle, SessionIndex session) {
  if (devices_.handle_ip_sent(now, handle)) return pump(now);
  Peer* peer = peers_.find(handle);
  if (peer == nullptr) return;
  peer->link->handle_ip_sent(now, session);
  pump(now);
}

void Network::handle_limit(const Now& now, PeerHandle handle, SessionIndex session) {
  if (devices_.handle_limit(now, handle, session)) return pump(now);
  Peer* peer = peers_.find(handle);
  if (peer == nullptr) return;
  peer->link->handle_limit(now, session);
  pump(now);
}

void Network::handle_unrouted(const Now& now, PeerHandle handle, ByteVector packet) {
  if (devices_.owns(handle)) {
    devices_.handle_unrouted(now, handle, std::move(packet));
    return pump(now);
  }
  Peer* peer = peers_.find(handle);
  if (peer == nullptr || !peer->node) return;
  if (peer->queue.size() >= Peer::kQueuedPacketsMax) peer->queue.pop_front();
  peer->queue.push_back({now.at, std::move(packet)});
  if (peer->link->online()) {
    flush_queue(now, *peer);
  } else {
    want(now, *peer);
    seek_relay(*peer, now.at + kRelayAfterPacket);
  }
  pump(now);
}

void Network::handle_path_mtu(const Endpoint& to, std::uint16_t mtu) {
  // Outer IP and UDP headers, DATA header and tag.
  const std::uint16_t overhead = to.address.is_v6() ? 40 + 8 + 32 : 20 + 8 + 32;
  const std::uint16_t inner = mtu > overhead ? static_cast<std::uint16_t>(mtu - overhead) : 0;
  devices_.handle_path_mtu(to, std::min(inner, kInterfaceMtu));
  peers_.change_if([&](const Peer& peer) { return peer.link->endpoint() == to; },
                   [&](Peer& peer) { peer.path_mtu = inner; });
  const auto leads_there = [&](const Peer& peer) {
    const auto way = peer.link->way();
    const Peer* hop = way && way->is_relay() ? peers_.look(way->hop()) : nullptr;
    return (hop == nullptr ? peer : *hop).link->endpoint() == to;
  };
  peers_.change_if(leads_there, [&](Peer& peer) { refresh_mtu_bound(peer); });
}

/// What the kernel says of the first leg, less what a relay needs; the rest of the way is left to
/// the link's probes.
void Network::refresh_mtu_bound(Peer& peer) {
  const auto way = peer.link->way();
  std::uint16_t bound = peer.path_mtu;
  if (way && way->is_stream()) bound = kInterfaceMtu;  // TCP cuts as it likes
  if (way && way->is_relay()) {
    const Peer* hop = peers_.look(way->hop());
    const bool known = hop != nullptr && hop->path_mtu > wire::kRelayOverhead;
    bound =
        static_cast<std::uint16_t>((known ? hop->path_mtu : kInterfaceMtu) - wire::kRelayOverhead);
  }
  if (!peer.link->set_mtu_bound(bound)) return;
  ctx_->snapshot_stale = true;
  peers_.set_deadline(peer, Instant::min());  // the link has something to say
}

Peer& Network::peer_for(const Now& now, const TunnelKey& key) {
  if (Peer* known = peers_.find(key)) return *known;
  auto peer = std::make_unique<Peer>();
  peer->handle = PeerHandle{ctx_->next_peer++};
  peer->since = now.at;
  session::Session::Options options{&session::kNativeProfile, &local_,  key, peer->handle,
                                    &ctx_->indices,           ctx_->rng};
  peer->link = std::make_unique<Link>(options, *ctx_, kInterfaceMtu);
  if (const member::Member* m = membership_.by_tunnel_key(key)) peer->node = m->node;
  ctx_->snapshot_stale = true;
  return peers_.add(std::move(peer));
}

void Network::remove_peer(const Now& now, PeerHandle handle) {
  Peer* peer = peers_.find(handle);
  if (peer == nullptr) return;
  peer->link->reset(now);
  pump_link(now, *peer);
  end_spread(now, *peer);
  close_spare(now, *peer);
  const std::unique_ptr<Peer> gone = peers_.remove(handle);
  std::erase(trials_, handle);
  if (gone->node) {
    relays_.handle_down(now.at, *gone->node);
    if (ring_) ring_->handle_down(now.at, *gone->node);
    if (Peer* other = peers_.find(*gone->node)) {
      note_session(now, *other);
      note_ring_link(now, *other);
    }
  }
  ctx_->garbage.peers.push_back(std::move(gone->words));
  ctx_->snapshot_stale = true;
}

void Network::pump(const Now& now) {
  for (bool more = true; more;) {
    refresh_membership(now);
    if (is_admitted()) return;  // nothing goes out before a member's files are written
    const std::vector<PeerHandle> doomed = pump_peers(now);
    more = pump_ring(now);
    more |= pump_relays(now);
    for (const PeerHandle handle : doomed) remove_peer(now, handle);
    more |= !doomed.empty() || peers_.has_touched() || pace_.is_evaluation_due(now.at);
  }
  if (pace_.is_store_due(now.at) && !finished_) store_statements(now);
  if (devices_.take_moved() && devices_store_at_ == Instant::max() && !finished_) {
    devices_store_at_ = now.at + kPeersStoreDelay;
  }
}

/// Those that something happened to, until nothing happens to any of them; returns who is to be
/// removed.
std::vector<PeerHandle> Network::pump_peers(const Now& now) {
  std::set<PeerHandle> doomed;
  while (Peer* peer = peers_.next_touched()) {
    pump_link(now, *peer);
    peers_.set_deadline(*peer, deadline_of(*peer));
    if (peer->doomed) doomed.insert(peer->handle);
  }
  return {doomed.begin(), doomed.end()};
}

void Network::pump_link(const Now& now, Peer& peer) {
  for (bool more = true; more;) {
    auto output = peer.link->poll_output();
    std::visit(Overload{
                   [&](Link::Send& o) { transmit(peer, o.to, std::move(o.datagram)); },
                   [&](Link::PairUsable& o) {
                     PairProof proof;
                     proof.since = now.at;
                     proof.ours_anew = begins_anew(peer);
                     peer.proofs.insert_or_assign(o.local, proof);
                     send_proof(now, peer, o.local);
                   },
                   [&](Link::PairGone& o) { peer.proofs.erase(o.local); },
                   [&](Link::Candidates& o) { note_candidates(now, peer, o.endpoints); },
                   [&](Link::PingDue&) { send_ping(now, peer); },
                   [&](Link::WayLost& o) { note_way_lost(now, o.way); },
                   [&](Link::Changed&) {
                     ctx_->snapshot_stale = true;
                     note_online(now, peer);
                   },
                   [&](Link::MtuChanged&) { ctx_->snapshot_stale = true; },
                   [&](Link::MtuBoundDue&) { ask_path_mtu(peer); },
                   [&](Link::WaitUntil& o) {
                     peer.link_at = o.at;
                     more = false;
                   },
               },
               output);
  }
  for (auto& keypair : peer.link->take_garbage()) {
    ctx_->garbage.keypairs.push_back(std::move(keypair));
    ctx_->snapshot_stale = true;
  }
}

/// Reacts to a link that came or went, and to a path that moved.
void Network::note_online(const Now& now, Peer& peer) {
  const bool online = peer.link->online() && peer.proven;
  note_session(now, peer);
  note_ring_link(now, peer);
  refresh_mtu_bound(peer);
  note_spare(now, peer);
  if (online) {
    const bool fell_back = peer.was_direct && !peer.link->endpoint();
    note_direct(now, peer);
    if (!is_reached_by_udp(peer)) seek_stream(now, peer);
    // Where we are now was perhaps told on the very path that our new address made useless.
    if (fell_back) {
      send_own_candidates(peer);
      seek_hole(now, peer);
    }
    if (!peer.was_online) {
      peer.online_since = now.at;
      peer.called = false;
      peer.link->connect(now);  // both ends want it: either rekeys in time
      send_own_candidates(peer);
      seek_direct(now, peer);
      seek_hole(now, peer);
      log(LogLevel::Info, "connected to " + peer.link->way()->to_string());
    }
    if (is_reached(peer)) {
      peer.routed_until = Instant::max();
    } else if (peer.routed_until == Instant::max()) {
      peer.routed_until = now.at + Peer::kQueuedFor;
      peer.routed_left = Peer::kQueuedPacketsMax;
    }
    flush_queue(now, peer);
  } else if (peer.was_online) {
    if (!peer.doomed) ctx_->outer.suspect(now.at);
    peer.recheck_at = Instant::max();  // its next PING compares
    peer.rechecks = 0;
    rest_hole(now, peer);
    end_spread(now, peer);
    note_no_longer_direct(peer);
    peer.routed_until = Instant::max();
    if (peer.node && !peer.in_ring && peer.wanted_until == Instant::max()) rest(now, peer);
    log(LogLevel::Info, "lost a connection");
  }
  peer.was_online = online;
}

/// Of where what goes to it leaves this machine.
void Network::ask_path_mtu(const Peer& peer) {
  const auto way = peer.link->way();
  const Peer* next = way && way->is_relay() ? peers_.look(way->hop()) : &peer;
  if (next == nullptr) return;
  if (const auto to = next->link->endpoint()) ctx_->outputs.emplace_back(QueryPathMtu{*to});
}

/// A direct path is what is kept on disk, and of what the kernel knows an MTU.
void Network::note_direct(const Now& now, Peer& peer) {
  const auto endpoint = peer.link->endpoint();
  if (!endpoint) return note_no_longer_direct(peer);
  ask_path_mtu(peer);
  if (peer.node) {
    note_address(peer);
    if (peers_store_at_ == Instant::max()) { peers_store_at_ = now.at + kPeersStoreDelay; }
  }
  tell_observed(now, peer);
  rest_hole(now, peer);
  peer.was_direct = true;
}

/// It hears how we see it at once when that changes, and from time to time, as what it knows of its
/// NAT is forgotten where nobody repeats it.
void Network::tell_observed(const Now& now, Peer& peer) {
  const auto endpoint = peer.link->endpoint();
  if (!endpoint) return;
  const bool fresh = peer.told_observed_at + kObservedAgain > now.at;
  if (peer.was_direct && fresh && peer.told_observed == endpoint) return;
  peer.told_observed = endpoint;
  peer.told_observed_at = now.at;
  peer.link->send(wire::Observed{*endpoint});
}

/// Where it is now, first of what is known of it.
void Network::note_address(const Peer& peer) {
  const auto endpoint = peer.link->endpoint();
  if (!endpoint || !peer.node) return;
  std::vector<Endpoint> known{*endpoint};
  known.insert(known.end(), peer.candidates.begin(), peer.candidates.end());
  addresses_.note(*peer.node, known);
}

void Network::note_no_longer_direct(Peer& peer) {
  if (std::exchange(peer.was_direct, false)) peer.path_mtu = 0;
}

void Network::handle_observed(const Now& now, const Peer& peer, const Way& from,
                              const wire::Observed& observed) {
  // What is seen of a spare socket says nothing of the port that others call.
  if (!peer.node || !is_on_port(from) || !is_acceptable(observed.endpoint)) return;
  ctx_->outer.handle_observation(now.at, nat::witness_of(*peer.node), from.endpoint(),
                                 observed.endpoint);
}

void Network::handle_peers(const Now& now, Peer& peer, const wire::Peers& peers) {
  // Each address that is new is challenged, whosever it is.
  if (!peer.peers_budget.take(now.at, kPeersLimit)) return;
  for (const wire::PeerHint& hint : peers.peers) {
    if (peer.node == hint.node) note_candidates(now, peer, hint.candidates);
  }
  // It moved, perhaps, and forgot how it was seen before.
  peer.told_observed.reset();
  tell_observed(now, peer);
}

/// Where it says that it is. Both ends learn each other's at about the same time, and what they
/// send there at once opens their NATs for each other.
void Network::note_candidates(const Now& now, Peer& peer, const std::vector<Endpoint>& endpoints) {
  peer.candidates.clear();
  for (const Endpoint& e : endpoints) {
    if (is_acceptable(e)) peer.candidates.push_back(e);
  }
  if (peer.node) addresses_.note(*peer.node, peer.candidates);
  for (const Endpoint& e : peer.candidates) {
    if (peer.link->endpoint()) {
      peer.link->add_hint(e);
    } else {
      peer.link->add_way(now, e);
    }
  }
}

void Network::send_own_candidates(Peer& peer) {
  send_own_streams(peer);
  const member::Member* me = self();
  if (me == nullptr || local_.candidates.empty()) return;
  peer.link->send(wire::Peers{{{me->node, 0, local_.candidates}}});
}

void Network::handle_outer_addresses(const Now& now) {
  auto before = std::move(local_.candidates);
  refresh_local_side();
  if (local_.candidates == before) return;
  tell_at_ = std::min(tell_at_, std::max(now.at, told_at_ + kTellGap));
}

/// Whoever we are connected with through others may find us directly now.
void Network::tell_own_candidates(const Now& now) {
  tell_at_ = Instant::max();
  told_at_ = now.at;
  peers_.change_if([](const Peer& peer) { return peer.link->online(); },
                   [&](Peer& peer) { send_own_candidates(peer); });
}

void Network::flush_queue(const Now& now, Peer& peer) {
  dataplane::Keypair* keypair = peer.link->sending();
  const auto to = peer.link->way();
  if (keypair == nullptr || !to) return;
  const bool routed = to->kind() == Way::Kind::Routed;
  while (!peer.queue.empty()) {
    // The overlay carries the first packets, until there is a way; it is no way by itself.
    if (routed && (peer.routed_left == 0 || peer.routed_until <= now.at)) return;
    if (routed) --peer.routed_left;
    Peer::Queued queued = std::move(peer.queue.front());
    peer.queue.pop_front();
    if (queued.at + Peer::kQueuedFor <= now.at) continue;
    if (auto sealed = keypair->seal_control(queued.packet)) {
      transmit(peer, *to, std::move(*sealed));
    }
  }
}

/// Addresses that must not be called: our own overlay's (the tunnel would carry itself), and such
/// as no peer can have.
bool Network::is_acceptable(const Endpoint& endpoint) const {
  const IpAddress& a = endpoint.address;
  if (endpoint.port == 0 || a.is_unspecified() || a.is_multicast() || a.is_loopback()) return false;
  if (a.is_v6()) {
    const Ipv6 prefix = member::ipv6_prefix_of(set_->network());
    return !std::equal(prefix.bytes.begin(), prefix.bytes.begin() + 6, a.v6().bytes.begin());
  }
  const auto p = pool();
  return a.v4().value != 0xffffffffU && !(p && p->contains(a.v4()));
}

/// What we tell others about where we are: first where we are seen, then the interfaces' addresses,
/// then the rest of the first.
std::vector<Endpoint> Network::own_candidates() const {
  std::vector<Endpoint> out;
  const auto add = [&](const Endpoint& e) {
    if (out.size() < wire::kCandidatesMax && is_acceptable(e) && !e.address.is_link_local() &&
        std::find(out.begin(), out.end(), e) == out.end()) {
      out.push_back(e);
    }
  };
  const auto& outer = ctx_->outer.candidates();
  const std::size_t first = std::min<std::size_t>(outer.size(), wire::kCandidatesMax / 2);
  for (const Endpoint& e : std::span(outer).first(first)) add(e);
  for (const IpAddress& a : ctx_->local_addresses) add({a, ctx_->port});
  for (const Endpoint& e : std::span(outer).subspan(first)) add(e);
  return out;
}

}  // namespace ipop::engine
