// Ways through NATs whose mapping depends on whom one calls: what our NAT does with ports is told,
// and the port of a peer's flow towards us is looked for. Endpoint-independent ones need none of
// it: there both ends challenge each other's addresses (nat::PathSet).

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/network.h"
#include "nat/public_address.h"

namespace ipop::engine {
namespace {

/// Time for the other members to say how they see us, and for the usual way to work.
constexpr Duration kFirstPorts = std::chrono::milliseconds(500);
/// What we know of our NAT may come later, and a search that failed may succeed another time; but
/// its budget is small.
constexpr Duration kPortsPauseMin = std::chrono::seconds(5);
constexpr Duration kPortsPauseMax = std::chrono::minutes(30);

/// For the answer to SPREAD, through a relay, and half a second that the calls take.
constexpr Duration kSpreadAnswer = std::chrono::seconds(2);
/// Later a search would outlive what it looks for.
constexpr Duration kSpreadFresh = std::chrono::seconds(7);

/// A provider's block is also a quota: of few ports few are asked for. Of the 64 000 the most.
std::uint16_t sockets_for(std::size_t span) {
  constexpr std::size_t kPortsEach = 16;
  constexpr std::size_t kFewest = 16;
  return static_cast<std::uint16_t>(
      std::clamp(span / kPortsEach, kFewest, nat::Spread::kSocketsMax));
}

bool is_dependent(const nat::Classifier::Conclusion& conclusion) {
  return conclusion.mapping == nat::MappingKind::AddressDependent ||
         conclusion.mapping == nat::MappingKind::AddressAndPortDependent;
}

}  // namespace

/// The peer is connected, but not directly.
void Network::seek_hole(const Now& now, Peer& peer) {
  if (peer.link->endpoint() || !peer.node) return;
  peer.ports_pause = kPortsPauseMin;
  peer.ports_at = now.at + kFirstPorts;
}

void Network::rest_hole(const Now& now, Peer& peer) {
  peer.ports_at = Instant::max();
  peer.search_at = Instant::max();
  peer.sought.reset();
  peer.spread_asked.reset();
  if (!peer.search || !peer.search->running()) return;
  peer.search->stop();
  ctx_->search_after = now.at;  // whoever waits has its turn
}

void Network::tell_ports(const Now& now, Peer& peer) {
  if (!peer.link->online() || peer.link->endpoint()) return rest_hole(now, peer);
  peer.ports_at = now.at + peer.ports_pause;
  peer.ports_pause = std::min(2 * peer.ports_pause, kPortsPauseMax);
  // Of IPv6 nobody knows a NAT that does this.
  const auto report = ctx_->outer.report(now.at);
  if (!is_dependent(report.v4) || !report.v4.span) return;
  const auto newest =
      std::ranges::find_if(report.seen, [](const Endpoint& e) { return !e.address.is_v6(); });
  if (newest == report.seen.end()) return;
  wire::Ports ports{
      .newest = *newest, .lowest = report.v4.span->lowest, .highest = report.v4.span->highest};
  if (report.v4.step) {
    ports.newest.port = report.v4.step->newest;
    ports.step = static_cast<std::int16_t>(report.v4.step->step);
  }
  // The flow towards it must be open, and be it a new one, while the peer looks for it.
  seek_direct(now, peer);
  peer.link->send(ports);
}

void Network::handle_ports(const Now& now, Peer& peer, const wire::Ports& ports) {
  if (!ctx_->search_ports || peer.link->endpoint() || !peer.node) return;
  // Nobody's NAT has a private outer address that we could reach; our own router has one.
  if (ports.newest.address.is_v6() || !is_acceptable(ports.newest)) return;
  if (!nat::is_public(ports.newest.address)) return;
  // With a port of our own that the peer cannot know its filter would keep us out.
  if (is_dependent(ctx_->outer.report(now.at).v4)) return;
  if (!peer.search) peer.search.emplace(*ctx_->rng);
  if (peer.search->running() || !peer.search->may_start(now.at)) return;
  peer.sought = Peer::Sought{.ports = ports};
  search(now, peer);
}

void Network::handle_spreading(const Now& now, Peer& peer, const wire::Spreading& frame) {
  if (peer.link->endpoint() || !peer.sought || !peer.sought->asked || peer.sought->sockets) return;
  peer.sought->sockets = frame.sockets;
  peer.sought->until = now.at + kSpreadFresh;
  // The turn is still ours, unless the answer is late: then we wait for nothing any more.
  const bool is_ours = peer.search_at != Instant::max() && now.at < peer.search_at;
  if (is_ours) ctx_->search_after = now.at;
  search(now, peer);
}

/// Takes the next step towards what is sought, in its turn: one at a time for all peers, as each
/// probe is a mapping in our own router, too.
void Network::search(const Now& now, Peer& peer) {
  if (now.at < ctx_->search_after) {
    peer.search_at = ctx_->search_after;
    return;
  }
  peer.search_at = Instant::max();
  if (peer.sought->until <= now.at) return peer.sought.reset();
  const wire::Ports& ports = peer.sought->ports;
  const bool is_random = ports.step == 0;
  if (is_random && !peer.sought->asked && ask_to_spread(now, peer)) return;
  // Ours must be open as well, for what comes back.
  seek_direct(now, peer);
  const std::size_t sockets = std::max<std::size_t>(peer.sought->sockets.value_or(1), 1);
  if (peer.search->start(now.at, {.newest = ports.newest,
                                  .step = ports.step,
                                  .span = {ports.lowest, ports.highest},
                                  .sockets = sockets})) {
    ctx_->search_after = now.at + peer.search->lasts();
    log(LogLevel::Debug, "looking for a port of " + ports.newest.address.to_string());
  }
  // An answer that is late may still bring what helps.
  if (!is_random || peer.sought->sockets) peer.sought.reset();
  pump_search(peer);
}

/// So that there are many ports to be found. False: we do not know where it could call us.
bool Network::ask_to_spread(const Now& now, Peer& peer) {
  const auto& own = ctx_->outer.candidates();
  const auto here = std::ranges::find_if(
      own, [](const Endpoint& e) { return !e.address.is_v6() && nat::is_public(e.address); });
  if (here == own.end()) return false;
  const wire::Ports& ports = peer.sought->ports;
  peer.link->send(wire::Spread{
      .to = *here, .sockets = sockets_for(std::size_t{1} + ports.highest - ports.lowest)});
  peer.sought->asked = true;
  peer.search_at = now.at + kSpreadAnswer;
  ctx_->search_after = peer.search_at;
  return true;
}

void Network::punch_timeouts(const Now& now, Peer& peer) {
  if (peer.ports_at <= now.at) tell_ports(now, peer);
  if (peer.search_at > now.at) return;
  peer.search_at = Instant::max();
  if (peer.search && peer.search->running()) {
    peer.search->handle_timeout(now.at);
    pump_search(peer);
  } else if (peer.sought) {
    search(now, peer);
  }
}

void Network::pump_search(Peer& peer) {
  for (;;) {
    const auto output = peer.search->poll_output();
    if (const auto* wait = std::get_if<nat::PortSearch::WaitUntil>(&output)) {
      peer.search_at = std::min(peer.search_at, wait->at);
      return;
    }
    peer.link->probe(std::get<nat::PortSearch::Probe>(output).to);
  }
}

}  // namespace ipop::engine
