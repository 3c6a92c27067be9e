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

template <class T>
bool lacks_any(const std::vector<T>& before, const std::vector<T>& after) {
  return std::ranges::any_of(before, [&](const T& one) { return !contains(after, one); });
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
    : options_(std::move(options)), mapper_(std::move(key), rng), stun_(rng, {}) {
  check(options_.port != 0);
}

void OuterAddresses::handle_network(Instant now, std::vector<IpAddress> local,
                                    std::span<const PortMapper::Gateway> gateways) {
  std::vector<PortMapper::Gateway> found(gateways.begin(), gateways.end());
  const bool moved = lacks_any(local_, local) || lacks_any(gateways_, found);
  const bool came_up = (gateways_.empty() && !found.empty()) || (local_.empty() && !local.empty());
  local_ = std::move(local);
  gateways_ = std::move(found);
  if (moved) {
    v4_.handle_network_changed();
    v6_.handle_network_changed();
    seen_.clear();
    told_at_ = Instant::min();
  }
  if (options_.port_mapping) mapper_.set_network(now, options_.port, gateways_);
  if (moved || came_up) ask_stun(now);
  pump(now);
}

void OuterAddresses::handle_observation(Instant now, Witness witness, const Endpoint& observer,
                                        const Endpoint& seen) {
  told_at_ = now;
  learn(now, {.witness = witness, .observer = observer, .seen = seen, .created = now});
  pump(now);
}

void OuterAddresses::handle_unasked(Instant now, Witness witness, const Endpoint& from) {
  if (!is_public(from.address)) return;  // it came past no NAT of ours
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

void OuterAddresses::suspect(Instant now) {
  mapper_.suspect(now);
  if (!stun_.running() && asked_at_ + kStunGapMin <= now) ask_stun(now);
  pump(now);
}

void OuterAddresses::handle_timeout(Instant now) {
  mapper_.handle_timeout(now);
  stun_.handle_timeout(now);
  if (stun_at_ <= now) {
    if (told_at_ + kStunPause > now) {
      stun_at_ = told_at_ + kStunPause;
    } else {
      ask_stun(now);
    }
  }
  pump(now);
}

void OuterAddresses::release() {
  mapper_.release();
  pump_mapper();
}

OuterAddresses::Output OuterAddresses::poll_output() {
  if (!outputs_.empty()) {
    Output first = std::move(outputs_.front());
    outputs_.erase(outputs_.begin());
    return first;
  }
  return WaitUntil{std::min({mapper_deadline_, stun_deadline_, stun_at_})};
}

OuterAddresses::Report OuterAddresses::report(Instant now) const {
  Report out{.v4 = v4_.classify(now), .v6 = v6_.classify(now)};
  for (const Seen& s : seen_) out.seen.push_back(s.endpoint);
  out.gateways = mapper_.gateways();
  for (const Asked& asked : asked_) out.stun.push_back(asked.answer);
  return out;
}

void OuterAddresses::learn(Instant now, const Classifier::Observation& said) {
  if (!wire::is_candidate(said.seen)) return;
  Classifier::Observation observation = said;
  const bool ours = contains(local_, said.seen.address);
  // Who is on our own link sees us without any NAT, which says nothing about the one in front.
  if (ours && !is_public(said.seen.address)) return;
  const IpAddress unknown = said.seen.address.is_v6() ? IpAddress(Ipv6{}) : IpAddress(Ipv4{});
  observation.local = {ours ? said.seen.address : unknown, options_.port};
  classifier_of(said.seen.address).handle_observation(now, observation);
  std::erase_if(seen_, [&](const Seen& s) {
    const bool same_family = s.endpoint.address.is_v6() == said.seen.address.is_v6();
    return s.endpoint == said.seen || (s.witness == said.witness && same_family);
  });
  seen_.insert(seen_.begin(), {said.witness, said.seen});
  if (seen_.size() > kSeenMax) seen_.pop_back();
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
    more = pump_mapper();
    more = pump_stun(now) || more;
  }
  auto candidates = compose(now);
  if (candidates == candidates_) return;
  candidates_ = std::move(candidates);
  outputs_.emplace_back(Changed{});
}

/// True when there was something.
bool OuterAddresses::pump_mapper() {
  for (bool any = false;; any = true) {
    auto output = mapper_.poll_output();
    if (auto* send = std::get_if<PortMapper::SendTo>(&output)) {
      outputs_.emplace_back(SendTo{send->to, std::move(send->datagram)});
    } else if (const auto* wait = std::get_if<PortMapper::WaitUntil>(&output)) {
      mapper_deadline_ = wait->at;
      return any;
    }
    // What was mapped or lost shows in mapped().
  }
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
  for (const Classifier* classifier : {&v4_, &v6_}) {
    const auto external = classifier->classify(now).external;
    if (external) {
      add(*external);
      continue;
    }
    for (const Seen& s : seen_) {
      if (s.endpoint.address.is_v6() == (classifier == &v6_)) add(s.endpoint);
    }
  }
  return out;
}

}  // namespace ipop::nat
