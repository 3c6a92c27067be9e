#include "nat/igd_mapper.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "nat/public_address.h"
#include "wire/candidate.h"

namespace ipop::nat {
namespace {

// Error codes of WANIPConnection:1 and :2, of UPnP Device Architecture 1.1 those below 600.
constexpr std::uint16_t kInvalidArgs = 402;
constexpr std::uint16_t kActionFailed = 501;
constexpr std::uint16_t kNoSuchEntry = 714;
constexpr std::uint16_t kConflict = 718;
constexpr std::uint16_t kOnlyForEver = 725;
constexpr std::uint16_t kConflictWithOther = 729;

/// External ports that are tried after ours; below are those of services.
constexpr std::uint32_t kOtherPortMin = 1024;

/// The same after every start, and another one on every host. FNV-1a; nobody gains by a collision.
std::uint16_t other_port(Ipv4 local, std::uint16_t port, int attempt) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const std::string text = Endpoint{local, port}.to_string() + "/" + std::to_string(attempt);
  for (const std::byte b : as_bytes(text)) {
    hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  }
  return static_cast<std::uint16_t>(kOtherPortMin + (hash >> 32U) % (0x10000U - kOtherPortMin));
}

bool is_usable(const Endpoint& external, const IpAddress& local) {
  const IpAddress& address = external.address;
  return wire::is_candidate(external) && (is_public(address) || is_shared(address)) &&
         address != local;
}

bool can_be_asked(const IgdMapper::Gateway& g) {
  return !g.gateway.is_v6() && !g.local.is_v6() && wire::is_candidate({g.gateway, 1}) &&
         !g.local.is_unspecified() && g.gateway != g.local;
}

}  // namespace

void IgdMapper::set_network(std::uint16_t port, std::span<const Gateway> gateways) {
  check(port != 0);
  std::vector<Gateway> wanted;
  for (const Gateway& g : gateways) {
    const bool known = std::ranges::count(wanted, g.gateway, &Gateway::gateway) > 0;
    if (wanted.size() < kGatewaysMax && can_be_asked(g) && !known) wanted.push_back(g);
  }
  std::vector<Leg> before = std::exchange(legs_, {});
  for (Leg& leg : before) {
    const auto now_there = std::ranges::find(wanted, leg.gateway.gateway, &Gateway::gateway);
    if (now_there == wanted.end()) continue;  // the way there is gone, and the lease will end
    if (*now_there == leg.gateway && port == port_) {
      legs_.push_back(leg);
      continue;
    }
    leg.gateway = *now_there;  // from where it can still be reached
    unmap(leg);
  }
  port_ = port;
  for (const Gateway& g : wanted) {
    if (std::ranges::count(legs_, g, &Leg::gateway) == 0) legs_.push_back({.gateway = g});
  }
}

void IgdMapper::want(Instant now, const IpAddress& gateway) {
  Leg* leg = find(gateway);
  if (leg != nullptr && leg->step == Step::Unwanted) attempt(now, *leg);
}

void IgdMapper::unwant(const IpAddress& gateway, const Endpoint& external) {
  Leg* leg = find(gateway);
  if (leg == nullptr || leg->step == Step::Unwanted) return;
  if (leg->row && leg->row->port != external.port) ask_unmap(*leg);
  forget(*leg);
  leg->step = Step::Unwanted;
  leg->next = Instant::max();
}

void IgdMapper::release() {
  for (Leg& leg : legs_) unmap(leg);
  legs_.clear();
}

void IgdMapper::handle_answer(Instant now, const IgdAnswer& answer) {
  const auto leg = std::ranges::find_if(
      legs_, [&](const Leg& l) { return l.step > Step::Resting && l.question == answer.id; });
  if (leg == legs_.end()) {
    ++ignored_;
    return;
  }
  std::visit([&](const auto& what) { consume(now, *leg, what); }, answer.what);
}

void IgdMapper::suspect(Instant now) {
  for (Leg& leg : legs_) {
    if (leg.mapping && leg.step == Step::Resting) {
      leg.next = std::min(leg.next, std::max(now, leg.attempted + kPromptedGap));
    }
  }
  handle_timeout(now);
}

void IgdMapper::handle_timeout(Instant now) {
  for (Leg& leg : legs_) {
    if (leg.mapping && leg.mapping->expires <= now) {
      leg.mapping.reset();
      if (!leg.for_ever) leg.row->confirmed = false;  // others may have the port now
    }
    if (now < leg.next) continue;
    if (leg.step == Step::Resting) {
      attempt(now, leg);
    } else {
      give_up(now, leg);
    }
  }
}

IgdMapper::Output IgdMapper::poll_output() {
  if (!questions_.empty()) {
    IgdQuestion first = questions_.front();
    questions_.erase(questions_.begin());
    return first;
  }
  Instant at = Instant::max();
  for (const Leg& leg : legs_) {
    at = std::min(at, leg.next);
    if (leg.mapping) at = std::min(at, leg.mapping->expires);
  }
  return WaitUntil{at};
}

std::vector<Endpoint> IgdMapper::mapped() const {
  std::vector<Endpoint> out;
  for (const Leg& leg : legs_) {
    if (leg.mapping) out.push_back(leg.mapping->external);
  }
  return out;
}

std::vector<IgdMapper::GatewayState> IgdMapper::gateways() const {
  std::vector<GatewayState> out;
  for (const Leg& leg : legs_) {
    GatewayState state{leg.gateway.gateway, leg.step > Step::Resting, {}};
    if (leg.mapping) state.external = leg.mapping->external;
    out.push_back(state);
  }
  return out;
}

IgdMapper::Leg* IgdMapper::find(const IpAddress& gateway) {
  for (Leg& leg : legs_) {
    if (leg.gateway.gateway == gateway) return &leg;
  }
  return nullptr;
}

void IgdMapper::ask(Leg& leg, decltype(IgdQuestion::what) what) {
  leg.question = next_question_++;
  questions_.push_back(
      {leg.question, leg.gateway.gateway.v4(), leg.gateway.local.v4(), port_, what});
}

void IgdMapper::begin(Instant now, Leg& leg, Step step) {
  leg.step = step;
  leg.next = now + kAnswerTimeout;
  const std::uint16_t port = leg.wanted.port;
  switch (step) {
    case Step::Unwanted:
    case Step::Resting:
      check(false);
      break;
    case Step::Address:
      return ask(leg, IgdQuestion::Address{});
    case Step::Mapping:
      if (!leg.row || leg.row->port != port) leg.row = Row{port, leg.gateway.local.v4(), false};
      return ask(leg, IgdQuestion::Map{port, leg.for_ever ? IgdLease(0) : kLease});
    case Step::Checking:
    case Step::Conflict:
      return ask(leg, IgdQuestion::Check{port});
  }
}

void IgdMapper::attempt(Instant now, Leg& leg) {
  leg.attempted = now;
  leg.ports_tried = 0;
  leg.mapped_again = false;
  begin(now, leg, Step::Address);
}

/// What was mapped, or may be by a question that is on its way or whose answer was lost.
void IgdMapper::ask_unmap(Leg& leg) {
  if (leg.row) ask(leg, IgdQuestion::Unmap{leg.row->port, leg.row->client, leg.row->confirmed});
}

void IgdMapper::unmap(Leg& leg) {
  ask_unmap(leg);
  forget(leg);
}

void IgdMapper::forget(Leg& leg) {
  leg.mapping.reset();
  leg.row.reset();
}

void IgdMapper::rest(Instant now, Leg& leg, Duration time) {
  leg.step = Step::Resting;
  leg.next = now + time;
}

void IgdMapper::give_up(Instant now, Leg& leg) {
  if (!leg.mapping) {
    if (leg.row && leg.step > Step::Address) {
      ask_unmap(leg);  // it may have been done all the same; and this may get lost, too
      leg.row->confirmed = false;
    }
    return rest(now, leg, kRetrySilent);
  }
  // One that restarts says nothing for a while, and by then forwards nothing.
  const Duration half = (leg.mapping->expires - now) / 2;
  rest(now, leg, std::clamp(half, kRenewGapMin, next_pause(leg)));
}

/// Doubles with each attempt in vain.
Duration IgdMapper::next_pause(Leg& leg) {
  const Duration pause = kRetryMin * (1 << std::min(leg.failures, 6));
  ++leg.failures;
  return std::min(pause, kRetryMax);
}

void IgdMapper::consume(Instant now, Leg& leg, const IgdAnswer::Address& answer) {
  if (leg.step != Step::Address) return give_up(now, leg);
  leg.wanted = {answer.external, leg.row ? leg.row->port : port_};
  if (is_usable(leg.wanted, leg.gateway.local)) {
    // What the old address forwards is nobody's business any more, whatever comes of the next step.
    if (leg.mapping) leg.mapping->external = leg.wanted;
    return begin(now, leg, Step::Mapping);
  }
  unmap(leg);
  rest(now, leg, answer.external == Ipv4{} ? kRetryMin : kRetrySilent);
}

void IgdMapper::consume(Instant now, Leg& leg, const IgdAnswer::Done&) {
  if (leg.step != Step::Mapping) return give_up(now, leg);
  leg.row->confirmed = true;
  begin(now, leg, Step::Checking);
}

void IgdMapper::consume(Instant now, Leg& leg, const IgdAnswer::Entry& answer) {
  if (leg.step != Step::Checking && leg.step != Step::Conflict) return give_up(now, leg);
  const bool ours = IpAddress(answer.client) == leg.gateway.local && answer.port == port_;
  if (!ours) return try_another_port(now, leg);
  leg.row->confirmed = true;
  const IgdLease lease = answer.lease.count() == 0 ? kLease : std::min(answer.lease, kLease);
  if (answer.enabled && lease >= kLeaseMin) return consume_mapped(now, leg, lease);
  // Some refuse to renew what is there, or say that they did and let it end.
  if (!std::exchange(leg.mapped_again, true)) {
    ask_unmap(leg);
    leg.row->confirmed = false;
    return begin(now, leg, Step::Mapping);
  }
  unmap(leg);  // what we do not use we do not keep
  rest(now, leg, kRetryMax);
}

void IgdMapper::consume(Instant now, Leg& leg, const IgdAnswer::Refused& answer) {
  switch (leg.step) {
    case Step::Unwanted:
    case Step::Resting:
    case Step::Address:
      return give_up(now, leg);
    case Step::Mapping:
      return consume_refusal(now, leg, answer.code);
    case Step::Checking:
      // One that does not let itself be asked did what it was told to, for all we know.
      if (answer.code != kNoSuchEntry) return consume_mapped(now, leg, kLease);
      forget(leg);
      return rest(now, leg, kRetryMax);
    case Step::Conflict:
      return try_another_port(now, leg);
  }
}

void IgdMapper::consume_refusal(Instant now, Leg& leg, std::uint16_t code) {
  if ((code == kOnlyForEver || code == kInvalidArgs) && !leg.for_ever) {
    leg.for_ever = true;
    return begin(now, leg, Step::Mapping);
  }
  // Some say "action failed" where they mean a conflict.
  if (code == kConflict || code == kConflictWithOther || code == kActionFailed) {
    return begin(now, leg, Step::Conflict);
  }
  leg.for_ever = false;
  if (!leg.row->confirmed) leg.row.reset();
  if (leg.mapping) return give_up(now, leg);
  rest(now, leg, kRetryMax);
}

void IgdMapper::consume(Instant now, Leg& leg, const IgdAnswer::Silent&) { give_up(now, leg); }

void IgdMapper::consume_mapped(Instant now, Leg& leg, IgdLease lease) {
  leg.mapping = Mapping{leg.wanted, now + lease};
  leg.failures = 0;
  // At a random time between 1/2 and 5/8, so that hosts do not renew together.
  const Duration half = Duration(lease) / 2;
  rest(now, leg, half + Duration(rng_->below(static_cast<std::uint64_t>((half / 4).count()))));
}

void IgdMapper::try_another_port(Instant now, Leg& leg) {
  forget(leg);  // the port is another's
  if (++leg.ports_tried >= kPortsMax) return rest(now, leg, next_pause(leg));
  leg.wanted.port = other_port(leg.gateway.local.v4(), port_, leg.ports_tried);
  begin(now, leg, Step::Mapping);
}

}  // namespace ipop::nat
