#include "engine/resolver.h"

#include <algorithm>

#include "wire/dns.h"

namespace ipop::engine {
namespace {

wire::DnsSoa soa_of(const std::string& zone) {
  return {zone, "ns." + zone, "hostmaster." + zone, 1, NameTable::kTtlSeconds};
}

bool in_48(const Ipv6& address, const Ipv6& prefix) {
  return std::equal(prefix.bytes.begin(), prefix.bytes.begin() + 6, address.bytes.begin());
}

}  // namespace

void NameTable::add(const Network& network) {
  const std::string zone_name = network.name() + ".internal";
  Zone zone;
  zone.pool = network.pool();
  zone.prefix6 = member::ipv6_prefix_of(network.id());
  for (const auto& [node, m] : network.membership().members()) {
    if (m.name.empty()) continue;
    zone.hosts[m.name] = {m.v4, m.v6};
    const std::string full = m.name + "." + zone_name;
    if (m.v4) reverse_[*m.v4] = full;
    reverse_[m.v6] = full;
  }
  for (const auto& [grant, device] : network.membership().devices()) {
    zone.hosts[device.name] = {device.v4, device.v6};
    const std::string full = device.name + "." + zone_name;
    reverse_[device.v4] = full;
    reverse_[device.v6] = full;
  }
  zones_[zone_name] = std::move(zone);
}

std::optional<ByteVector> NameTable::answer(Bytes message, bool over_tcp) const {
  const auto query = wire::parse_dns_query(message);
  if (!query) return std::nullopt;
  const std::size_t size_max = over_tcp ? wire::kDnsTcpSizeMax : wire::dns_udp_size(*query);
  wire::DnsAnswer answer;
  answer.ttl_seconds = kTtlSeconds;
  answer.rcode = query->verdict;
  const auto finish = [&] {
    ByteVector out;
    wire::write_dns_answer(*query, answer, size_max, out);
    return out;
  };
  if (query->verdict != wire::DnsRcode::NoError) return finish();
  if (query->dns_class != wire::kDnsClassIn && query->dns_class != wire::kDnsClassAny) {
    answer.rcode = wire::DnsRcode::Refused;
    return finish();
  }
  const auto wants = [&](std::uint16_t type) {
    return query->type == type || query->type == wire::kDnsTypeAny;
  };

  if (const auto address = wire::address_of_reverse_name(query->name)) {
    const auto zone = std::find_if(zones_.begin(), zones_.end(), [&](const auto& z) {
      if (address->is_v6()) return in_48(address->v6(), z.second.prefix6);
      return z.second.pool && z.second.pool->contains(address->v4());
    });
    if (zone == zones_.end()) {
      answer.rcode = wire::DnsRcode::Refused;
      return finish();
    }
    answer.authoritative = true;
    const auto name = reverse_.find(*address);
    if (name == reverse_.end()) {
      answer.rcode = wire::DnsRcode::NxDomain;
    } else if (wants(wire::kDnsTypePtr)) {
      answer.data.emplace_back(wire::DnsPointer{name->second});
    }
    if (answer.data.empty()) answer.soa = soa_of(zone->first);
    return finish();
  }

  std::string_view host;
  const Zone* zone = zone_of(query->name, host);
  if (zone == nullptr) {
    answer.rcode = wire::DnsRcode::Refused;
    return finish();
  }
  answer.authoritative = true;
  const std::string zone_name(host.empty() ? query->name : query->name.substr(host.size() + 1));
  if (host.empty()) {
    answer.soa = soa_of(zone_name);  // the zone itself has no address
    return finish();
  }
  const auto found = zone->hosts.find(host);
  if (found == zone->hosts.end()) {
    answer.rcode = wire::DnsRcode::NxDomain;
  } else {
    if (wants(wire::kDnsTypeA) && found->second.v4) answer.data.emplace_back(*found->second.v4);
    if (wants(wire::kDnsTypeAaaa)) answer.data.emplace_back(found->second.v6);
  }
  if (answer.data.empty()) answer.soa = soa_of(zone_name);
  return finish();
}

/// The zone that `name` is in or is, with the labels before it as `host`.
const NameTable::Zone* NameTable::zone_of(std::string_view name, std::string_view& host) const {
  if (const auto it = zones_.find(name); it != zones_.end()) {
    host = {};
    return &it->second;
  }
  for (const auto& [zone_name, zone] : zones_) {
    if (name.size() > zone_name.size() + 1 && name.ends_with(zone_name) &&
        name[name.size() - zone_name.size() - 1] == '.') {
      host = name.substr(0, name.size() - zone_name.size() - 1);
      return &zone;
    }
  }
  return nullptr;
}

}  // namespace ipop::engine
