// `ipop doctor`: both ends of a path test each other's addresses at the same time and tell each
// other what they found (docs/protocol.md, "diagnosis"). Nothing of it touches the path in use: the
// challenges are of a nat::Trial, and both ends hold the path meanwhile.

#include <algorithm>
#include <utility>

#include "engine/network.h"
#include "nat/trial.h"

namespace ipop::engine {
namespace {

/// How long a member is called that there is no session with, and one that has no path yet.
constexpr Duration kCall = std::chrono::seconds(6);
/// DIAGNOSE is repeated so often before the test begins without an answer.
constexpr Duration kAskAgain = std::chrono::milliseconds(500);
constexpr int kAsks = 4;
constexpr Duration kTest = std::chrono::seconds(4);
/// Of everything, also where a session ends meanwhile and the member is called again.
constexpr Duration kWhole = std::chrono::seconds(14);
/// Longer than any Trial, and than the wait for the other end's.
constexpr Duration kHold = std::chrono::seconds(4);
constexpr Duration kLookAgain = std::chrono::milliseconds(50);

/// Trials that a member makes us do; and answers, of which a diagnosis needs about six.
constexpr TokenBucket::Limit kTrialLimit{.per_second = 0.1, .burst = 4};
constexpr TokenBucket::Limit kAnswerLimit{.per_second = 4, .burst = 12};
/// At once, for all members: a trial is at most a hundred datagrams in a second.
constexpr std::size_t kTrialsMax = 8;

wire::NatMapping mapping_of(nat::MappingKind kind) {
  switch (kind) {
    case nat::MappingKind::Unknown:
      return wire::NatMapping::Unknown;
    case nat::MappingKind::None:
      return wire::NatMapping::None;
    case nat::MappingKind::EndpointIndependent:
      return wire::NatMapping::EndpointIndependent;
    case nat::MappingKind::AddressDependent:
      return wire::NatMapping::AddressDependent;
    case nat::MappingKind::AddressAndPortDependent:
      return wire::NatMapping::AddressAndPortDependent;
  }
  return wire::NatMapping::Unknown;
}

wire::NatFiltering filtering_of(nat::FilteringKind kind) {
  switch (kind) {
    case nat::FilteringKind::Unknown:
      return wire::NatFiltering::Unknown;
    case nat::FilteringKind::EndpointIndependent:
      return wire::NatFiltering::EndpointIndependent;
    case nat::FilteringKind::AddressDependent:
      return wire::NatFiltering::AddressDependent;
    case nat::FilteringKind::AddressAndPortDependent:
      return wire::NatFiltering::AddressAndPortDependent;
  }
  return wire::NatFiltering::Unknown;
}

wire::NatPorts ports_of(const nat::Classifier::Conclusion& conclusion) {
  if (conclusion.step) return wire::NatPorts::Sequential;
  switch (conclusion.ports) {
    case nat::PortPreservation::Unknown:
      return wire::NatPorts::Unknown;
    case nat::PortPreservation::Preserved:
      return wire::NatPorts::Preserved;
    case nat::PortPreservation::Changed:
      return wire::NatPorts::Changed;
  }
  return wire::NatPorts::Unknown;
}

bool has_family(const std::vector<IpAddress>& local, bool v6) {
  return std::ranges::any_of(
      local, [&](const IpAddress& a) { return a.is_v6() == v6 && !a.is_link_local(); });
}

wire::NatKind nat_of(const nat::Classifier::Conclusion& conclusion, bool has_address) {
  return {.has_address = has_address,
          .mapping = mapping_of(conclusion.mapping),
          .filtering = filtering_of(conclusion.filtering),
          .ports = ports_of(conclusion)};
}

wire::PortForwarding protocol_of(nat::OuterAddresses::Protocol protocol) {
  switch (protocol) {
    case nat::OuterAddresses::Protocol::Pcp:
      return wire::PortForwarding::Pcp;
    case nat::OuterAddresses::Protocol::NatPmp:
      return wire::PortForwarding::NatPmp;
    case nat::OuterAddresses::Protocol::Igd:
      return wire::PortForwarding::Upnp;
  }
  return wire::PortForwarding::None;
}

wire::PortForwarding forwarding_of(const nat::OuterAddresses::Report& report) {
  if (!report.port_mapping) return wire::PortForwarding::Off;
  auto out = wire::PortForwarding::None;
  for (const auto& gateway : report.gateways) {
    if (gateway.external) return protocol_of(gateway.protocol);
    if (gateway.asking) out = wire::PortForwarding::Asking;
  }
  return out;
}

/// By some way at least half of our probes came back. Half a dozen questions are not all lost
/// there.
bool hears_us(const nat::Trial& trial) {
  return std::ranges::any_of(trial.findings(), [](const nat::Trial::Finding& f) {
    return f.answered > 0 && 2 * f.answered >= f.sent;
  });
}

wire::AddressTest test_of(const nat::Trial::Finding& finding) {
  using std::chrono::microseconds;
  wire::AddressTest out{.endpoint = finding.way.endpoint(),
                        .outcome = finding.outcome(),
                        .sent = static_cast<std::uint8_t>(finding.sent),
                        .answered = static_cast<std::uint8_t>(finding.answered)};
  if (finding.answered > 0) {
    const auto us = std::chrono::duration_cast<microseconds>(*finding.rtt).count();
    out.rtt_us = static_cast<std::uint32_t>(std::min<std::int64_t>(us, UINT32_MAX));
  }
  return out;
}

}  // namespace

Outcome<member::Member> Network::diagnose(const Now& now, CommandId command,
                                          std::string_view member) {
  if (const member::Device* device = find_device(member)) {
    return std::unexpected(CommandError{
        Failure::UnknownMember, device->name + " is a WireGuard device, which cannot be asked",
        "`ipop doctor` looks at members; `ipop device list` shows when the device was last heard"});
  }
  const auto found = other_member(member);
  if (!found) return std::unexpected(found.error());
  member::Member target = **found;
  Exam exam;
  exam.command = command;
  exam.node = target.node;
  exam.request = static_cast<std::uint32_t>(ctx_->rng->next_u64());
  exam.began = now.at;
  exam.stage_began = now.at;
  exam.next_at = now.at;
  exams_.push_back(std::move(exam));
  exam_timeouts(now);
  pump(now);
  return target;
}

void Network::exam_timeouts(const Now& now) {
  for (Exam& exam : exams_) {
    if (exam.next_at > now.at) continue;
    exam.next_at = now.at + kLookAgain;
    step(now, exam);
  }
  std::erase_if(exams_, [](const Exam& exam) { return exam.stage == Exam::Stage::Over; });
}

void Network::step(const Now& now, Exam& exam) {
  if (end_if_futile(exam)) return;
  Peer* peer = peers_.find(exam.node);
  const Duration passed = now.at - exam.stage_began;
  if (peer == nullptr || now.at - exam.began >= kWhole) return finish(now, exam);
  switch (exam.stage) {
    case Exam::Stage::Calling:
      if (peer->was_online && (is_reached(*peer) || passed >= kCall)) {
        return begin_asking(now, exam, *peer);
      }
      if (passed >= kCall) return finish(now, exam);
      return want(now, *peer);
    case Exam::Stage::Asking:
      if (exam.far == FarEnd::Answered || exam.far == FarEnd::Busy) {
        return begin_testing(now, exam, *peer);
      }
      if (!peer->was_online) return begin_calling(now, exam);
      if (exam.ask_at > now.at) return;
      if (exam.asked < kAsks) return ask(now, exam, *peer);
      exam.far = FarEnd::Silent;  // for all that is known until finish()
      return begin_testing(now, exam, *peer);
    case Exam::Stage::Testing: {
      const bool runs = peer->trial && peer->trial->is_running();
      const bool waits = exam.far == FarEnd::Answered && !exam.there_done;
      if (passed >= kTest || (!runs && !waits)) return finish(now, exam);
      const bool asks = waits || exam.far == FarEnd::Silent;  // it may be that all were lost
      if (asks && exam.ask_at <= now.at) ask(now, exam, *peer);
      return;
    }
    case Exam::Stage::Over:
      return;
  }
}

/// What it is about has gone meanwhile: then it fails as it would if it were begun now.
bool Network::end_if_futile(Exam& exam) {
  std::optional<CommandError> why;
  if (state_ != State::Member) {
    why = {Failure::RemovedMember, "this computer is not a member of " + name_ + " any more",
           "`ipop leave " + name_ + "`, then join with a new invite"};
  } else if (!up_) {
    why = {Failure::Down, name_ + " is down", "`ipop up " + name_ + "` first"};
  } else if (membership_.find(exam.node) == nullptr) {
    why = {Failure::UnknownMember, "it is not a member of " + name_ + " any more",
           "`ipop status` lists the members"};
  }
  if (!why) return false;
  exam.stage = Exam::Stage::Over;
  ctx_->outputs.emplace_back(CommandUpdate{exam.command, *std::move(why), true});
  return true;
}

/// The session was dead, which the question has shown.
void Network::begin_calling(const Now& now, Exam& exam) {
  exam.stage = Exam::Stage::Calling;
  exam.stage_began = now.at;
}

void Network::begin_asking(const Now& now, Exam& exam, Peer& peer) {
  exam.stage = Exam::Stage::Asking;
  exam.stage_began = now.at;
  exam.asked = 0;
  peer.link->hold(now.at + kHold);
  send_own_candidates(peer);
  send_ping(now, peer);
  ask(now, exam, peer);
}

void Network::ask(const Now& now, Exam& exam, Peer& peer) {
  ++exam.asked;
  exam.ask_at = now.at + kAskAgain;
  peer.link->send(wire::Diagnose{exam.request});
}

void Network::begin_testing(const Now& now, Exam& exam, Peer& peer) {
  exam.stage = Exam::Stage::Testing;
  exam.stage_began = now.at;
  begin_trial(now, peer, exam.far == FarEnd::Answered);
}

void Network::handle_diagnosis(const Now& now, const Peer& peer, const wire::Diagnosis& frame) {
  for (Exam& exam : exams_) {
    if (peer.node != exam.node || frame.request != exam.request) continue;
    if (frame.state == wire::Diagnosis::State::Busy) {
      if (exam.far == FarEnd::Unreached) exam.far = FarEnd::Busy;
    } else if (!exam.there_done) {  // what was sent before it was done may come after
      exam.far = FarEnd::Answered;
      exam.there = frame.findings;
      exam.there_done = frame.state == wire::Diagnosis::State::Done;
    }
    exam.next_at = now.at;
  }
  exam_timeouts(now);
}

/// The other end wants to know. It hears what members are told anyway: how our NAT is, and which of
/// its addresses answer us.
void Network::handle_diagnose(const Now& now, Peer& peer, const wire::Diagnose& frame) {
  if (!peer.node || !peer.diagnosis_budget.take(now.at, kAnswerLimit)) return;
  if (peer.trial_request != frame.request) {
    const bool runs = peer.trial && peer.trial->is_running();
    const bool may_begin =
        runs || (trials_.size() < kTrialsMax && peer.trial_budget.take(now.at, kTrialLimit));
    if (!may_begin) {
      return peer.link->send(wire::Diagnosis{.request = frame.request, .findings = {}});
    }
    peer.trial_request = frame.request;
    begin_trial(now, peer, true);
  }
  const bool runs = peer.trial && peer.trial->is_running();
  peer.link->send(wire::Diagnosis{
      .request = frame.request,
      .state = runs ? wire::Diagnosis::State::Running : wire::Diagnosis::State::Done,
      .findings = findings(now, &peer)});
}

/// `is_agreed`: the other end holds the path as well.
void Network::begin_trial(const Now& now, Peer& peer, bool is_agreed) {
  if (peer.trial && peer.trial->is_running()) return;  // it tries the same ways
  peer.link->hold(now.at + kHold);
  if (!peer.trial) peer.trial.emplace(*ctx_->rng);
  peer.trial->start(now.at, trial_wishes(peer, is_agreed));
  trials_.push_back(peer.handle);
  pump_trial(peer);
}

/// The way in use, whose loss is measured, and all others. Where the other end does not hold the
/// path, nothing is sent that it could take for a move of ours.
std::vector<nat::Trial::Wish> Network::trial_wishes(const Peer& peer, bool is_agreed) const {
  const auto active = peer.link->way();
  std::vector<nat::Trial::Wish> out;
  const auto is_there = [&](const Way& way) {
    return std::ranges::any_of(out, [&](const nat::Trial::Wish& w) { return w.way == way; });
  };
  const auto measure = [&](const Way& way) {
    out.push_back(
        {.way = way, .probes = nat::Trial::kLossProbes, .interval = nat::Trial::kLossInterval});
  };
  if (active && active->kind() != Way::Kind::Routed) measure(*active);
  if (is_agreed || !active || !active->is_direct()) {
    std::vector<Endpoint> known = peer.candidates;
    const auto noted = addresses_.of(*peer.node);
    known.insert(known.end(), noted.begin(), noted.end());
    for (const Endpoint& e : known) {
      if (out.size() == wire::kDiagnosisTestsMax) break;
      if (is_there(e) || !is_acceptable(e)) continue;
      nat::Trial::Wish wish{.way = e};
      if (!has_family(ctx_->local_addresses, e.address.is_v6())) {
        wish.unsent = wire::TestOutcome::NoAddress;
      }
      out.push_back(wish);
    }
  }
  for (const Way& way : peer.link->ways()) {
    if (is_agreed && way.is_relay() && !is_there(way)) measure(way);
  }
  return out;
}

bool Network::take_trial_answer(const Now& now, Peer& peer, const wire::PathResponse& frame) {
  return peer.trial && peer.trial->handle_response(now.at, frame.token);
}

void Network::trial_timeouts(const Now& now, Peer& peer) {
  if (peer.trial_at > now.at) return;
  peer.trial->handle_timeout(now.at);
  pump_trial(peer);
}

void Network::pump_trial(Peer& peer) {
  for (;;) {
    const auto output = peer.trial->poll_output();
    if (const auto* wait = std::get_if<nat::Trial::WaitUntil>(&output)) {
      peer.trial_at = wait->at;
      break;
    }
    const auto& probe = std::get<nat::Trial::SendProbe>(output);
    peer.link->challenge(probe.to, {probe.token});
  }
  if (!peer.trial->is_running()) std::erase(trials_, peer.handle);
}

/// What we know; without a peer, or before a trial, of us alone.
wire::Diagnosis::Findings Network::findings(const Now& now, const Peer* peer) const {
  const auto report = ctx_->outer.report(now.at);
  wire::Diagnosis::Findings out;
  out.port = ctx_->port;
  out.v4 = nat_of(report.v4, has_family(ctx_->local_addresses, false));
  out.v6 = nat_of(report.v6, has_family(ctx_->local_addresses, true));
  out.forwarding = forwarding_of(report);
  if (peer == nullptr || !peer->was_online) return out;
  if (const auto way = peer->link->way()) {
    switch (way->kind()) {
      case Way::Kind::Direct:
        out.path = wire::PathInUse::Direct;
        break;
      case Way::Kind::Stream:
        out.path = wire::PathInUse::Stream;
        break;
      case Way::Kind::Relay:
        out.path = wire::PathInUse::Relay;
        break;
      case Way::Kind::Routed:
        out.path = wire::PathInUse::Routed;
        break;
    }
  }
  if (!peer->trial) return out;
  for (const nat::Trial::Finding& finding : peer->trial->findings()) {
    if (finding.way.is_direct()) out.tests.push_back(test_of(finding));
  }
  return out;
}

void Network::finish(const Now& now, Exam& exam) {
  exam.stage = Exam::Stage::Over;
  const Peer* peer = peers_.look(exam.node);
  const bool is_online = peer != nullptr && peer->was_online;
  if (!is_online) {
    exam.far = FarEnd::Unreached;
    exam.there.reset();
  } else if (exam.far == FarEnd::Silent && peer->trial && hears_us(*peer->trial)) {
    // Who has put the question to us knows it.
    if (!peer->trial_request) exam.far = FarEnd::TooOld;
  }
  Diagnosed out{.far = exam.far, .here = findings(now, peer), .there = std::move(exam.there)};
  out.told = local_.candidates;
  const std::size_t members = membership_.members().size();
  out.others = members > 2 ? members - 2 : 0;
  peers_.look_at_each([&](const Peer& other) {
    if (&other != peer && other.node && other.was_online) ++out.others_online;
  });
  if (peer != nullptr) out.last_seen = peer->link->silence(now.at);
  if (exam.far == FarEnd::Unreached) {
    out.here.tests.clear();
    for (const auto& [endpoint, called] : exam.called) {
      if (out.here.tests.size() == wire::kDiagnosisTestsMax) break;
      const bool v6 = endpoint.address.is_v6();
      const auto unsent = !(v6 ? out.here.v6 : out.here.v4).has_address
                              ? wire::TestOutcome::NoAddress
                              : called.unsent.value_or(wire::TestOutcome::Untried);
      out.here.tests.push_back(
          {.endpoint = endpoint,
           .outcome = called.sent > 0 ? wire::TestOutcome::Silence : unsent,
           .sent = static_cast<std::uint8_t>(std::clamp(called.sent, 0, 255))});
    }
  } else if (is_online) {
    if (const auto leg = leg_of(*peer)) out.endpoint = leg->endpoint();
    out.via = relay_of(*peer);
    out.rtt = peer->link->rtt();
    out.mtu = peer->link->mtu();
  }
  if (is_online && peer->trial && exam.far != FarEnd::Unreached) {
    for (const nat::Trial::Finding& f : peer->trial->findings()) {
      const bool is_relay = f.way.is_relay();
      if (!is_relay && out.endpoint != f.way.endpoint()) continue;
      out.ways.push_back({.endpoint = is_relay ? std::nullopt : std::optional(f.way.endpoint()),
                          .tls = f.way.is_stream(),
                          .via = is_relay ? std::optional(name_of(f.way.hop())) : std::nullopt,
                          .sent = f.sent,
                          .answered = f.answered,
                          .rtt = f.rtt});
    }
  }
  ctx_->outputs.emplace_back(CommandUpdate{exam.command, std::move(out), true});
}

/// Initiations to a member that is not there.
void Network::note_called(const Peer& peer, const Endpoint& to) {
  for (Exam& exam : exams_) {
    if (exam.stage == Exam::Stage::Calling && peer.node == exam.node) ++exam.called[to].sent;
  }
}

void Network::handle_unsent(const Endpoint& to, wire::TestOutcome why) {
  for (Exam& exam : exams_) {
    const auto called = exam.called.find(to);
    if (exam.stage != Exam::Stage::Calling || called == exam.called.end()) continue;
    --called->second.sent;
    called->second.unsent = why;
  }
  for (const PeerHandle handle : trials_) {
    if (Peer* peer = peers_.find(handle)) peer->trial->handle_unsent(to, why);
  }
}

}  // namespace ipop::engine
