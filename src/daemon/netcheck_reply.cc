#include "daemon/netcheck_reply.h"

#include <algorithm>

#include "nat/public_address.h"

namespace ipop::daemon {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace): its structs are all this is about

NatMapping mapping_of(nat::MappingKind kind) {
  switch (kind) {
    case nat::MappingKind::Unknown:
      return NatMapping::Unknown;
    case nat::MappingKind::None:
      return NatMapping::None;
    case nat::MappingKind::EndpointIndependent:
      return NatMapping::EndpointIndependent;
    case nat::MappingKind::AddressDependent:
      return NatMapping::AddressDependent;
    case nat::MappingKind::AddressAndPortDependent:
      return NatMapping::AddressAndPortDependent;
  }
  return NatMapping::Unknown;
}

NatFiltering filtering_of(nat::FilteringKind kind) {
  switch (kind) {
    case nat::FilteringKind::Unknown:
      return NatFiltering::Unknown;
    case nat::FilteringKind::EndpointIndependent:
      return NatFiltering::EndpointIndependent;
    case nat::FilteringKind::AddressDependent:
      return NatFiltering::AddressDependent;
    case nat::FilteringKind::AddressAndPortDependent:
      return NatFiltering::AddressAndPortDependent;
  }
  return NatFiltering::Unknown;
}

NatPorts ports_of(const nat::Classifier::Conclusion& conclusion) {
  if (conclusion.step) return NatPorts::Sequential;
  switch (conclusion.ports) {
    case nat::PortPreservation::Unknown:
      return NatPorts::Unknown;
    case nat::PortPreservation::Preserved:
      return NatPorts::Preserved;
    case nat::PortPreservation::Changed:
      return NatPorts::Changed;
  }
  return NatPorts::Unknown;
}

GatewayProtocol protocol_of(nat::OuterAddresses::Protocol protocol) {
  switch (protocol) {
    case nat::OuterAddresses::Protocol::Pcp:
      return GatewayProtocol::Pcp;
    case nat::OuterAddresses::Protocol::NatPmp:
      return GatewayProtocol::NatPmp;
    case nat::OuterAddresses::Protocol::Igd:
      return GatewayProtocol::Upnp;
  }
  return GatewayProtocol::None;
}

GatewayStatus gateway_of(const nat::OuterAddresses::GatewayState& state) {
  GatewayStatus out{state.gateway.to_string(), GatewayProtocol::None, state.external};
  if (state.external) {
    out.protocol = protocol_of(state.protocol);
  } else if (state.asking) {
    out.protocol = GatewayProtocol::Asking;
  }
  return out;
}

/// To strangers, that is: not where a provider's NAT is in front of the router.
bool is_forwarded(const GatewayStatus& gateway) {
  return gateway.external && nat::is_public(gateway.external->address);
}

bool is_hard(const NatStatus& family) {
  return family.mapping == NatMapping::AddressDependent ||
         family.mapping == NatMapping::AddressAndPortDependent;
}

bool was_seen(const NetcheckReply& reply) {
  const bool answered =
      std::ranges::any_of(reply.stun, [](const StunStatus& s) { return s.seen.has_value(); });
  return answered || !reply.ipv4.seen.empty() || !reply.ipv6.seen.empty();
}

std::string forward_hint(const NetcheckReply& reply) {
  return "forward UDP port " + std::to_string(reply.port) +
         " to this computer on the router, or switch on PCP, NAT-PMP or UPnP there";
}

}  // namespace

NetcheckReply netcheck_of(const nat::OuterAddresses::Report& report,
                          const std::vector<IpAddress>& local) {
  NetcheckReply out;
  const auto fill = [&](NatStatus& family, const nat::Classifier::Conclusion& c, bool v6) {
    family.mapping = mapping_of(c.mapping);
    family.filtering = filtering_of(c.filtering);
    family.ports = ports_of(c);
    family.external = c.external;
    for (const Endpoint& e : report.seen) {
      if (e.address.is_v6() == v6) family.seen.push_back(e);
    }
    for (const IpAddress& a : local) {
      if (a.is_v6() == v6) family.addresses.push_back(a.to_string());
    }
  };
  fill(out.ipv4, report.v4, false);
  fill(out.ipv6, report.v6, true);
  for (const auto& state : report.gateways) out.gateways.push_back(gateway_of(state));
  for (const auto& answer : report.stun) out.stun.push_back({answer.server, answer.seen});
  return out;
}

std::vector<Health> advice_on(const NetcheckReply& reply) {
  std::vector<Health> out;
  const bool forwarded = std::ranges::any_of(reply.gateways, is_forwarded);
  if (is_hard(reply.ipv4) && !forwarded) {
    out.push_back({"hard_nat",
                   "the NAT gives each member another port of ours: only members that are "
                   "reachable themselves get a direct path, the others are reached through members",
                   forward_hint(reply)});
  }
  if (reply.ipv4.addresses.empty() && reply.ipv6.addresses.empty()) {
    out.push_back({"no_address", "this computer has no address on any network",
                   "connect it; ipopd notices by itself"});
  } else if (!was_seen(reply) && !forwarded) {
    out.push_back({"not_seen",
                   "nobody has said yet how this computer is seen from outside: no member is "
                   "connected directly, and no STUN server answered",
                   "connect to a member (`ipop status`), or name STUN servers in "
                   "/etc/ipop/ipopd.toml, [nat]"});
  }
  return out;
}

}  // namespace ipop::daemon
