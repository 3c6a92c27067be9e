// The other half of a search for a random port: a peer is called from many sockets of ours, so that
// there are many ports to be found, and is reached by the one that it found.

#include <algorithm>

#include "engine/network.h"
#include "engine/overload.h"
#include "nat/public_address.h"

namespace ipop::engine {
namespace {

static_assert(wire::kSpreadMax == nat::Spread::kSocketsMax);

/// How soon to look again whether the calls for another peer are over.
constexpr Duration kTurnPoll = std::chrono::milliseconds(500);
/// A path that was lost may be back in a moment, and its mapping lives on.
constexpr Duration kSpareLinger = std::chrono::seconds(10);

}  // namespace

void Network::handle_spread(const Now& now, Peer& peer, const wire::Spread& frame) {
  if (peer.link->endpoint() || !peer.node) return;
  const auto mapping = ctx_->outer.report(now.at).v4.mapping;
  const bool is_of_use = mapping == nat::MappingKind::AddressDependent ||
                         mapping == nat::MappingKind::AddressAndPortDependent;
  const bool may_be_called =
      !frame.to.address.is_v6() && nat::is_public(frame.to.address) && is_acceptable(frame.to);
  if (!ctx_->search_ports || !is_of_use || !may_be_called) {
    return peer.link->send(wire::Spreading{0});
  }
  if (peer.spread && peer.spread->running()) return;
  peer.spread_asked = frame;
  begin_spread(now, peer);
}

/// In its turn: one at a time for all peers, as each call is a mapping in our own router.
void Network::begin_spread(const Now& now, Peer& peer) {
  if (now.at < ctx_->spread_after) {
    peer.spread_at = std::min(ctx_->spread_after, now.at + kTurnPoll);
    return;
  }
  const wire::Spread asked = *peer.spread_asked;
  peer.spread_asked.reset();
  if (!peer.spread) peer.spread.emplace();
  const std::size_t count = peer.spread->grants(now.at, asked.sockets);
  if (count == 0) return peer.link->send(wire::Spreading{0});
  peer.spread->start(now.at, asked.to, ctx_->spares.draw(count), count);
  ctx_->spread_after = now.at + peer.spread->lasts();
  log(LogLevel::Debug,
      "calling " + asked.to.to_string() + " from " + std::to_string(count) + " sockets");
  pump_spread(now, peer);
}

/// The peer is gone, or does without.
void Network::end_spread(const Now& now, Peer& peer) {
  peer.spread_asked.reset();
  if (!peer.spread || !peer.spread->running()) return;
  peer.spread->stop();
  pump_spread(now, peer);
}

void Network::pump_spread(const Now& now, Peer& peer) {
  bool has_ended = false;
  for (bool more = true; more;) {
    std::visit(Overload{
                   [&](const nat::Spread::Open& o) { ctx_->spares.open(o.socket); },
                   [&](const nat::Spread::Call& o) { peer.link->probe(Way(o.to, o.socket)); },
                   [&](const nat::Spread::Called& o) {
                     peer.link->send(wire::Spreading{static_cast<std::uint16_t>(o.sockets)});
                   },
                   [&](const nat::Spread::Close& o) {
                     close_socket(now, peer, o.socket);
                     has_ended = true;
                   },
                   [&](const nat::Spread::WaitUntil& o) {
                     peer.spread_at = o.at;
                     more = false;
                   },
               },
               peer.spread->poll_output());
  }
  // Whoever waits has its turn when these are closed.
  if (has_ended) ctx_->spread_after = now.at + nat::Spread::kInterval;
}

/// The path may be by another socket of ours now.
void Network::note_spare(const Now& now, Peer& peer) {
  const auto way = peer.link->way();
  const SocketId socket = way && way->is_direct() ? way->socket() : kMainSocket;
  if (socket == kMainSocket) {
    if (peer.spare && peer.spare_at == Instant::max()) peer.spare_at = now.at + kSpareLinger;
    return;
  }
  ctx_->spares.adopt(socket);
  peer.spare_at = Instant::max();
  if (peer.spare == socket) return;
  // One of these calls is closed with the others, an older one now.
  const bool is_running = peer.spread && peer.spread->running();
  if (peer.spare && !(is_running && peer.spread->owns(*peer.spare))) close_spare(now, peer);
  peer.spare = socket;
  if (!is_running) return;
  peer.spread->use(now.at, socket);
  const Instant settled = now.at + nat::Spread::kSettle + nat::Spread::kInterval;
  ctx_->spread_after = std::max(ctx_->spread_after, settled);
  pump_spread(now, peer);
}

void Network::close_spare(const Now& now, Peer& peer) {
  if (peer.spare) close_socket(now, peer, *peer.spare);
  peer.spare.reset();
  peer.spare_at = Instant::max();
}

void Network::close_socket(const Now& now, Peer& peer, SocketId socket) {
  for (const Way& way : peer.link->ways()) {
    if (way.is_direct() && way.socket() == socket) peer.link->remove_way(now, way);
  }
  if (ctx_->spares.close(socket)) ctx_->snapshot_stale = true;
}

void Network::spread_timeouts(const Now& now, Peer& peer) {
  if (peer.spare_at <= now.at) close_spare(now, peer);
  if (peer.spread_at > now.at) return;
  peer.spread_at = Instant::max();
  if (peer.spread_asked) return begin_spread(now, peer);
  if (!peer.spread) return;
  peer.spread->handle_timeout(now.at);
  pump_spread(now, peer);
}

}  // namespace ipop::engine
