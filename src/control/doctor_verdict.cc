#include "control/doctor_verdict.h"

#include <algorithm>
#include <cmath>

namespace ipop::control {
namespace {

bool is_dependent(const DoctorNat& nat) {
  return nat.mapping == NatMapping::AddressDependent ||
         nat.mapping == NatMapping::AddressAndPortDependent;
}
bool is_forwarded(const DoctorSide& side) {
  return side.forwarding == Forwarding::Pcp || side.forwarding == Forwarding::NatPmp ||
         side.forwarding == Forwarding::Upnp;
}
/// What comes to its port gets through its router, whoever sends it.
bool is_open(const DoctorSide& side) {
  return is_forwarded(side) || side.ipv4.filtering == NatFiltering::EndpointIndependent;
}
/// Nobody knows the port that its router gives the next flow.
bool is_hard(const DoctorSide& side) { return is_dependent(side.ipv4) && !is_forwarded(side); }
bool any(const DoctorSide& side, TestResult result) {
  return std::ranges::any_of(side.tests, [&](const AddressTest& t) { return t.result == result; });
}
/// It sent nothing to any address of the other side, and no packet filter of its own is to blame.
bool has_no_way(const DoctorSide& side) {
  return !side.tests.empty() && !any(side, TestResult::Silence) &&
         !any(side, TestResult::Answered) && !any(side, TestResult::Refused);
}
bool has_address(const DoctorSide& side) { return side.ipv4.has_address || side.ipv6.has_address; }
bool have_common_family(const DoctorSide& a, const DoctorSide& b) {
  return (a.ipv4.has_address && b.ipv4.has_address) || (a.ipv6.has_address && b.ipv6.has_address);
}

/// There is still a path by name, but nothing comes back by it.
bool is_dead(const DoctorPath& path) { return path.sent > 0 && path.answered == 0; }

/// A session there is, and the other side has told what it found.
PathCause cause_of_two(const DoctorSide& here, const DoctorSide& there) {
  if (any(here, TestResult::Answered) || any(there, TestResult::Answered)) {
    return PathCause::MovesToDirect;
  }
  if (refuses_to_send(there)) return PathCause::FarFirewall;
  if (!has_address(here) || !has_address(there)) return PathCause::NoAddress;
  if (!have_common_family(here, there)) return PathCause::NoCommonFamily;
  if (here.tests.empty()) return PathCause::NothingTold;
  if (has_no_way(here) || has_no_way(there)) return PathCause::NoWay;
  const bool both_v4 = here.ipv4.has_address && there.ipv4.has_address;
  if (both_v4 && !is_open(here) && !is_open(there)) {
    if (is_hard(here) && is_hard(there)) return PathCause::BothHard;
    if (is_hard(here) || is_hard(there)) return PathCause::OneHard;
  }
  const bool unknown =
      here.ipv4.mapping == NatMapping::Unknown || there.ipv4.mapping == NatMapping::Unknown;
  return both_v4 && unknown ? PathCause::UnknownNat : PathCause::Filtered;
}

PathCause cause_of(const DoctorReply& r) {
  if (r.path.path.kind == PathKind::Direct && !is_dead(r.path)) return PathCause::Direct;
  const bool drops = r.firewall.incoming == LocalFirewall::Effect::Drops && !is_heard(r);
  if (r.firewall.refuses_outgoing || drops) return PathCause::LocalFirewall;
  if (r.far == FarEnd::Unreached) {
    if (!has_address(r.here)) return PathCause::NoAddress;
    return r.others > 0 && r.others_online == 0 ? PathCause::CutOff : PathCause::Offline;
  }
  if (r.far == FarEnd::Silent && is_dead(r.path)) return PathCause::Offline;
  if (r.there) return cause_of_two(r.here, *r.there);
  if (any(r.here, TestResult::Answered)) return PathCause::MovesToDirect;
  return PathCause::FarUnknown;
}

// ---- words -------------------------------------------------------------------------------------

std::string port_of(const DoctorSide& side) { return "UDP port " + std::to_string(side.port); }

/// "12 ms", "0.4 ms".
std::string round_trip(Duration rtt) {
  const double ms = static_cast<double>(rtt.count()) / 1e6;
  if (ms >= 10) return std::to_string(std::lround(ms)) + " ms";
  const long tenths = std::max(std::lround(ms * 10), 1L);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

std::string firewall_text(const DoctorReply& r) {
  if (r.firewall.refuses_outgoing) {
    return "this computer's own firewall refuses to send from " + port_of(r.here);
  }
  std::string out = "this computer's own firewall drops what comes to " + port_of(r.here);
  if (!r.firewall.chain) return out;
  out += " (nftables chain " + *r.firewall.chain;
  out +=
      r.firewall.rule ? ", rule with handle " + std::to_string(*r.firewall.rule) : ", its policy";
  return out + ")";
}

std::string families_of(const DoctorSide& side) { return side.ipv4.has_address ? "IPv4" : "IPv6"; }

std::string far_text(const DoctorReply& r) {
  switch (r.far) {
    case FarEnd::TooOld:
      return r.member + "'s ipop is too old to answer";
    case FarEnd::Busy:
      return r.member + " was asked too often in the last ten seconds";
    case FarEnd::Silent:
    case FarEnd::Answered:
    case FarEnd::Unreached:
      return r.member + " did not answer in time";
  }
  return {};
}

/// What follows "because".
std::string reason(const DoctorReply& r, PathCause cause) {
  switch (cause) {
    case PathCause::Direct:
      return {};
    case PathCause::MovesToDirect:
      return "the direct path that this test has just found is not in use yet";
    case PathCause::LocalFirewall:
      return firewall_text(r);
    case PathCause::FarFirewall:
      return r.member + "'s own system refuses to send to this computer, as a local firewall does";
    case PathCause::BothHard:
      return "both routers give every connection another port";
    case PathCause::OneHard:
      return is_hard(r.here) ? "this computer's router gives every connection another port, and " +
                                   r.member + "'s lets in only what it has called"
                             : r.member +
                                   "'s router gives every connection another port, and "
                                   "this computer's lets in only what it has called";
    case PathCause::NoCommonFamily:
      return "this computer has " + families_of(r.here) + " alone and " + r.member + " " +
             families_of(*r.there) + " alone";
    case PathCause::NoAddress:
      return (has_address(r.here) ? r.member : "this computer") + " has no address on any network";
    case PathCause::NothingTold:
      return r.member + " has not told yet where it is";
    case PathCause::Filtered:
      return "every address stays silent in both directions: a firewall in front of one of them "
             "drops UDP";
    case PathCause::NoWay:
      return has_no_way(r.here) ? "this computer has no way to any address of " + r.member
                                : r.member + " has no way to any address of this computer";
    case PathCause::UnknownNat: {
      const bool here = r.here.ipv4.mapping == NatMapping::Unknown;
      return "every address stays silent, and nobody knows yet how the router of " +
             (here ? "this computer" : r.member) + " treats ports";
    }
    case PathCause::FarUnknown:
      return {};
    case PathCause::Offline:
      return r.member + " does not answer";
    case PathCause::CutOff:
      return "no member of " + r.network + " answers this computer";
  }
  return {};
}

std::string text_of(const DoctorReply& r, PathCause cause) {
  const PathStatus& path = r.path.path;
  const std::string time = path.rtt ? ", " + round_trip(*path.rtt) : "";
  const std::string why = cause == PathCause::FarUnknown ? "; why is not known: " + far_text(r)
                                                         : ", because " + reason(r, cause);
  if (cause != PathCause::Direct && is_dead(r.path)) return "no path any more" + why;
  switch (path.kind) {
    case PathKind::Direct:
      return "direct by UDP" + time;
    case PathKind::Tls:
      return "by TLS to " + (path.endpoint ? path.endpoint->to_string() : "the member") + time +
             why;
    case PathKind::Relay:
      return "relayed through " + path.via.value_or("a member") + time + why;
    case PathKind::None:
      return (r.far == FarEnd::Unreached ? "no path" : "no path but from member to member") + why;
  }
  return {};
}

// ---- what would help ---------------------------------------------------------------------------

std::string forward_here(const DoctorReply& r) {
  if (r.here.forwarding == Forwarding::Off) {
    return "switch port mapping on in /etc/ipop/ipopd.toml ([nat] port_mapping), or forward " +
           port_of(r.here) + " to this computer on its router";
  }
  return "forward " + port_of(r.here) +
         " to this computer on its router, or switch on PCP or "
         "NAT-PMP there";
}
std::string forward_there(const DoctorReply& r) {
  return "forward " + port_of(*r.there) + " to " + r.member +
         " on its router, or switch on PCP or "
         "NAT-PMP there";
}

std::vector<std::string> forward_either(const DoctorReply& r) {
  std::vector<std::string> out{forward_here(r), "or " + forward_there(r)};
  const bool both_v6 = r.here.ipv6.has_address && r.there->ipv6.has_address;
  out.push_back(both_v6 ? "or let UDP over IPv6 in on either side: both have IPv6, but a firewall "
                          "keeps it out"
                        : "or give both sides IPv6");
  return out;
}

std::vector<std::string> firewall_help(const DoctorReply& r) {
  if (r.firewall.refuses_outgoing) {
    return {"let UDP from source port " + std::to_string(r.here.port) +
            " out: `nft list ruleset` shows the rule in a chain with `hook output`"};
  }
  if (!r.firewall.chain) return {"let " + port_of(r.here) + " in"};
  return {"let it in: nft insert rule " + *r.firewall.chain + " udp dport " +
          std::to_string(r.here.port) + " accept"};
}

std::vector<std::string> help(const DoctorReply& r, PathCause cause) {
  const std::string ask_there =
      "run `ipop doctor " + r.self + "` on " + r.member + ", which names a firewall of its own";
  switch (cause) {
    case PathCause::Direct:
      return {};
    case PathCause::MovesToDirect:
      return {"nothing is to be done: run this again in some seconds"};
    case PathCause::LocalFirewall:
      return firewall_help(r);
    case PathCause::FarFirewall:
      return {"let " + port_of(*r.there) + " out and in on " + r.member, ask_there};
    case PathCause::BothHard:
    case PathCause::OneHard:
      return forward_either(r);
    case PathCause::NoCommonFamily:
      return {"give " + (r.here.ipv6.has_address ? r.member : std::string("this computer")) +
              " IPv6, or the other one IPv4; until then a member that has both carries packets"};
    case PathCause::NoAddress:
      return {"connect it to a network; ipopd notices by itself"};
    case PathCause::NothingTold:
      return {"try again in some seconds"};
    case PathCause::Filtered:
      return {"let " + port_of(r.here) + " in here, or " + port_of(*r.there) + " at " + r.member +
                  ", on the router and on the computer",
              ask_there};
    case PathCause::NoWay:
      return {
          "see that both have a network in common: the list of addresses says which one "
          "each side has no route to, or no address for"};
    case PathCause::UnknownNat: {
      std::vector<std::string> out{
          "try again when two other members are connected directly, or name two STUN servers "
          "in /etc/ipop/ipopd.toml, [nat]"};
      if (!is_open(r.here)) out.push_back(forward_here(r));
      return out;
    }
    case PathCause::FarUnknown:
      if (r.far == FarEnd::TooOld) return {"update ipop on " + r.member};
      return {r.far == FarEnd::Busy ? "try again in ten seconds" : "try again"};
    case PathCause::Offline:
      return {"switch " + r.member + "'s computer on and see `ipop status` there; is it on, " +
              "run `ipop doctor " + r.self + "` there"};
    case PathCause::CutOff:
      return {
          "see that the network that this computer is in lets UDP out; `ipop netcheck` shows "
          "how it is seen from outside"};
  }
  return {};
}

}  // namespace

bool refuses_to_send(const DoctorSide& side) {
  return any(side, TestResult::Refused) && !any(side, TestResult::Silence) &&
         !any(side, TestResult::Answered);
}

bool is_heard(const DoctorReply& r) {
  const bool v6 = !r.here.ipv4.has_address && r.here.ipv6.has_address;
  const auto shows = [&](const AddressTest& t) {
    return t.result == TestResult::Answered && t.address.address.is_v6() == v6;
  };
  if (r.far == FarEnd::Unreached) return false;
  if (std::ranges::any_of(r.here.tests, shows)) return true;
  if (r.relay && r.relay->answered > 0) return true;
  const auto& endpoint = r.path.path.endpoint;
  if (endpoint && endpoint->address.is_v6() != v6) return false;
  if (r.path.sent > 0) return r.path.answered > 0;
  return r.far != FarEnd::Silent;
}

DoctorVerdict verdict_of(const DoctorReply& reply) {
  const PathCause cause = cause_of(reply);
  return {.cause = cause, .text = text_of(reply, cause), .next = help(reply, cause)};
}

}  // namespace ipop::control
