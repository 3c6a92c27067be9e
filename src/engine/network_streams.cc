// Members that are reached by TLS over TCP while UDP fails (docs/decisions/025): when a connection
// is wanted, what becomes of the links that use it, and where we take connections ourselves.

#include <algorithm>

#include "engine/network.h"
#include "nat/public_address.h"

namespace ipop::engine {
namespace {

/// A member that is not reached by UDP, its own or a relay's, is dialled after this long: five
/// initiations went to each address (PROTOCOL 13), and whoever could relay was asked a second ago.
constexpr Duration kStreamAfter = std::chrono::seconds(3);
/// While UDP does not do, the dialler is told again and again.
constexpr Duration kStreamAgain = std::chrono::seconds(5);
static_assert(kStreamAgain < nat::StreamDialer::kWantedFor);
static_assert(2 * kStreamAgain < nat::StreamDialer::kGreet);

/// Of STREAMS frames that name other addresses than before, from one member: a few, as its
/// interfaces come up, then one in two minutes. Each new address is dialled and goes to the disk.
constexpr TokenBucket::Limit kStreamsLimit{.per_second = 1.0 / 120, .burst = 3};

}  // namespace

/// A relay counts where our own leg to it is UDP.
bool Network::is_reached_by_udp(const Peer& peer) const {
  const auto way = peer.link->way();
  if (!peer.link->online() || !way) return false;
  if (way->is_direct()) return true;
  const Peer* hop = way->is_relay() ? peers_.look(way->hop()) : nullptr;
  return hop != nullptr && hop->link->endpoint().has_value();
}

/// Looks soon whether it is reached by UDP.
void Network::seek_stream(const Now& now, Peer& peer) {
  peer.stream_at = std::min(peer.stream_at, now.at + kStreamAfter);
}

void Network::stream_timeout(const Now& now, Peer& peer) {
  if (peer.stream_at > now.at) return;
  peer.stream_at = Instant::max();
  const bool is_wanted =
      peer.called || peer.link->online() || (state_ == State::Joining && up_ && !finished_);
  if (!ctx_->may_dial || !is_wanted || peer.doomed || is_reached_by_udp(peer)) return;
  peer.stream_at = now.at + kStreamAgain;
  if (const auto way = peer.link->way(); way && way->is_stream()) {
    ctx_->dialer.handle_proven(way->endpoint());
    if (!ctx_->dialer.is_up(way->endpoint())) return;  // the peer's connection leads there
  }
  const std::vector<Endpoint> known = streams_of(peer);
  ctx_->dialer.want(now.at, known);
  for (const Endpoint& e : known) {
    if (ctx_->dialer.is_up(e)) take_stream(now, peer, e);
  }
}

/// They may be known from the peer itself, from before, or from an invite. First the one that leads
/// there, listed or not, then those that anybody can reach.
std::vector<Endpoint> Network::streams_of(const Peer& peer) const {
  std::vector<Endpoint> out;
  const std::vector<Endpoint> own = own_streams();
  const auto add = [&](const Endpoint& e) {
    const bool is_here = std::ranges::count(ctx_->local_addresses, e.address) != 0 ||
                         std::ranges::count(own, e) != 0;
    if (is_acceptable(e) && !is_here && std::ranges::count(out, e) == 0) out.push_back(e);
  };
  if (const auto way = peer.link->way(); way && way->is_stream()) {
    if (ctx_->dialer.is_up(way->endpoint())) add(way->endpoint());
  }
  const auto remembered =
      peer.node ? stream_addresses_.of(*peer.node) : std::span<const Endpoint>();
  for (const bool is_public : {true, false}) {
    const auto add_all = [&](std::span<const Endpoint> some) {
      for (const Endpoint& e : some) {
        if (nat::is_public(e.address) == is_public) add(e);
      }
    };
    add_all(peer.streams);
    add_all(remembered);
  }
  out.resize(std::min(out.size(), wire::kStreamsMax));
  return out;
}

/// The connection is there: one more way to the peer, which it proves like any other.
void Network::take_stream(const Now& now, Peer& peer, const Endpoint& to) {
  const Way way = Way::stream(to);
  if (peer.link->has_way(way)) return;
  peer.link->add_way(now, way);
  if (!peer.link->online()) peer.link->handshake_now(now);
}

void Network::handle_stream_up(const Now& now, const Endpoint& to) {
  const auto leads_there = [&](const Peer& peer) {
    return !peer.doomed && !is_reached_by_udp(peer) &&
           std::ranges::count(streams_of(peer), to) != 0;
  };
  peers_.change_if(leads_there, [&](Peer& peer) { take_stream(now, peer, to); });
  pump(now);
}

void Network::handle_stream_down(const Now& now, const Endpoint& remote) {
  const Way way = Way::stream(remote);
  const auto is_concerned = [&](const Peer& peer) {
    return peer.link->has_way(way) ||
           (peer.stream_at != Instant::max() && std::ranges::count(streams_of(peer), remote) != 0);
  };
  peers_.change_if(is_concerned, [&](Peer& peer) {
    if (peer.link->has_way(way)) peer.link->remove_way(now, way);
    // Another address has its turn.
    if (peer.stream_at != Instant::max()) peer.stream_at = now.at;
  });
  pump(now);
}

void Network::handle_streams(const Now& now, Peer& peer, const wire::Streams& streams) {
  std::vector<Endpoint> said;
  for (const Endpoint& e : streams.endpoints) {
    if (is_acceptable(e) && !e.address.is_link_local()) said.push_back(e);
  }
  const bool is_news = said != peer.streams ||
                       (peer.node && !std::ranges::equal(said, stream_addresses_.of(*peer.node)));
  if (!is_news || !peer.streams_budget.take(now.at, kStreamsLimit)) return;
  peer.streams = std::move(said);
  if (peer.node && stream_addresses_.replace(*peer.node, peer.streams) &&
      peers_store_at_ == Instant::max()) {
    peers_store_at_ = now.at + kPeersStoreDelay;
  }
}

/// Also that there are none: there may have been before.
void Network::send_own_streams(Peer& peer) const { peer.link->send(wire::Streams{own_streams()}); }

/// Where others may dial us: the addresses that are known of this machine, with the port that we
/// take connections at; those that a stranger reaches first. None where we take none.
std::vector<Endpoint> Network::own_streams() const {
  std::vector<Endpoint> out;
  if (ctx_->stream_port == 0) return out;
  for (const bool is_public : {true, false}) {
    const auto add = [&](const IpAddress& a) {
      const Endpoint e{a, ctx_->stream_port};
      if (nat::is_public(a) == is_public && out.size() < wire::kStreamsMax && is_acceptable(e) &&
          !a.is_link_local() && std::ranges::find(out, e) == out.end()) {
        out.push_back(e);
      }
    };
    for (const Endpoint& e : ctx_->outer.candidates()) add(e.address);
    for (const IpAddress& a : ctx_->local_addresses) add(a);
  }
  return out;
}

}  // namespace ipop::engine
