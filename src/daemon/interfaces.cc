#include "daemon/interfaces.h"

#include <algorithm>
#include <tuple>

#include "dataplane/pipeline.h"
#include "engine/text.h"

namespace ipop::daemon {
namespace {

constexpr std::uint32_t kQueuePackets = 500;
constexpr std::uint8_t kPrefix6Length = 48;

/// A large packet whose sealed segments fill one send, and not a second one a little.
std::uint32_t gso_size_max(std::uint16_t mtu) {
  constexpr std::uint32_t kHeaders = 72;  // IPv6 and TCP with timestamps: the smallest payload
  if (mtu <= kHeaders) return 0;
  const std::size_t segments =
      std::min(dataplane::kRunSegmentsMax, dataplane::kRunBytesMax / (mtu + wire::kDataOverhead));
  return static_cast<std::uint32_t>(segments) * (mtu - kHeaders);
}

std::string describe(const std::vector<os::Tun>& queues) {
  const TunOffloads granted = queues.front().offloads();
  std::string text = std::to_string(queues.size()) + (queues.size() == 1 ? " queue" : " queues");
  text += ", large packets: ";
  text += !granted.tcp ? "none" : granted.udp ? "TCP, UDP" : "TCP";
  return text;
}

}  // namespace

engine::InterfaceMade Interfaces::up(const engine::InterfaceUp& wanted) {
  auto it = interfaces_.find(wanted.slot);
  if (it == interfaces_.end()) {
    std::string name = wanted.wanted_name;
    if (name.empty() && interfaces_.empty() && options_.first_name) name = *options_.first_name;
    auto queues = os::Tun::open_queues(name, options_.tun);
    if (!queues) return missing(std::string(queues.error().what), queues.error(), wanted);
    Interface made;
    made.name = queues->front().name();
    made.ifindex = queues->front().ifindex();
    const os::LinkOptions link{wanted.mtu, kQueuePackets, gso_size_max(wanted.mtu)};
    if (const auto up = netlink_.set_link_up(made.ifindex, link); !up) {
      return missing(made.name + ": " + std::string(up.error().what), up.error(), wanted);
    }
    log_->write(LogLevel::Info, "interface", made.name + ": " + describe(*queues));
    packets_->attach(wanted.slot, std::move(*queues));
    it = interfaces_.emplace(wanted.slot, std::move(made)).first;
  }
  it->second.wanted = wanted;
  return configure(it->second);
}

engine::InterfaceMade Interfaces::missing(const std::string& problem, const Error& error,
                                          const engine::InterfaceUp& wanted) {
  log_->write(LogLevel::Error, "interface", wanted.network + ": " + problem);
  return {"", problem,
          error.code == Errc::Busy ? engine::taken_interface_advice(wanted.network)
                                   : engine::interface_advice(wanted.network)};
}

std::vector<std::pair<NetworkSlot, engine::InterfaceMade>> Interfaces::review() {
  std::vector<std::pair<NetworkSlot, engine::InterfaceMade>> changed;
  for (auto& [slot, interface] : interfaces_) {
    const auto& pool = interface.wanted.pool;
    if (!interface.wanted.v4 || !pool) continue;
    const bool clashes = clash(*pool, interface.ifindex).has_value();
    if (clashes == interface.v4.has_value()) changed.emplace_back(slot, configure(interface));
  }
  return changed;
}

void Interfaces::down(NetworkSlot slot) {
  const auto it = interfaces_.find(slot);
  if (it == interfaces_.end()) return;
  dns_->close(slot);
  // systemd-resolved forgets its settings with the interface.
  packets_->detach(slot);
  log_->write(LogLevel::Info, "interface", it->second.name + ": down");
  interfaces_.erase(it);
}

engine::InterfaceMade Interfaces::configure(Interface& interface) {
  const engine::InterfaceUp& wanted = interface.wanted;
  Problem problem = configure_v4(interface);
  if (const auto added = netlink_.add_address(interface.ifindex, wanted.v6, kPrefix6Length);
      !added && problem.what.empty()) {
    problem = {"no IPv6 address: " + std::string(added.error().what),
               "switch IPv6 on for this interface (sysctl net.ipv6.conf.all.disable_ipv6=0), then "
               "`ipop down` and `ipop up`"};
  }
  if (options_.dns) interface.dns_problem = configure_dns(interface);
  const bool well = problem.what.empty();
  log_->write(well ? LogLevel::Info : LogLevel::Warning, "interface",
              interface.name + ": " + (well ? "up for " + wanted.network : problem.what));
  return {interface.name, std::move(problem.what), std::move(problem.next)};
}

Interfaces::Problem Interfaces::configure_v4(Interface& interface) {
  const engine::InterfaceUp& wanted = interface.wanted;
  const auto other = wanted.pool ? clash(*wanted.pool, interface.ifindex) : std::nullopt;
  if (interface.v4 && (other || interface.v4 != wanted.v4)) {
    static_cast<void>(
        netlink_.remove_address(interface.ifindex, *interface.v4, interface.v4_length));
    interface.v4.reset();
  }
  if (!wanted.v4 || !wanted.pool) return {};
  if (other) {
    return {"subnet " + wanted.pool->to_string() + " is also used by " + *other +
                ", so its IPv4 addresses stay off here; the members' names and IPv6 addresses work",
            "they come back when the other route goes; for good, found the network anew with "
            "another --subnet"};
  }
  if (const auto added = netlink_.add_address(interface.ifindex, *wanted.v4, wanted.pool->length);
      !added) {
    return {std::string(added.error().what), "`ipop down` and `ipop up` try again"};
  }
  interface.v4 = wanted.v4;
  interface.v4_length = wanted.pool->length;
  return {};
}

Interfaces::Problem Interfaces::configure_dns(const Interface& interface) {
  const engine::InterfaceUp& wanted = interface.wanted;
  const IpAddress server = interface.v4 ? IpAddress(*interface.v4) : IpAddress(wanted.v6);
  if (const auto open = dns_->open(wanted.slot, interface.v4, wanted.v6); !open) {
    return {"the members' names are not answered here: " + std::string(open.error().what),
            "end the other name server on port 53 of this address, or have it leave " +
                server.to_string() + " alone, then `ipop down` and `ipop up`"};
  }
  auto resolved = os::Resolved::connect();
  Result<void> configured{};
  if (resolved) {
    os::LinkDns dns;
    dns.servers.push_back({server, 53});
    dns.routing_domains.push_back(wanted.network + ".internal");
    configured = resolved->configure_link(interface.ifindex, dns);
    if (configured) return {};
  }
  const std::string why(resolved ? configured.error().what : resolved.error().what);
  log_->write(LogLevel::Info, "interface", interface.name + ": names: " + why);
  return {resolved ? "systemd-resolved does not take the members' names: " + why
                   : "systemd-resolved does not run here, so programs do not ask for the members' "
                     "names",
          "put `nameserver " + server.to_string() +
              "` first in /etc/resolv.conf (other names go on to the servers after it), or install "
              "systemd-resolved and restart ipopd"};
}

bool Interfaces::is_ours(int ifindex) const {
  return std::any_of(interfaces_.begin(), interfaces_.end(),
                     [&](const auto& i) { return i.second.ifindex == ifindex; });
}

std::optional<std::vector<IpAddress>> Interfaces::local_addresses() {
  const auto all = netlink_.addresses();
  const auto routers = gateways();
  if (!all || !routers) return std::nullopt;
  std::vector<IpAddress> out;
  for (const os::InterfaceAddress& a : *all) {
    if (!is_ours(a.ifindex) && a.up && !a.loopback && !a.tentative &&
        a.scope == os::InterfaceAddress::Scope::Global) {
      out.push_back(a.address);
    }
  }
  // Others are told few: bridges of virtual machines and containers come last.
  const auto rank = [&](const IpAddress& a) {
    const bool leads_out = std::ranges::count(*routers, a, &nat::PortMapper::Gateway::local) > 0;
    return std::tuple(leads_out ? 0 : a.is_v6() ? 1 : 2, a);
  };
  std::ranges::sort(out, {}, rank);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::optional<std::vector<nat::PortMapper::Gateway>> Interfaces::gateways() {
  std::vector<nat::PortMapper::Gateway> out;
  const auto all = netlink_.default_gateways();
  if (!all) return std::nullopt;
  for (const os::DefaultGateway& g : *all) {
    if (!is_ours(g.ifindex)) out.push_back({g.gateway, g.local});
  }
  return out;
}

std::vector<Prefix4> Interfaces::taken_prefixes() {
  std::vector<Prefix4> out;
  const auto routes = netlink_.routes4();
  if (!routes) return out;
  for (const os::Route4& r : *routes) {
    if (!is_ours(r.ifindex) && r.destination.length > 1) out.push_back(r.destination);
  }
  return out;
}

std::optional<std::string> Interfaces::clash(const Prefix4& subnet, int own_ifindex) {
  const auto routes = netlink_.routes4();
  if (!routes) return std::nullopt;
  const auto other = os::find_clash(*routes, subnet, own_ifindex);
  if (!other) return std::nullopt;
  return other->interface + " (" + other->destination.to_string() + ")";
}

Interfaces::Problem Interfaces::dns_problem(NetworkSlot slot) const {
  const auto it = interfaces_.find(slot);
  return it == interfaces_.end() ? Problem{} : it->second.dns_problem;
}

}  // namespace ipop::daemon
