#pragma once

#include <map>
#include <optional>
#include <string>
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

  /// What came of an InterfaceUp.
  struct Made {
    std::string name;     ///< empty: there is no interface
    std::string problem;  ///< empty: all is well
  };
  /// Makes the interface, or gives the one there is its new addresses. An IPv4 subnet that another
  /// interface of this machine uses stays off (the user's own network comes first); IPv6 and names
  /// work all the same.
  Made up(const engine::InterfaceUp& wanted);
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
  std::string dns_advice(NetworkSlot slot) const;

 private:
  struct Interface {
    std::string name;
    int ifindex = 0;
    std::string network;
    std::optional<Ipv4> v4;
    std::uint8_t v4_length = 0;
    Ipv6 v6;
    std::string dns_problem;
  };
  bool is_ours(int ifindex) const;
  std::string configure(Interface& interface, const engine::InterfaceUp& wanted);
  void configure_dns(Interface& interface);

  Options options_;
  os::Netlink netlink_;
  PacketThreads* packets_;
  DnsServer* dns_;
  Logger* log_;
  std::map<NetworkSlot, Interface> interfaces_;
};

}  // namespace ipop::daemon
