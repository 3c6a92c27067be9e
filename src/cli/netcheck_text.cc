#include <fmt/format.h>

#include <string_view>

#include "cli/format.h"
#include "cli/text.h"

namespace ipop::cli {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace): its structs are all this is about

std::string mapping_text(const NatStatus& family) {
  switch (family.mapping) {
    case NatMapping::Unknown:
      return "NAT not known yet (two members or servers must have seen us)";
    case NatMapping::None:
      return "no NAT";
    case NatMapping::EndpointIndependent:
      return "NAT with endpoint-independent mapping: direct paths to most members";
    case NatMapping::AddressDependent:
      return "NAT with address-dependent mapping (symmetric)";
    case NatMapping::AddressAndPortDependent:
      return "NAT with address- and port-dependent mapping (symmetric)";
  }
  return "";
}

std::string_view filtering_text(NatFiltering filtering) {
  switch (filtering) {
    case NatFiltering::Unknown:
      return "filtering not known";
    case NatFiltering::EndpointIndependent:
      return "endpoint-independent filtering: strangers reach us";
    case NatFiltering::AddressDependent:
      return "address-dependent filtering";
    case NatFiltering::AddressAndPortDependent:
      return "address- and port-dependent filtering";
  }
  return "";
}

std::string_view ports_text(NatPorts ports) {
  switch (ports) {
    case NatPorts::Unknown:
      return "";
    case NatPorts::Preserved:
      return ", port kept";
    case NatPorts::Changed:
      return ", port changed";
    case NatPorts::Sequential:
      return ", ports counted up";
  }
  return "";
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string family_text(std::string_view label, const NatStatus& family) {
  if (family.addresses.empty()) return line(label, "no address");
  std::string out = line(label, joined(family.addresses));
  out += line("", mapping_text(family));
  if (family.mapping != NatMapping::Unknown && family.mapping != NatMapping::None) {
    out +=
        line("", fmt::format("{}{}", filtering_text(family.filtering), ports_text(family.ports)));
  }
  std::vector<std::string> seen;
  for (const Endpoint& e : family.seen) seen.push_back(e.to_string());
  if (!seen.empty()) out += line("", "seen as " + joined(seen));
  return out;
}

std::string_view protocol_text(GatewayProtocol protocol) {
  switch (protocol) {
    case GatewayProtocol::None:
    case GatewayProtocol::Asking:
      return "";
    case GatewayProtocol::Pcp:
      return "PCP";
    case GatewayProtocol::NatPmp:
      return "NAT-PMP";
    case GatewayProtocol::Upnp:
      return "UPnP";
  }
  return "";
}

std::string gateway_text(const GatewayStatus& gateway, bool upnp) {
  if (gateway.protocol == GatewayProtocol::None) {
    return fmt::format("{}: forwards nothing (no PCP, no NAT-PMP{})", gateway.address,
                       upnp ? ", no UPnP" : "; UPnP is switched off in ipopd.toml");
  }
  if (gateway.protocol == GatewayProtocol::Asking) return gateway.address + ": being asked";
  return fmt::format("{}: forwards {} ({})", gateway.address,
                     gateway.external ? gateway.external->to_string() : "a port",
                     protocol_text(gateway.protocol));
}

}  // namespace

std::string text_of(const NetcheckReply& reply) {
  std::string out = line("port", fmt::format("udp {}", reply.port));
  out += family_text("IPv4", reply.ipv4);
  out += family_text("IPv6", reply.ipv6);
  if (!reply.port_mapping) {
    out += line("router", "not asked to forward our port: switched off in ipopd.toml");
  }
  for (const GatewayStatus& gateway : reply.gateways) {
    out += line("router", gateway_text(gateway, reply.upnp));
  }
  for (const StunStatus& stun : reply.stun) {
    out += line("stun", fmt::format("{}: {}", stun.server.to_string(),
                                    stun.seen ? "sees " + stun.seen->to_string() : "no answer"));
  }
  return out + text_of(reply.health);
}

}  // namespace ipop::cli
