#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/time.h"
#include "os/unique_fd.h"

struct nlmsghdr;  // NOLINT(readability-identifier-naming): the kernel's

namespace ipop::os {

/// An address of one of the machine's interfaces.
struct InterfaceAddress {
  enum class Scope : std::uint8_t { Global, Link, Host };
  int ifindex = 0;
  std::string interface;
  bool up = false;        ///< administratively up and with carrier
  bool loopback = false;  ///< the interface is a loopback
  IpAddress address;
  std::uint8_t prefix_length = 0;
  Scope scope = Scope::Global;
  bool temporary = false;  ///< IPv6 privacy address
  bool tentative = false;  ///< IPv6: duplicate detection not over, or failed; not usable
};

/// A unicast IPv4 route of any table but the local one.
struct Route4 {
  Prefix4 destination;
  int ifindex = 0;  ///< 0: several next hops
  std::string interface;
  bool has_gateway = false;
};

/// A router that leads to the Internet, and our address on the way to it.
struct DefaultGateway {
  int ifindex = 0;
  IpAddress gateway;
  IpAddress local;
};

struct LinkOptions {
  std::uint16_t mtu_bytes = 0;
  std::uint32_t queue_packets = 0;  ///< txqueuelen: how many packets may wait for our read()
  std::uint32_t gso_size_max = 0;  ///< largest packet that stands for many; 0 = the kernel's choice
};

/// Configures interfaces and looks at the machine's addresses and routes, in the network namespace
/// of the thread that opened it. Each call is one or two round trips to the kernel and does not
/// wait for anybody else. One thread.
class Netlink {
 public:
  static Result<Netlink> open();

  /// Sets MTU and queue length, switches automatic IPv6 link-local addresses off (a point-to-point
  /// tunnel that sends router solicitations wakes both ends for nothing) and brings the interface
  /// up.
  Result<void> set_link_up(int ifindex, const LinkOptions& options);
  Result<void> set_link_down(int ifindex);
  Result<void> set_mtu(int ifindex, std::uint16_t mtu_bytes);

  /// Adds or keeps `address`/`prefix_length`; the connected route of the prefix comes with it.
  /// IPv6 without duplicate address detection: the address is usable at once.
  Result<void> add_address(int ifindex, const IpAddress& address, std::uint8_t prefix_length);
  /// Not being there is not an error.
  Result<void> remove_address(int ifindex, const IpAddress& address, std::uint8_t prefix_length);
  /// Adds or replaces the route to `prefix`/`prefix_length` straight out of the interface.
  Result<void> add_route(int ifindex, const IpAddress& prefix, std::uint8_t prefix_length);
  /// Not being there is not an error.
  Result<void> remove_route(int ifindex, const IpAddress& prefix, std::uint8_t prefix_length);

  Result<std::vector<InterfaceAddress>> addresses();
  Result<std::vector<Route4>> routes4();
  /// Of all default routes with one next hop, both families, each gateway once.
  Result<std::vector<DefaultGateway>> default_gateways();

  struct Link {
    std::string name;
    unsigned flags = 0;  ///< IFF_*
  };
  /// By interface index.
  Result<std::map<int, Link>> links();

 private:
  explicit Netlink(UniqueFd socket) : socket_(std::move(socket)) {}
  template <class OnMessage>
  Result<void> exchange(nlmsghdr* request, OnMessage on_message);
  Result<void> acknowledge(nlmsghdr* request);

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
};

/// The first route that `subnet` would take packets from or lose them to, not counting interface
/// `own_ifindex` (0: count all) and routes of length 0 and 1, which mean "the Internet" and are
/// made to be overridden.
std::optional<Route4> find_clash(const std::vector<Route4>& routes, const Prefix4& subnet,
                                 int own_ifindex);

/// Tells that links, addresses or routes of this machine changed.
class NetlinkWatch {
 public:
  static Result<NetlinkWatch> open();

  /// Reads everything that is waiting; true when something changed since the last call.
  bool drain();
  int fd() const { return socket_.fd(); }

 private:
  explicit NetlinkWatch(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace ipop::os
