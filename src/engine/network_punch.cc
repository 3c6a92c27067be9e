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

void Network::rest_hole(Peer& peer) {
  peer.ports_at = Instant::max();
  peer.search_at = Instant::max();
  peer.search_for.reset();
  if (peer.search) peer.search->stop();
}

void Network::tell_ports(const Now& now, Peer& peer) {
  if (!peer.link->online() || peer.link->endpoint()) return rest_hole(peer);
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
  if (peer.link->endpoint() || !peer.node || ports.newest.address.is_v6()) return;
  // Nobody's NAT has a private outer address that we could reach; our own router has one.
  if (!is_acceptable(ports.newest) || !nat::is_public(ports.newest.address)) return;
  // With a port of our own that the peer cannot know its filter would keep us out.
  if (is_dependent(ctx_->outer.report(now.at).v4)) return;
  if (!peer.search) peer.search.emplace(*ctx_->rng);
  if (peer.search->running()) return;
  if (now.at < ctx_->search_after) {  // its turn comes
    peer.search_for = ports;
    peer.search_at = ctx_->search_after;
    return;
  }
  // Ours must be open as well, for what comes back.
  seek_direct(now, peer);
  if (peer.search->start(
          now.at,
          {.newest = ports.newest, .step = ports.step, .span = {ports.lowest, ports.highest}})) {
    // One at a time for all peers: each probe is a mapping in our own router, too.
    ctx_->search_after = now.at + peer.search->lasts();
    log(LogLevel::Debug, "looking for a port of " + ports.newest.address.to_string());
  }
  pump_search(peer);
}

void Network::punch_timeouts(const Now& now, Peer& peer) {
  if (peer.ports_at <= now.at) tell_ports(now, peer);
  if (peer.search_at > now.at) return;
  peer.search_at = Instant::max();
  if (const auto waited = std::exchange(peer.search_for, std::nullopt)) {
    return handle_ports(now, peer, *waited);
  }
  peer.search->handle_timeout(now.at);
  pump_search(peer);
}

void Network::pump_search(Peer& peer) {
  for (;;) {
    const auto output = peer.search->poll_output();
    if (const auto* wait = std::get_if<nat::PortSearch::WaitUntil>(&output)) {
      peer.search_at = wait->at;
      return;
    }
    peer.link->probe(std::get<nat::PortSearch::Probe>(output).to);
  }
}

}  // namespace ipop::engine
