#include "nat/port_mapper.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/blake2s.h"
#include "nat/public_address.h"
#include "wire/candidate.h"

namespace ipop::nat {
namespace {

constexpr std::uint16_t kNatPmpNetworkFailure = 3;
constexpr std::uint16_t kNatPmpOutOfResources = 4;

/// An IPv4 mapping to our own address is none; an IPv6 firewall opens just that.
bool is_usable(const Endpoint& external, const IpAddress& local) {
  return wire::is_candidate(external) && is_public(external.address) &&
         external.address.is_v6() == local.is_v6() && (local.is_v6() || external.address != local);
}

/// A link-local IPv6 gateway needs a zone, which an Endpoint does not have.
bool can_be_asked(const PortMapper::Gateway& g) {
  return wire::is_candidate({g.gateway, wire::kPortMappingPort}) && !g.local.is_unspecified() &&
         g.gateway.is_v6() == g.local.is_v6() && g.gateway != g.local &&
         !(g.gateway.is_v6() && g.gateway.is_link_local());
}

wire::PcpNonce nonce_for(const PortMapper::Key& key, const PortMapper::Gateway& g,
                         std::uint16_t port) {
  const std::string what =
      "ipop pcp nonce " + g.gateway.to_string() + " " + Endpoint{g.local, port}.to_string();
  const auto hash = crypto::blake2s_mac(key.reveal(), {as_bytes(what)});
  wire::PcpNonce out;
  copy_bytes(out.bytes, hash.view().first(wire::PcpNonce::kSize));
  return out;
}

/// RFC 6887 8.5: whether `seconds` is what the gateway's clock should say by now.
bool epoch_fits(std::uint32_t before, Duration elapsed, std::uint32_t seconds) {
  if (std::uint64_t{seconds} + 1 < before) return false;
  const std::int64_t server = std::int64_t{seconds} - std::int64_t{before};
  const std::int64_t client = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
  return client + 2 >= server - server / 16 && server + 2 >= client - client / 16;
}

}  // namespace

void PortMapper::set_network(Instant now, std::uint16_t port, std::span<const Gateway> gateways) {
  check(port != 0);
  std::vector<Gateway> wanted;
  for (const Gateway& g : gateways) {
    const bool known = std::ranges::count(wanted, g.gateway, &Gateway::gateway) > 0;
    if (wanted.size() < kGatewaysMax && can_be_asked(g) && !known) wanted.push_back(g);
  }
  std::vector<Leg> before = std::move(legs_);
  legs_.clear();
  for (Leg& leg : before) {
    const bool same = std::ranges::count(wanted, leg.gateway) > 0;
    if (same && port == port_) {
      legs_.push_back(leg);
      continue;
    }
    // With another port the old mapping is in nobody's interest; with another address the gateway
    // would not let us delete it.
    if (same) send_deletion(leg);
    lose(leg);
  }
  port_ = port;
  for (const Gateway& g : wanted) {
    if (std::ranges::count(legs_, g, &Leg::gateway) > 0) continue;
    Leg leg{.gateway = g, .nonce = nonce_for(key_, g, port)};
    attempt(now, leg);
    legs_.push_back(leg);
  }
}

void PortMapper::release() {
  for (const Leg& leg : legs_) send_deletion(leg);
  legs_.clear();
}

bool PortMapper::owns(const Endpoint& from) const {
  return std::ranges::any_of(legs_, [&](const Leg& leg) {
    return leg.step != Step::Resting &&
           from == Endpoint{leg.gateway.gateway, wire::kPortMappingPort};
  });
}

void PortMapper::handle_datagram(Instant now, const Endpoint& from, Bytes datagram) {
  Leg* leg = find(from);
  const auto response = wire::parse_port_mapping_response(datagram);
  if (leg == nullptr || leg->step == Step::Resting || !response || !answers(*leg, *response)) {
    ++ignored_;
    return;
  }
  consume(now, *leg, *response);
}

void PortMapper::handle_announcement(Instant now, const Endpoint& from, Bytes datagram) {
  Leg* leg = find(from);
  const auto response = wire::parse_port_mapping_response(datagram);
  const auto* announce = response ? std::get_if<wire::PcpAnnounce>(&*response) : nullptr;
  const auto* address = response ? std::get_if<wire::NatPmpAddress>(&*response) : nullptr;
  if (leg == nullptr || (announce == nullptr && address == nullptr)) {
    ++ignored_;
    return;
  }
  // Anybody on the link can send this: it moves nothing but the time of our next question.
  const std::uint32_t seconds = announce ? announce->epoch_seconds : address->epoch_seconds;
  const bool goes_on =
      leg->mapping && leg->epoch && epoch_fits(leg->epoch->seconds, now - leg->epoch->at, seconds);
  const bool moved = address && leg->mapping && leg->mapping->external.address != address->external;
  if (!goes_on || moved) prompt(now, *leg);
}

void PortMapper::suspect(Instant now) {
  for (Leg& leg : legs_) {
    if (leg.mapping) prompt(now, leg);
  }
}

void PortMapper::handle_timeout(Instant now) {
  for (Leg& leg : legs_) {
    if (leg.mapping && leg.mapping->expires <= now) lose(leg);
    if (now < leg.next) continue;
    if (leg.step == Step::Resting) {
      attempt(now, leg);
    } else if (leg.sends < kSendsMax) {
      send(now, leg);
    } else {
      give_up(now, leg);
    }
  }
}

PortMapper::Output PortMapper::poll_output() {
  if (!outputs_.empty()) {
    Output first = std::move(outputs_.front());
    outputs_.erase(outputs_.begin());
    return first;
  }
  Instant at = Instant::max();
  for (const Leg& leg : legs_) {
    at = std::min(at, leg.next);
    if (leg.mapping) at = std::min(at, leg.mapping->expires);
  }
  return WaitUntil{at};
}

std::vector<Endpoint> PortMapper::mapped() const {
  std::vector<Endpoint> out;
  for (const Leg& leg : legs_) {
    if (leg.mapping) out.push_back(leg.mapping->external);
  }
  return out;
}

std::vector<PortMapper::GatewayState> PortMapper::gateways() const {
  std::vector<GatewayState> out;
  for (const Leg& leg : legs_) {
    GatewayState state{.gateway = leg.gateway.gateway, .asking = leg.step != Step::Resting};
    if (leg.mapping) {
      state.external = leg.mapping->external;
      state.protocol = leg.nat_pmp ? Protocol::NatPmp : Protocol::Pcp;
    }
    out.push_back(state);
  }
  return out;
}

PortMapper::Leg* PortMapper::find(const Endpoint& from) {
  const auto it =
      std::ranges::find(legs_, from.address, [](const Leg& leg) { return leg.gateway.gateway; });
  return it == legs_.end() || from.port != wire::kPortMappingPort ? nullptr : &*it;
}

void PortMapper::attempt(Instant now, Leg& leg) {
  leg.attempted = now;
  begin(now, leg, leg.nat_pmp ? Step::NatPmpAddress : Step::Pcp);
}

void PortMapper::begin(Instant now, Leg& leg, Step step) {
  leg.step = step;
  leg.sends = 0;
  leg.wait = kRetransmit;
  send(now, leg);
}

void PortMapper::send(Instant now, Leg& leg) {
  SendTo out{{leg.gateway.gateway, wire::kPortMappingPort}, {}};
  constexpr auto kLifetimeSeconds = static_cast<std::uint32_t>(kLifetime.count());
  // Where there is no mapping yet, our own port is as good as any and easier to recognise.
  const IpAddress any = leg.gateway.local.is_v6() ? IpAddress(Ipv6{}) : IpAddress(Ipv4{});
  const Endpoint suggested = leg.mapping ? leg.mapping->external : Endpoint{any, port_};
  switch (leg.step) {
    case Step::Resting:
      check(false);
      break;
    case Step::Pcp:
      wire::write_pcp_map_request({.nonce = leg.nonce,
                                   .client = leg.gateway.local,
                                   .internal_port = port_,
                                   .suggested = suggested,
                                   .lifetime_seconds = kLifetimeSeconds},
                                  out.datagram);
      break;
    case Step::NatPmpAddress:
      wire::write_nat_pmp_address_request(out.datagram);
      break;
    case Step::NatPmpPort:
      wire::write_nat_pmp_map_request({.internal_port = port_,
                                       .suggested_port = suggested.port,
                                       .lifetime_seconds = kLifetimeSeconds},
                                      out.datagram);
      break;
  }
  outputs_.emplace_back(std::move(out));
  ++leg.sends;
  leg.next = now + leg.wait;
  leg.wait *= 2;
}

void PortMapper::send_deletion(const Leg& leg) {
  if (leg.step == Step::Resting && !leg.mapping) return;
  SendTo out{{leg.gateway.gateway, wire::kPortMappingPort}, {}};
  const bool asks_pcp = leg.step == Step::Pcp || (leg.step == Step::Resting && !leg.nat_pmp);
  if (asks_pcp) {
    const IpAddress any = leg.gateway.local.is_v6() ? IpAddress(Ipv6{}) : IpAddress(Ipv4{});
    wire::write_pcp_map_request({.nonce = leg.nonce,
                                 .client = leg.gateway.local,
                                 .internal_port = port_,
                                 .suggested = {any, 0}},
                                out.datagram);
  } else {
    wire::write_nat_pmp_map_request({.internal_port = port_}, out.datagram);
  }
  outputs_.emplace_back(std::move(out));
}

void PortMapper::prompt(Instant now, Leg& leg) {
  if (leg.step != Step::Resting) return;
  if (now >= leg.attempted + kPromptedGap) {
    attempt(now, leg);
  } else {
    leg.next = std::min(leg.next, leg.attempted + kPromptedGap);
  }
}

void PortMapper::rest(Instant now, Leg& leg, Duration time, Reason reason) {
  leg.step = Step::Resting;
  leg.next = now + time;
  if (!leg.mapping) leg.nat_pmp = false;
  outputs_.emplace_back(Unavailable{leg.gateway.gateway, reason});
}

void PortMapper::give_up(Instant now, Leg& leg) {
  if (leg.mapping) {
    leg.step = Step::Resting;
    leg.next = now + std::max(kRenewGapMin, (leg.mapping->expires - now) / 2);
  } else if (leg.step == Step::Pcp && !leg.gateway.gateway.is_v6()) {
    begin(now, leg, Step::NatPmpAddress);
  } else {
    rest(now, leg, kRetrySilent, Reason::Silent);
  }
}

void PortMapper::lose(Leg& leg) {
  if (!leg.mapping) return;
  outputs_.emplace_back(Lost{leg.gateway.gateway, leg.mapping->external});
  leg.mapping.reset();
  leg.nat_pmp = false;
}

bool PortMapper::answers(const Leg& leg, const wire::PortMappingResponse& response) const {
  // A lifetime of 0 answers a deletion, perhaps one of our previous life.
  if (const auto* mapped = std::get_if<wire::PcpMapped>(&response)) {
    return leg.step == Step::Pcp && mapped->nonce == leg.nonce && mapped->internal_port == port_ &&
           mapped->lifetime_seconds != 0;
  }
  if (const auto* error = std::get_if<wire::PcpError>(&response)) {
    return leg.step == Step::Pcp && (!error->nonce || error->nonce == leg.nonce);
  }
  if (const auto* mapped = std::get_if<wire::NatPmpMapped>(&response)) {
    return leg.step == Step::NatPmpPort && mapped->internal_port == port_ &&
           mapped->lifetime_seconds != 0;
  }
  if (std::holds_alternative<wire::NatPmpAddress>(response)) {
    return leg.step == Step::NatPmpAddress;
  }
  return std::holds_alternative<wire::NatPmpError>(response);
}

void PortMapper::consume(Instant now, Leg& leg, const wire::PortMappingResponse& response) {
  if (const auto* error = std::get_if<wire::PcpError>(&response)) {
    consume_error(now, leg, *error);
  } else if (const auto* refusal = std::get_if<wire::NatPmpError>(&response)) {
    consume_error(now, leg, *refusal);
  } else if (const auto* mapped = std::get_if<wire::PcpMapped>(&response)) {
    leg.epoch = Epoch{mapped->epoch_seconds, now};
    leg.nat_pmp = false;
    consume_mapped(now, leg, mapped->external, mapped->lifetime_seconds);
  } else if (const auto* address = std::get_if<wire::NatPmpAddress>(&response)) {
    leg.epoch = Epoch{address->epoch_seconds, now};
    leg.external = address->external;
    if (is_usable({leg.external, port_}, leg.gateway.local)) {
      begin(now, leg, Step::NatPmpPort);
    } else {
      if (leg.mapping) send_deletion(leg);
      lose(leg);
      rest(now, leg, leg.external == Ipv4{} ? kRetryMin : kRetrySilent, Reason::Unusable);
    }
  } else if (const auto* port = std::get_if<wire::NatPmpMapped>(&response)) {
    const bool restarted =
        !epoch_fits(leg.epoch->seconds, now - leg.epoch->at, port->epoch_seconds);
    leg.epoch = Epoch{port->epoch_seconds, now};
    leg.nat_pmp = true;
    consume_mapped(now, leg, {leg.external, port->external_port}, port->lifetime_seconds);
    // It restarted between the two answers: its address may be another one now.
    if (restarted && leg.mapping) leg.next = std::min(leg.next, now + kRenewGapMin);
  }
}

void PortMapper::consume_error(Instant now, Leg& leg, const wire::PcpError& error) {
  // An older draft of PCP (RFC 6887 9), or a mapping of our port that is another's: the same
  // gateway often speaks NAT-PMP, which knows no owners.
  const bool other_protocol =
      error.result == wire::kPcpUnsupportedVersion || error.result == wire::kPcpNotAuthorized;
  if (other_protocol && !leg.gateway.gateway.is_v6()) {
    begin(now, leg, Step::NatPmpAddress);
    return;
  }
  const Duration told = std::chrono::seconds(error.lifetime_seconds);
  rest(now, leg, std::clamp(told, kRetryMin, kRetryMax), Reason::Refused);
}

void PortMapper::consume_error(Instant now, Leg& leg, const wire::NatPmpError& error) {
  if (leg.step == Step::Pcp && !leg.gateway.gateway.is_v6()) {
    begin(now, leg, Step::NatPmpAddress);  // RFC 6887 9: it speaks NAT-PMP only
    return;
  }
  const bool passes =
      error.result == kNatPmpNetworkFailure || error.result == kNatPmpOutOfResources;
  rest(now, leg, passes ? kRetryMin : kRetryMax, Reason::Refused);
}

void PortMapper::consume_mapped(Instant now, Leg& leg, const Endpoint& external,
                                std::uint32_t lifetime_seconds) {
  const bool usable = is_usable(external, leg.gateway.local);
  const auto lifetime = std::min(std::chrono::seconds(lifetime_seconds), kLifetimeMax);
  if (!usable || lifetime < kLifetimeMin) {
    send_deletion(leg);  // what we do not use we do not keep
    lose(leg);
    rest(now, leg, kRetrySilent, usable ? Reason::Refused : Reason::Unusable);
    return;
  }
  if (leg.mapping && leg.mapping->external != external) {
    outputs_.emplace_back(Lost{leg.gateway.gateway, leg.mapping->external});
  }
  leg.mapping = Mapping{external, now + lifetime};
  leg.step = Step::Resting;
  // RFC 6887 11.2.1: at a random time between 1/2 and 5/8, so that hosts do not renew together.
  const Duration half = Duration(lifetime) / 2;
  leg.next = now + half + Duration(rng_->below(static_cast<std::uint64_t>((half / 4).count())));
  outputs_.emplace_back(Mapped{leg.gateway.gateway, external, lifetime});
}

}  // namespace ipop::nat
