#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "engine/overload.h"
#include "engine/text.h"

namespace ipop::engine {

Engine::Engine(Rng& rng, Logger& log, Options options)
    : ctx_(rng, log,
           {.port = options.port,
            .stun_servers = std::move(options.nat.stun_servers),
            .port_mapping = options.nat.port_mapping,
            .igd = options.nat.igd},
           std::move(options.nat.mapping_key)) {
  ctx_.may_dial = options.streams.dial;
  ctx_.stream_port = options.streams.port;
  ctx_.search_ports = options.nat.search;
  ctx_.workers = options.workers;
  ctx_.backends = options.backends;
  ctx_.relaying.enabled = options.relay.enabled;
  ctx_.relay_limit = options.relay.limit;
}

Engine::~Engine() = default;

void Engine::handle_event(const Now& now, const dataplane::Event& event) {
  PeerHandle peer;
  std::visit(
      Overload{
          [&](const dataplane::DatagramEvent& e) { handle_datagram(now, e.from, e.datagram); },
          [&](const dataplane::FrameEvent& e) {
            if (Network* n = owner_of_session(e.session, peer)) {
              n->handle_frame(now, peer, e.session, e.from, e.plaintext);
            }
          },
          [&](const dataplane::ReceivedEvent& e) {
            if (Network* n = owner_of_session(e.session, peer)) {
              n->handle_received(now, peer, e.session, e.from);
            }
          },
          [&](const dataplane::IpSentEvent& e) {
            if (Network* n = owner_of_session(e.session, peer)) {
              n->handle_ip_sent(now, peer, e.session);
            }
          },
          [&](const dataplane::LimitEvent& e) {
            if (Network* n = owner_of_session(e.session, peer)) {
              n->handle_limit(now, peer, e.session);
            }
          },
          [&](const dataplane::UnroutedEvent& e) {
            if (Network* n = owner(e.peer)) n->handle_unrouted(now, e.peer, e.packet);
          },
          [&](const dataplane::TooBigEvent& e) { ctx_.outputs.emplace_back(QueryPathMtu{e.to}); },
      },
      event);
  settle(now);
}

void Engine::handle_local_network(const Now& now, LocalNetwork local) {
  ctx_.outer.handle_network(now.at, local.addresses, local.gateways);
  if (local.addresses != ctx_.local_addresses) {
    ctx_.local_addresses = std::move(local.addresses);
    for (auto& [slot, network] : networks_) network->handle_local_addresses(now);
  }
  settle(now);
}

void Engine::handle_interface(NetworkSlot slot, InterfaceMade made) {
  if (const auto it = networks_.find(slot); it != networks_.end()) {
    it->second->handle_interface(std::move(made));
  }
}

void Engine::handle_path_mtu(const Endpoint& to, std::uint16_t mtu) {
  for (auto& [slot, network] : networks_) network->handle_path_mtu(to, mtu);
}

void Engine::handle_igd_answer(const Now& now, const nat::IgdAnswer& answer) {
  ctx_.outer.handle_igd_answer(now.at, answer);
  settle(now);
}

void Engine::handle_stream_up(const Now& now, const Endpoint& to) {
  ctx_.dialer.handle_up(now.at, to);
  if (!ctx_.dialer.is_up(to)) return;  // it is wanted no more
  for (auto& [slot, network] : networks_) network->handle_stream_up(now, to);
  settle(now);
}

void Engine::handle_stream_down(const Now& now, const Endpoint& remote) {
  ctx_.dialer.handle_down(now.at, remote);
  for (auto& [slot, network] : networks_) network->handle_stream_down(now, remote);
  settle(now);
}

void Engine::handle_unsent(const Endpoint& to, wire::TestOutcome why) {
  for (auto& [slot, network] : networks_) network->handle_unsent(to, why);
}

void Engine::handle_stored(const Now& now, Ticket ticket, bool ok, const std::string& problem) {
  for (auto& [slot, network] : networks_) network->handle_stored(now, ticket, ok, problem);
  settle(now);
}

void Engine::handle_timeout(const Now& now) {
  ctx_.outer.handle_timeout(now.at);
  ctx_.dialer.handle_timeout(now.at);
  for (auto& [slot, network] : networks_) network->handle_timeout(now);
  settle(now);
}

void Engine::handle_clock_jump(const Now& now) {
  for (auto& [slot, network] : networks_) network->drop_keys(now);
  settle(now);
}

Output Engine::poll_output() {
  pump_dialer();
  // A snapshot names no socket that the workers do not have.
  if (const auto wanted = ctx_.spares.poll_before_snapshot()) {
    return std::visit([](const auto& o) { return Output(o); }, *wanted);
  }
  // Before the rest, so that no datagram goes out whose answer a worker could not place.
  if (ctx_.snapshot_stale) return build_snapshot();
  if (!ctx_.outputs.empty()) {
    Output first = std::move(ctx_.outputs.front());
    ctx_.outputs.pop_front();
    return first;
  }
  if (const auto closed = ctx_.spares.poll_closed()) return CloseSocket{*closed};
  Instant at = std::min(outer_deadline_, dialer_deadline_);
  for (const auto& [slot, network] : networks_) at = std::min(at, network->deadline());
  return WaitUntil{at};
}

Outcome<InviteMade> Engine::invite(const Now& now, std::string_view network,
                                   const InviteOptions& options) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->invite(now, options);
}

Outcome<Kicked> Engine::kick(const Now& now, std::string_view network, std::string_view member) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->kick(now, member);
}

Outcome<std::string> Engine::add_admin(const Now& now, std::string_view network,
                                       std::string_view member) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->add_admin(now, member);
}

Outcome<std::string> Engine::remove_admin(const Now& now, std::string_view network,
                                          std::string_view member) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->remove_admin(now, member);
}

Outcome<DeviceMade> Engine::add_device(const Now& now, std::string_view network,
                                       const DeviceWish& options) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->add_device(now, options);
}

Outcome<DeviceConfig> Engine::device_config(const Now& now, std::string_view network,
                                            std::string_view name) const {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->device_config(now, name);
}

Outcome<LeaveImpact> Engine::leave_impact(std::string_view network) const {
  const auto n = find(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->leave_impact();
}

Outcome<std::string> Engine::set_up(const Now& now, std::string_view network, bool up) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  (*n)->set_up(now, up);
  return (*n)->name();
}

Outcome<member::Member> Engine::ping(const Now& now, CommandId command, std::string_view network,
                                     std::string_view member, const PingOptions& options) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->ping(now, command, member, options);
}

Outcome<member::Member> Engine::diagnose(const Now& now, CommandId command,
                                         std::string_view network, std::string_view member) {
  const auto n = find_member(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->diagnose(now, command, member);
}

void Engine::cancel(const Now& now, CommandId command) {
  for (auto& [slot, network] : networks_) network->cancel(now, command);
  settle(now);
}

void Engine::shutdown(const Now& now) {
  for (auto& [slot, network] : networks_) network->shutdown(now);
  ctx_.outer.release(now.at);
  pump_outer(now);
}

std::vector<NetworkStatus> Engine::status(const Now& now) const {
  std::vector<NetworkStatus> out;
  for (const auto& [slot, network] : networks_) {
    if (network->state() != Network::State::Joining) out.push_back(network->status(now));
  }
  return out;
}

Outcome<NetworkStatus> Engine::status_of(const Now& now, std::string_view network) const {
  const auto n = find_settled(network);
  if (!n) return std::unexpected(n.error());
  return (*n)->status(now);
}

std::vector<Prefix4> Engine::pools() const {
  std::vector<Prefix4> out;
  for (const auto& [slot, network] : networks_) {
    if (const auto pool = network->pool()) out.push_back(*pool);
  }
  return out;
}

/// Demultiplexing of what is not DATA (PROTOCOL 21); unauthenticated, so nothing but counters and
/// the handshake gate may change.
void Engine::handle_datagram(const Now& now, const Way& from, Bytes datagram) {
  if (datagram.empty()) return;
  const bool is_on_port = from.is_direct() && from.socket() == kMainSocket;
  if (is_on_port && ctx_.outer.owns(from.endpoint(), datagram)) {
    return ctx_.outer.handle_datagram(now.at, from.endpoint(), datagram);
  }
  PeerHandle peer;
  switch (std::to_integer<std::uint8_t>(datagram[0])) {
    case wire::kTypeInitiation: {
      const auto message = wire::parse_initiation(wire::kNativeShape, datagram);
      if (!message) return;
      for (auto& [slot, network] : networks_) {
        if (network->handle_initiation(now, *message, from)) return;
      }
      return;
    }
    case wire::kStockTypeInitiation: {
      if (!from.is_direct()) return;  // a device has an address
      const auto message = wire::parse_initiation(wire::kStockShape, datagram);
      if (!message) return;
      for (auto& [slot, network] : networks_) {
        if (network->devices().handle_initiation(now, *message, from.endpoint())) return;
      }
      return;
    }
    case wire::kTypeResponse:
    case wire::kStockTypeResponse: {
      const bool stock = datagram[0] == std::byte{wire::kStockTypeResponse};
      const auto message =
          wire::parse_response(stock ? wire::kStockShape : wire::kNativeShape, datagram);
      if (!message) return;
      if (Network* n = owner_of_session(message->receiver, peer)) {
        n->handle_response(now, peer, *message, from);
      }
      return;
    }
    case wire::kTypeCookie:
    case wire::kStockTypeCookie: {
      const bool stock = datagram[0] == std::byte{wire::kStockTypeCookie};
      const auto message =
          wire::parse_cookie_reply(stock ? wire::kStockShape : wire::kNativeShape, datagram);
      if (!message) return;
      if (Network* n = owner_of_session(message->receiver, peer)) {
        n->handle_cookie_reply(now, peer, *message);
      }
      return;
    }
    default:
      return;
  }
}

Network* Engine::owner(PeerHandle peer) const {
  for (const auto& [slot, network] : networks_) {
    if (network->owns(peer)) return network.get();
  }
  return nullptr;
}

Network* Engine::owner_of_session(SessionIndex session, PeerHandle& peer) const {
  const auto handle = ctx_.indices.find(session);
  if (!handle) return nullptr;
  peer = *handle;
  return owner(peer);
}

/// After whatever happened.
void Engine::settle(const Now& now) {
  pump_outer(now);
  finish_joins(now);
  drop_finished();
}

/// Carries out what the view from outside wants.
void Engine::pump_outer(const Now& now) {
  for (;;) {
    auto output = ctx_.outer.poll_output();
    if (auto* send = std::get_if<nat::OuterAddresses::SendTo>(&output)) {
      ctx_.outputs.emplace_back(Transmit{send->to, std::move(send->datagram)});
    } else if (const auto* question = std::get_if<nat::IgdQuestion>(&output)) {
      ctx_.outputs.emplace_back(AskRouter{*question});
    } else if (const auto* wait = std::get_if<nat::OuterAddresses::WaitUntil>(&output)) {
      outer_deadline_ = wait->at;
      return;
    } else {
      for (auto& [slot, network] : networks_) network->handle_outer_addresses(now);
    }
  }
}

void Engine::pump_dialer() {
  for (;;) {
    const auto output = ctx_.dialer.poll_output();
    if (const auto* open = std::get_if<nat::StreamDialer::Open>(&output)) {
      ctx_.outputs.emplace_back(OpenStream{open->to});
    } else if (const auto* close = std::get_if<nat::StreamDialer::Close>(&output)) {
      ctx_.outputs.emplace_back(CloseStream{close->to});
    } else {
      dialer_deadline_ = std::get<nat::StreamDialer::WaitUntil>(output).at;
      return;
    }
  }
}

Publish Engine::build_snapshot() {
  ctx_.snapshot_stale = false;
  auto snapshot = std::make_unique<dataplane::Snapshot>();
  for (const auto& [slot, network] : networks_) network->add_to_snapshot(*snapshot);
  return {std::move(snapshot), std::exchange(ctx_.garbage, {})};
}

}  // namespace ipop::engine
