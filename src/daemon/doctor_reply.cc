#include "daemon/doctor_reply.h"

#include <algorithm>

#include "control/doctor_verdict.h"

namespace ipop::daemon {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace): its structs are all this is about

NatMapping mapping_of(wire::NatMapping mapping) {
  switch (mapping) {
    case wire::NatMapping::Unknown:
      return NatMapping::Unknown;
    case wire::NatMapping::None:
      return NatMapping::None;
    case wire::NatMapping::EndpointIndependent:
      return NatMapping::EndpointIndependent;
    case wire::NatMapping::AddressDependent:
      return NatMapping::AddressDependent;
    case wire::NatMapping::AddressAndPortDependent:
      return NatMapping::AddressAndPortDependent;
  }
  return NatMapping::Unknown;
}

NatFiltering filtering_of(wire::NatFiltering filtering) {
  switch (filtering) {
    case wire::NatFiltering::Unknown:
      return NatFiltering::Unknown;
    case wire::NatFiltering::EndpointIndependent:
      return NatFiltering::EndpointIndependent;
    case wire::NatFiltering::AddressDependent:
      return NatFiltering::AddressDependent;
    case wire::NatFiltering::AddressAndPortDependent:
      return NatFiltering::AddressAndPortDependent;
  }
  return NatFiltering::Unknown;
}

NatPorts ports_of(wire::NatPorts ports) {
  switch (ports) {
    case wire::NatPorts::Unknown:
      return NatPorts::Unknown;
    case wire::NatPorts::Preserved:
      return NatPorts::Preserved;
    case wire::NatPorts::Changed:
      return NatPorts::Changed;
    case wire::NatPorts::Sequential:
      return NatPorts::Sequential;
  }
  return NatPorts::Unknown;
}

Forwarding forwarding_of(wire::PortForwarding forwarding) {
  switch (forwarding) {
    case wire::PortForwarding::None:
      return Forwarding::None;
    case wire::PortForwarding::Asking:
      return Forwarding::Asking;
    case wire::PortForwarding::Pcp:
      return Forwarding::Pcp;
    case wire::PortForwarding::NatPmp:
      return Forwarding::NatPmp;
    case wire::PortForwarding::Upnp:
      return Forwarding::Upnp;
    case wire::PortForwarding::Off:
      return Forwarding::Off;
  }
  return Forwarding::None;
}

/// What goes from member to member is no path yet.
PathKind path_of(wire::PathInUse path) {
  switch (path) {
    case wire::PathInUse::None:
    case wire::PathInUse::Routed:
      return PathKind::None;
    case wire::PathInUse::Direct:
      return PathKind::Direct;
    case wire::PathInUse::Relay:
      return PathKind::Relay;
    case wire::PathInUse::Stream:
      return PathKind::Tls;
  }
  return PathKind::None;
}

TestResult result_of(wire::TestOutcome outcome) {
  switch (outcome) {
    case wire::TestOutcome::Silence:
      return TestResult::Silence;
    case wire::TestOutcome::Answered:
      return TestResult::Answered;
    case wire::TestOutcome::NoAddress:
      return TestResult::NoAddress;
    case wire::TestOutcome::Refused:
      return TestResult::Refused;
    case wire::TestOutcome::NoRoute:
      return TestResult::NoRoute;
    case wire::TestOutcome::Untried:
      return TestResult::Untried;
  }
  return TestResult::Untried;
}

FarEnd far_of(engine::FarEnd far) {
  switch (far) {
    case engine::FarEnd::Answered:
      return FarEnd::Answered;
    case engine::FarEnd::Busy:
      return FarEnd::Busy;
    case engine::FarEnd::TooOld:
      return FarEnd::TooOld;
    case engine::FarEnd::Silent:
      return FarEnd::Silent;
    case engine::FarEnd::Unreached:
      return FarEnd::Unreached;
  }
  return FarEnd::Unreached;
}

DoctorNat nat_of(const wire::NatKind& nat) {
  return {.has_address = nat.has_address,
          .mapping = mapping_of(nat.mapping),
          .filtering = filtering_of(nat.filtering),
          .ports = ports_of(nat.ports)};
}

DoctorSide side_of(const wire::Diagnosis::Findings& findings) {
  DoctorSide out{.port = findings.port,
                 .ipv4 = nat_of(findings.v4),
                 .ipv6 = nat_of(findings.v6),
                 .forwarding = forwarding_of(findings.forwarding),
                 .path = path_of(findings.path)};
  for (const wire::AddressTest& t : findings.tests) {
    AddressTest test{.address = t.endpoint,
                     .result = result_of(t.outcome),
                     .sent = t.sent,
                     .answered = t.answered};
    if (t.answered > 0) test.rtt = std::chrono::microseconds(t.rtt_us);
    out.tests.push_back(test);
  }
  return out;
}

DoctorPath measured(const engine::WayFigures& way) {
  return {.path = {.kind = way.via   ? PathKind::Relay
                           : way.tls ? PathKind::Tls
                                     : PathKind::Direct,
                   .endpoint = way.endpoint,
                   .via = way.via,
                   .rtt = way.rtt},
          .sent = static_cast<std::uint32_t>(way.sent),
          .answered = static_cast<std::uint32_t>(way.answered)};
}

/// The member gave none of its addresses to test that we know of: they are named all the same.
void add_untried(DoctorSide& side, const std::vector<Endpoint>& addresses) {
  for (const Endpoint& e : addresses) {
    const auto is_it = [&](const AddressTest& t) { return t.address == e; };
    if (std::ranges::none_of(side.tests, is_it)) side.tests.push_back({.address = e});
  }
}

}  // namespace

void fill_in(DoctorReply& reply, const engine::Diagnosed& found) {
  reply.far = far_of(found.far);
  reply.here = side_of(found.here);
  if (found.there) reply.there = side_of(*found.there);
  reply.told = found.told;
  if (reply.there) add_untried(*reply.there, found.told);
  reply.path.path = {.kind = path_of(found.here.path),
                     .endpoint = found.endpoint,
                     .via = found.via,
                     .rtt = found.rtt,
                     .mtu = found.mtu};
  if (reply.path.path.kind == PathKind::None) reply.path.path = {};
  for (AddressTest& test : reply.here.tests) test.in_use = test.address == found.endpoint;
  for (const engine::WayFigures& way : found.ways) {
    DoctorPath figures = measured(way);
    if (reply.path.sent == 0 && figures.path.kind == reply.path.path.kind &&
        figures.path.via == found.via && figures.path.endpoint == found.endpoint) {
      reply.path.sent = figures.sent;
      reply.path.answered = figures.answered;
      if (figures.path.rtt) reply.path.path.rtt = figures.path.rtt;
    } else if (figures.path.kind == PathKind::Relay && !reply.relay) {
      reply.relay = figures;
    }
  }
  if (found.last_seen) {
    reply.last_seen = std::chrono::duration_cast<std::chrono::seconds>(*found.last_seen);
  }
  reply.others = static_cast<std::uint32_t>(found.others);
  reply.others_online = static_cast<std::uint32_t>(found.others_online);
  reply.firewall.refuses_outgoing = refuses_to_send(reply.here);
}

void note_firewall(DoctorReply& reply, const os::NftRuleset& rules) {
  using Effect = LocalFirewall::Effect;
  using Fate = os::NftJudgement::Fate;
  const bool v6 = !reply.here.ipv4.has_address && reply.here.ipv6.has_address;
  const auto judge = [&](bool established) {
    return os::judge_incoming_udp(
        rules, {.port = reply.here.port, .is_v6 = v6, .is_established = established});
  };
  const auto stranger = judge(false);
  const auto answer = judge(true);
  LocalFirewall& out = reply.firewall;
  if (answer.fate == Fate::Dropped && stranger.fate == Fate::Dropped) {
    if (is_heard(reply)) return;
    out.incoming = Effect::Drops;
    out.chain = answer.chain;
    out.rule = answer.rule;
  } else if (answer.fate != Fate::Accepted || stranger.fate == Fate::Unknown) {
    out.incoming = Effect::Unknown;
  } else if (stranger.fate == Fate::Dropped) {
    out.incoming = Effect::AnswersOnly;
    out.chain = stranger.chain;
    out.rule = stranger.rule;
  } else {
    out.incoming = Effect::Open;
  }
}

}  // namespace ipop::daemon
