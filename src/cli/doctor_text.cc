#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/format.h"
#include "cli/text.h"

namespace ipop::cli {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace): its structs are all this is about

std::string loss_text(std::uint32_t sent, std::uint32_t answered) {
  if (sent == 0) return "";
  return fmt::format(", {} of {} lost", sent - std::min(answered, sent), sent);
}

std::string path_text(const DoctorPath& measured) {
  const PathStatus& path = measured.path;
  std::string out;
  switch (path.kind) {
    case PathKind::None:
      return "none";
    case PathKind::Direct:
      out = "direct, udp " + (path.endpoint ? path.endpoint->to_string() : "");
      break;
    case PathKind::Tls:
      out = "tls " + (path.endpoint ? path.endpoint->to_string() : "");
      break;
    case PathKind::Relay:
      out = "through " + path.via.value_or("a member");
      break;
  }
  if (path.rtt) out += ", " + rtt_text(*path.rtt);
  out += loss_text(measured.sent, measured.answered);
  if (path.mtu) out += fmt::format(", packets up to {} bytes", *path.mtu);
  return out;
}

std::string mapping_text(const DoctorNat& nat) {
  switch (nat.mapping) {
    case NatMapping::Unknown:
      return "NAT not known yet";
    case NatMapping::None:
      return "no NAT";
    case NatMapping::EndpointIndependent:
      return "NAT, the same port for everybody";
    case NatMapping::AddressDependent:
      return "NAT, another port for each address (symmetric)";
    case NatMapping::AddressAndPortDependent:
      return "NAT, another port for each connection (symmetric)";
  }
  return "";
}

std::string_view filtering_text(NatFiltering filtering) {
  switch (filtering) {
    case NatFiltering::Unknown:
      return "";
    case NatFiltering::EndpointIndependent:
      return ", lets everybody in";
    case NatFiltering::AddressDependent:
      return ", lets in whom it called";
    case NatFiltering::AddressAndPortDependent:
      return ", lets in whom it called, at that port";
  }
  return "";
}

std::string nat_text(const DoctorNat& nat) {
  if (!nat.has_address) return "no address";
  std::string out = mapping_text(nat);
  out += filtering_text(nat.filtering);
  if (nat.ports == NatPorts::Sequential) out += ", ports counted up";
  return out;
}

std::string_view forwarding_text(Forwarding forwarding) {
  switch (forwarding) {
    case Forwarding::None:
      return "router forwards nothing by itself";
    case Forwarding::Asking:
      return "router is being asked to forward the port";
    case Forwarding::Pcp:
      return "router forwards the port (PCP)";
    case Forwarding::NatPmp:
      return "router forwards the port (NAT-PMP)";
    case Forwarding::Upnp:
      return "router forwards the port (UPnP)";
    case Forwarding::Off:
      return "router is not asked to forward the port: switched off in ipopd.toml";
  }
  return "";
}

std::string side_text(std::string_view label, const DoctorSide& side) {
  std::string out = line(label, fmt::format("udp port {}", side.port));
  out += line("", "IPv4: " + nat_text(side.ipv4));
  out += line("", "IPv6: " + nat_text(side.ipv6));
  return out + line("", forwarding_text(side.forwarding));
}

std::string far_text(const DoctorReply& reply) {
  switch (reply.far) {
    case FarEnd::Answered:
      return "";
    case FarEnd::Busy:
      return "was asked too often in the last ten seconds";
    case FarEnd::TooOld:
      return "its ipop is too old to answer";
    case FarEnd::Silent:
      return "did not answer the question";
    case FarEnd::Unreached:
      return reply.last_seen ? "last heard " + span_text(*reply.last_seen) + " ago"
                             : "not heard since the daemon started here";
  }
  return "";
}

std::string result_text(const AddressTest& test, bool ours) {
  switch (test.result) {
    case TestResult::Answered:
      return fmt::format("answered{}{}", test.rtt ? " in " + rtt_text(*test.rtt) : "",
                         test.answered < test.sent
                             ? fmt::format(", {} of {} lost", test.sent - test.answered, test.sent)
                             : "");
    case TestResult::Silence:
      return fmt::format("silence, after {} datagrams", test.sent);
    case TestResult::NoAddress:
      return fmt::format("not sent: no {} address {}",
                         test.address.address.is_v6() ? "IPv6" : "IPv4", ours ? "here" : "there");
    case TestResult::Refused:
      return fmt::format("not sent: the system {} refused, as a local firewall does",
                         ours ? "here" : "there");
    case TestResult::NoRoute:
      return fmt::format("not sent: no route {}", ours ? "here" : "there");
    case TestResult::Untried:
      return "not sent: the address was not known, or its turn did not come";
  }
  return "";
}

std::string tests_text(std::string_view label, const std::vector<AddressTest>& tests, bool ours) {
  std::string out;
  std::size_t width = 0;
  for (const AddressTest& t : tests) width = std::max(width, t.address.to_string().size());
  for (const AddressTest& t : tests) {
    out += line(out.empty() ? label : "",
                fmt::format("{:<{}}  {}{}", t.address.to_string(), width, result_text(t, ours),
                            t.in_use ? " (in use)" : ""));
  }
  return out.empty() ? line(label, "no address is known") : out;
}

std::string firewall_text(const DoctorReply& reply) {
  const LocalFirewall& wall = reply.firewall;
  const std::string where = wall.chain ? " (nftables chain " + *wall.chain + ")" : "";
  if (wall.refuses_outgoing) return line("firewall", "this computer's refuses to send");
  switch (wall.incoming) {
    case LocalFirewall::Effect::Unknown:
    case LocalFirewall::Effect::Open:
      return "";
    case LocalFirewall::Effect::AnswersOnly:
      return line("firewall", "this computer's lets answers in, not strangers" + where);
    case LocalFirewall::Effect::Drops:
      return line("firewall", "this computer's drops what comes to our port" + where);
  }
  return "";
}

}  // namespace

std::string text_of(const DoctorReply& reply) {
  std::string out = reply.member + ": " + reply.verdict.text + "\n";
  for (const std::string& step : reply.verdict.next) out += line("", "> " + step);
  out += line("path", path_text(reply.path));
  if (reply.relay) out += line("relay", path_text(*reply.relay));
  out += side_text("here", reply.here) + firewall_text(reply);
  if (reply.there) {
    out += side_text("there", *reply.there);
  } else {
    out += line("there", far_text(reply));
  }
  out += tests_text("tried", reply.here.tests, true);
  if (reply.there) out += tests_text("back", reply.there->tests, false);
  return out;
}

}  // namespace ipop::cli
