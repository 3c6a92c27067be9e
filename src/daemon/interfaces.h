#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "daemon/dns_server.h"
#include "daemon/packet_threads.h"
#include "engine/output.h"
#include "nat/port_mapper.h"
#include "os/netlink.h"
#include "os/resolved.h"

namespace ipop::daemon {

/// The networks' interfaces on this machine: the TUN device, its addresses and routes, its name
/// server. Control thread.
class Interfaces {
 public:
  struct Options {
    bool dns = true;
    std::optional<std::string> first_name;  ///< for the first network that names none itself
    os::TunSettings tun;
  };
  Interfaces(const Options& options, os::Netlink netlink, PacketThreads& packets, DnsServer& dns,
             Logger& log)
      : options_(options),
        netlink_(std::move(netlink)),
        packets_(&packets),
        dns_(&dns),
        log_(&log) {}

  /// A line of health: what is wrong, and what to do about it.
  struct Problem {
    std::string what;  ///< empty: all is well
    std::string next;
  };
  /// Makes the interface, or gives the one there is its new addresses. An IPv4 subnet that another
  /// interface of this machine uses stays off (the user's own network comes first); IPv6 and names
  /// work all the same.
  engine::InterfaceMade up(const engine::InterfaceUp& wanted);
  /// Looks again whether another interface uses a subnet of ours, since addresses or routes
  /// changed: what became of those for which the answer is another one now.
  std::vector<std::pair<NetworkSlot, engine::InterfaceMade>> review();
  void down(NetworkSlot slot);

  /// Addresses at which others may reach this machine: those of all other interfaces that are up.
  /// First those that lead to the Internet, then IPv6, then the rest. nullopt: the kernel would not
  /// say.
  std::optional<std::vector<IpAddress>> local_addresses();
  /// Routers that lead to the Internet otherwise than through our interfaces; nullopt likewise.
  std::optional<std::vector<nat::PortMapper::Gateway>> gateways();
  /// IPv4 prefixes that routes of this machine use, ours left out.
  std::vector<Prefix4> taken_prefixes();
  /// The route that clashes with `subnet`, in words; nullopt: none does.
  std::optional<std::string> clash(const Prefix4& subnet, int own_ifindex = 0);
  /// How names are answered on this machine, for the health lines; empty when all is well.
  Problem dns_problem(NetworkSlot slot) const;

 private:
  struct Interface {
    std::string name;
    int ifindex = 0;
    engine::InterfaceUp wanted;
    std::optional<Ipv4> v4;  ///< while the subnet is nobody else's
    std::uint8_t v4_length = 0;
    Problem dns_problem;
  };
  bool is_ours(int ifindex) const;
  engine::InterfaceMade missing(const std::string& problem, const Error& error,
                                const engine::InterfaceUp& wanted);
  engine::InterfaceMade configure(Interface& interface);
  Problem configure_v4(Interface& interface);
  Problem configure_dns(const Interface& interface);

  Options options_;
  os::Netlink netlink_;
  PacketThreads* packets_;
  DnsServer* dns_;
  Logger* log_;
  std::map<NetworkSlot, Interface> interfaces_;
};

}  // namespace ipop::daemon
