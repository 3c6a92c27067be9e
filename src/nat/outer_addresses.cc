#include "nat/outer_addresses.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "nat/public_address.h"
#include "wire/candidate.h"

namespace ipop::nat {
namespace {

/// Of a server, whose only name is where it is. FNV-1a; nobody gains by a collision.
Witness witness_of(const Endpoint& server) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const std::string text = server.to_string();
  for (const std::byte b : as_bytes(text)) {
    hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  }
  return {hash};
}

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::ranges::count(all, one) > 0;
}

}  // namespace

Witness witness_of(const wire::NodeId& node) {
  std::uint64_t value = 0;
  for (const std::byte b : node.view().first(8)) {
    value = value << 8U | std::to_integer<std::uint64_t>(b);
  }
  return {value};
}

OuterAddresses::OuterAddresses(Options options, PortMapper::Key key, Rng& rng)
    : options_(std::move(options)), mapper_(std::move(key), rng), igd_(rng), stun_(rng, {}) {
  check(options_.port != 0);
}

void OuterAddresses::handle_network(Instant now, std::vector<IpAddress> local,
                                    std::span<const PortMapper::Gateway> gateways) {
  std::vector<PortMapper::Gateway> found(gateways.begin(), gateways.end());
  bool ask = (gateways_.empty() && !found.empty()) || (local_.empty() && !local.empty());
  for (const bool v6 : {false, true}) {
    if (is_lost(v6, local, found)) {
      forget(now, v6);
      ask = true;
    } else if (since_[v6 ? 1 : 0] == Instant::max()) {
      since_[v6 ? 1 : 0] = now;
    }
  }
  local_ = std::move(local);
  gateways_ = std::move(found);
  if (options_.port_mapping) {
    mapper_.set_network(now, options_.port, gateways_);
    if (options_.igd) igd_.set_network(options_.port, gateways_);
  }
  if (ask) ask_stun(now);
  pump(now);
}

/// Whether what was seen of this family is no longer true. A bridge of containers that ends, or an
/// address that was used for nothing, changes nothing.
bool OuterAddresses::is_lost(bool v6, const std::vector<IpAddress>& local,
                             const std::vector<PortMapper::Gateway>& gateways) const {
  const auto of_family = [&](const PortMapper::Gateway& g) { return g.gateway.is_v6() == v6; };
  if (std::ranges::any_of(gateways_, of_family)) {
    // Our IPv6 address towards a gateway is one of several, of which some come and go.
    const auto stays = [&](const PortMapper::Gateway& g) {
      return v6 ? std::ranges::count(gateways, g.gateway, &PortMapper::Gateway::gateway) > 0
                : contains(gateways, g);
    };
    const auto leads_away = [&](const PortMapper::Gateway& g) { return of_family(g) && !stays(g); };
    const auto was_seen = [&](const Seen& s) {
      const IpAddress& a = s.endpoint.address;
      return a.is_v6() == v6 && contains(local_, a) && !contains(local, a);
    };
    return std::ranges::any_of(gateways_, leads_away) || std::ranges::any_of(seen_, was_seen);
  }
  return std::ranges::any_of(
      local_, [&](const IpAddress& a) { return a.is_v6() == v6 && !contains(local, a); });
}

void OuterAddresses::forget(Instant now, bool v6) {
  (v6 ? v6_ : v4_).handle_network_changed();
  std::erase_if(seen_, [&](const Seen& s) { return s.endpoint.address.is_v6() == v6; });
  since_[v6 ? 1 : 0] = now;
  told_at_ = Instant::min();
}

void OuterAddresses::handle_observation(Instant now, Witness witness, const Endpoint& observer,
                                        const Endpoint& seen) {
  if (learn(now, {.witness = witness, .observer = observer, .seen = seen, .created = now})) {
    told_at_ = now;
  }
  pump(now);
}

void OuterAddresses::handle_unasked(Instant now, Witness witness, const Endpoint& from) {
  if (!is_public(from.address)) return;  // it came past no NAT of ours
  const Instant since = since_[from.address.is_v6() ? 1 : 0];
  if (since == Instant::max() || now - since < kSettled) return;
  classifier_of(from.address)
      .handle_reach(now, {.witness = witness, .from = from, .arrived = true});
}

bool OuterAddresses::owns(const Endpoint& from, Bytes datagram) const {
  return mapper_.owns(from) || stun_.owns(datagram);
}

void OuterAddresses::handle_datagram(Instant now, const Endpoint& from, Bytes datagram) {
  if (mapper_.owns(from)) {
    mapper_.handle_datagram(now, from, datagram);
  } else {
    stun_.handle_datagram(now, from, datagram);
  }
  pump(now);
}

void OuterAddresses::handle_igd_answer(Instant now, const IgdAnswer& answer) {
  igd_.handle_answer(now, answer);
  pump(now);
}

void OuterAddresses::suspect(Instant now) {
  mapper_.suspect(now);
  igd_.suspect(now);
  const bool told = told_at_ != Instant::min() && told_at_ + kStunPause > now;
  const bool just_asked = asked_at_ != Instant::min() && asked_at_ + kStunGapMin > now;
  if (!told && !just_asked && !stun_.running()) ask_stun(now);
  pump(now);
}

void OuterAddresses::handle_timeout(Instant now) {
  mapper_.handle_timeout(now);
  igd_.handle_timeout(now);
  stun_.handle_timeout(now);
  if (stun_at_ <= now) {
    if (told_at_ != Instant::min() && told_at_ + kStunPause > now) {
      stun_at_ = told_at_ + kStunPause;
    } else {
      ask_stun(now);
    }
  }
  pump(now);
}

void OuterAddresses::release(Instant now) {
  mapper_.release();
  igd_.release();
  pump_mapper(now);
  pump_igd();
}

OuterAddresses::Output OuterAddresses::poll_output() {
  if (!outputs_.empty()) {
    Output first = std::move(outputs_.front());
    outputs_.erase(outputs_.begin());
    return first;
  }
  return WaitUntil{std::min({mapper_deadline_, igd_deadline_, stun_deadline_, stun_at_})};
}

OuterAddresses::Report OuterAddresses::report(Instant now) const {
  Report out{.v4 = v4_.classify(now), .v6 = v6_.classify(now)};
  for (const bool v6 : {false, true}) {
    const auto family = seen(now, v6);
    out.seen.insert(out.seen.end(), family.begin(), family.end());
  }
  out.port_mapping = options_.port_mapping;
  out.gateways = gateway_states();
  for (const Asked& asked : asked_) out.stun.push_back(asked.answer);
  return out;
}

/// False where it says nothing of what is in front of us.
bool OuterAddresses::learn(Instant now, const Classifier::Observation& said) {
  if (!wire::is_candidate(said.seen)) return false;
  Classifier::Observation observation = said;
  const bool v6 = said.seen.address.is_v6();
  const bool ours = contains(local_, said.seen.address);
  const bool in_public = is_public(said.seen.address);
  // Who is on our own link sees us without any NAT, which says nothing about the one in front.
  if (ours && !in_public) return false;
  // Of two NATs the outer one counts: who is between them sees us with a private address.
  const auto seen_in_public = [&](const Seen& s) {
    return s.endpoint.address.is_v6() == v6 && is_public(s.endpoint.address);
  };
  const bool outer_known = std::ranges::any_of(seen_, seen_in_public);
  if (in_public && !outer_known) classifier_of(said.seen.address).handle_network_changed();
  const IpAddress unknown = v6 ? IpAddress(Ipv6{}) : IpAddress(Ipv4{});
  observation.local = {ours ? said.seen.address : unknown, options_.port};
  if (in_public || !outer_known) {
    classifier_of(said.seen.address).handle_observation(now, observation);
  }
  note_seen(now, said.witness, said.seen);
  return true;
}

/// Who says the same again keeps its place: what did not change must not look new to anybody.
void OuterAddresses::note_seen(Instant now, Witness witness, const Endpoint& seen) {
  const auto known = std::ranges::find_if(seen_, [&](const Seen& s) {
    return s.witness == witness && s.endpoint.address.is_v6() == seen.address.is_v6();
  });
  if (known != seen_.end()) {
    if (known->endpoint == seen) {
      known->last = now;
      return;
    }
    seen_.erase(known);
    // Our NAT forgot that flow: perhaps it restarted, and forwards nothing any more.
    mapper_.suspect(now);
    igd_.suspect(now);
  } else if (seen_.size() >= kSeenMax) {
    const auto oldest = std::ranges::min_element(seen_, {}, &Seen::last);
    if (oldest->last + Classifier::kExpiry > now) return;  // enough have told
    seen_.erase(oldest);
  }
  seen_.insert(seen_.begin(), {witness, seen, now});
}

/// Different endpoints that were seen lately; with none, the one that was seen last of all: it is
/// more than nothing to somebody who was invited.
std::vector<Endpoint> OuterAddresses::seen(Instant now, bool v6) const {
  std::vector<Endpoint> out;
  const Seen* last = nullptr;
  for (const Seen& s : seen_) {
    if (s.endpoint.address.is_v6() != v6) continue;
    if (last == nullptr || s.last > last->last) last = &s;
    const bool fresh = s.last + Classifier::kExpiry > now;
    if (fresh && out.size() < kToldMax && !contains(out, s.endpoint)) out.push_back(s.endpoint);
  }
  if (out.empty() && last != nullptr) out.push_back(last->endpoint);
  return out;
}

void OuterAddresses::ask_stun(Instant now) {
  stun_at_ = Instant::max();
  if (options_.stun_servers.empty()) return;
  asked_.clear();
  asked_at_ = now;
  stun_.start(now, options_.stun_servers);
}

void OuterAddresses::pump(Instant now) {
  bool more = true;
  while (more) {
    more = pump_mapper(now);
    more = pump_stun(now) || more;
  }
  pump_igd();
  auto candidates = compose(now);
  if (candidates == candidates_) return;
  candidates_ = std::move(candidates);
  outputs_.emplace_back(Changed{});
}

/// True when there was something.
bool OuterAddresses::pump_mapper(Instant now) {
  for (bool any = false;; any = true) {
    auto output = mapper_.poll_output();
    if (auto* send = std::get_if<PortMapper::SendTo>(&output)) {
      outputs_.emplace_back(SendTo{send->to, std::move(send->datagram)});
    } else if (const auto* wait = std::get_if<PortMapper::WaitUntil>(&output)) {
      mapper_deadline_ = wait->at;
      return any;
    } else if (const auto* in_vain = std::get_if<PortMapper::Unavailable>(&output)) {
      if (!is_mapped(in_vain->gateway)) igd_.want(now, in_vain->gateway);
    } else if (const auto* mapped = std::get_if<PortMapper::Mapped>(&output)) {
      igd_.unwant(mapped->gateway, mapped->external);
    }
    // What was mapped or lost shows in mapped().
  }
}

void OuterAddresses::pump_igd() {
  for (;;) {
    auto output = igd_.poll_output();
    if (const auto* wait = std::get_if<IgdMapper::WaitUntil>(&output)) {
      igd_deadline_ = wait->at;
      return;
    }
    if (const auto* question = std::get_if<IgdQuestion>(&output)) outputs_.emplace_back(*question);
  }
}

/// By PCP or NAT-PMP.
bool OuterAddresses::is_mapped(const IpAddress& gateway) const {
  return std::ranges::any_of(mapper_.gateways(), [&](const PortMapper::GatewayState& state) {
    return state.gateway == gateway && state.external.has_value();
  });
}

bool OuterAddresses::pump_stun(Instant now) {
  for (bool any = false;; any = true) {
    auto output = stun_.poll_output();
    if (auto* send = std::get_if<StunClient::SendTo>(&output)) {
      const auto known = [&](const Asked& a) { return a.answer.server == send->to; };
      if (std::ranges::none_of(asked_, known)) {
        // A nanosecond apart: the order of the flows tells the step of a NAT that counts.
        asked_.push_back({{send->to, {}}, now + Duration(asked_.size())});
      }
      outputs_.emplace_back(SendTo{send->to, std::move(send->datagram)});
    } else if (const auto* learned = std::get_if<StunClient::Learned>(&output)) {
      for (Asked& asked : asked_) {
        if (asked.answer.server != learned->server) continue;
        asked.answer.seen = learned->reflexive;
        learn(now, {.witness = witness_of(learned->server),
                    .observer = learned->server,
                    .seen = learned->reflexive,
                    .created = asked.at});
      }
    } else if (std::holds_alternative<StunClient::Finished>(output)) {
      stun_at_ = now + kStunPause;
    } else if (const auto* wait = std::get_if<StunClient::WaitUntil>(&output)) {
      stun_deadline_ = wait->at;
      return any;
    }
  }
}

std::vector<Endpoint> OuterAddresses::compose(Instant now) const {
  std::vector<Endpoint> out = mapper_.mapped();
  const auto add = [&](const Endpoint& e) {
    if (!contains(out, e)) out.push_back(e);
  };
  const auto forwarded = igd_.mapped();
  for (const Endpoint& e : forwarded) {
    if (is_public(e.address)) add(e);
  }
  for (const bool v6 : {false, true}) {
    const auto external = (v6 ? v6_ : v4_).classify(now).external;
    if (external) add(*external);
    for (const Endpoint& e : seen(now, v6)) {
      // What contradicts the external endpoint is a mistake or a lie, except in between two NATs.
      if (!external || !is_public(e.address)) add(e);
    }
  }
  for (const Endpoint& e : forwarded) add(e);  // behind a provider's NAT: for its customers
  return out;
}

std::vector<OuterAddresses::GatewayState> OuterAddresses::gateway_states() const {
  std::vector<GatewayState> out;
  for (const PortMapper::GatewayState& g : mapper_.gateways()) {
    const bool pcp = g.protocol == PortMapper::Protocol::Pcp;
    out.push_back({g.gateway, g.asking, pcp ? Protocol::Pcp : Protocol::NatPmp, g.external});
  }
  for (const IgdMapper::GatewayState& g : igd_.gateways()) {
    const auto known = std::ranges::find(out, g.gateway, &GatewayState::gateway);
    if (known == out.end()) continue;  // one too many, and never asked
    known->asking = known->asking || g.asking;
    if (known->external || !g.external) continue;
    known->protocol = Protocol::Igd;
    known->external = g.external;
  }
  return out;
}

}  // namespace ipop::nat
