#include "os/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/error_text.h"

namespace ipop::os {
namespace {

/// IFF_LOWER_UP, the carrier itself; linux/if.h has it but does not mix with net/if.h.
constexpr unsigned kLowerUp = 1U << 16U;

/// Dumps come in parts of at most this (the kernel uses up to 32 KiB when offered).
constexpr std::size_t kReceiveBytes = 32768;
/// The largest request we build is below 200 bytes.
constexpr std::size_t kRequestBytes = 512;
/// Against a kernel that never finishes a dump; 100 000 routes are about 600 parts.
constexpr int kPartsMax = 100000;

struct Request {
  alignas(nlmsghdr) std::array<std::byte, kRequestBytes> bytes{};
  nlmsghdr* header = mnl_nlmsg_put_header(bytes.data());

  Request(std::uint16_t type, unsigned flags) {
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }
  template <class Body>
  Body& body() {
    return *static_cast<Body*>(mnl_nlmsg_put_extra_header(header, sizeof(Body)));
  }
};

Result<UniqueFd> open_socket(unsigned groups, bool blocking) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK),
                           NETLINK_ROUTE));
  if (!socket) return fail(Errc::Os, "netlink socket", errno);
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = groups;
  if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
    return fail(Errc::Os, "netlink bind", errno);
  }
  return socket;
}

/// Reads one datagram that the kernel sent (nobody else may answer for it).
ssize_t receive(int fd, std::span<std::byte> buffer) {
  while (true) {
    sockaddr_nl from{};
    iovec vector{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(fd, &header, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n >= 0 && from.nl_pid != 0) continue;
    return n;
  }
}

void put_address(nlmsghdr* header, std::uint16_t type, const IpAddress& address) {
  if (address.is_v6()) {
    mnl_attr_put(header, type, address.v6().bytes.size(), address.v6().bytes.data());
  } else {
    const auto bytes = address.v4().to_bytes();
    mnl_attr_put(header, type, bytes.size(), bytes.data());
  }
}

std::optional<IpAddress> take_address(const nlattr* attribute, int family) {
  if (attribute == nullptr) return std::nullopt;
  const Bytes bytes(static_cast<const std::byte*>(mnl_attr_get_payload(attribute)),
                    mnl_attr_get_payload_len(attribute));
  if (family == AF_INET && bytes.size() == 4) {
    std::array<std::byte, 4> quad{};
    copy_bytes(quad, bytes);
    return Ipv4::from_bytes(quad);
  }
  if (family == AF_INET6 && bytes.size() == 16) {
    Ipv6 v6;
    copy_bytes(v6.bytes, bytes);
    return v6;
  }
  return std::nullopt;
}

/// The attributes behind a message's body by type; unknown types are left out.
template <std::size_t N>
std::array<const nlattr*, N> attributes(const nlmsghdr* message, std::size_t body_bytes) {
  std::array<const nlattr*, N> out{};
  const auto* end = static_cast<const std::byte*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, body_bytes));
  const auto left = [&] {
    return static_cast<int>(end - reinterpret_cast<const std::byte*>(attribute));
  };
  for (; mnl_attr_ok(attribute, left()); attribute = mnl_attr_next(attribute)) {
    const std::uint16_t type = mnl_attr_get_type(attribute);
    if (type < N) out[type] = attribute;
  }
  return out;
}

std::uint32_t number(const nlattr* attribute) {
  return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= 4
             ? mnl_attr_get_u32(attribute)
             : 0;
}

int family_of(const IpAddress& address) { return address.is_v6() ? AF_INET6 : AF_INET; }

void take_link(const nlmsghdr* message, std::map<int, Netlink::Link>& links) {
  if (message->nlmsg_type != RTM_NEWLINK) return;
  const auto* body = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  const auto found = attributes<IFLA_MAX + 1>(message, sizeof *body);
  if (found[IFLA_IFNAME] == nullptr) return;
  const Bytes text(static_cast<const std::byte*>(mnl_attr_get_payload(found[IFLA_IFNAME])),
                   mnl_attr_get_payload_len(found[IFLA_IFNAME]));
  const std::string_view name = as_text(text);
  links[body->ifi_index] = {std::string(name.substr(0, name.find('\0'))), body->ifi_flags};
}

InterfaceAddress::Scope scope_of(unsigned char scope) {
  if (scope == RT_SCOPE_HOST) return InterfaceAddress::Scope::Host;
  if (scope == RT_SCOPE_LINK) return InterfaceAddress::Scope::Link;
  return InterfaceAddress::Scope::Global;
}

std::optional<InterfaceAddress> take_interface_address(const nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  const auto* body = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  const auto found = attributes<IFA_FLAGS + 1>(message, sizeof *body);
  // On a point-to-point interface IFA_ADDRESS is the other end; ours is IFA_LOCAL.
  const nlattr* local = found[IFA_LOCAL] != nullptr ? found[IFA_LOCAL] : found[IFA_ADDRESS];
  const auto address = take_address(local, body->ifa_family);
  if (!address) return std::nullopt;
  const std::uint32_t flags =
      found[IFA_FLAGS] != nullptr ? number(found[IFA_FLAGS]) : body->ifa_flags;
  InterfaceAddress out;
  out.ifindex = static_cast<int>(body->ifa_index);
  out.address = *address;
  out.prefix_length = body->ifa_prefixlen;
  out.scope = scope_of(body->ifa_scope);
  // IFA_F_TEMPORARY and IFA_F_SECONDARY are one bit, which means temporary for IPv6 alone.
  out.temporary = address->is_v6() && (flags & IFA_F_TEMPORARY) != 0;
  out.tentative = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0;
  return out;
}

std::optional<Route4> take_route(const nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const auto* body = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const auto found = attributes<RTA_MAX + 1>(message, sizeof *body);
  const std::uint32_t table =
      found[RTA_TABLE] != nullptr ? number(found[RTA_TABLE]) : body->rtm_table;
  if (body->rtm_family != AF_INET || body->rtm_type != RTN_UNICAST || table == RT_TABLE_LOCAL ||
      body->rtm_dst_len > 32 || (body->rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  Route4 out;
  out.destination.length = body->rtm_dst_len;
  if (const auto base = take_address(found[RTA_DST], AF_INET)) {
    out.destination.base = {base->v4().value & out.destination.mask()};
  }
  out.ifindex = static_cast<int>(number(found[RTA_OIF]));
  out.has_gateway = found[RTA_GATEWAY] != nullptr || found[RTA_VIA] != nullptr;
  return out;
}

/// A default route as the kernel says it; `local` unspecified where the route names no source.
std::optional<DefaultGateway> take_default_gateway(const nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const auto* body = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const auto found = attributes<RTA_MAX + 1>(message, sizeof *body);
  if (body->rtm_type != RTN_UNICAST || body->rtm_dst_len != 0 ||
      (body->rtm_flags & RTM_F_CLONED) != 0) {
    return std::nullopt;
  }
  const auto gateway = take_address(found[RTA_GATEWAY], body->rtm_family);
  if (!gateway) return std::nullopt;
  DefaultGateway out;
  out.ifindex = static_cast<int>(number(found[RTA_OIF]));
  out.gateway = *gateway;
  if (const auto source = take_address(found[RTA_PREFSRC], body->rtm_family)) out.local = *source;
  return out;
}

/// Our address on the gateway's interface: one of its prefix, or else any of its family.
IpAddress local_towards(const DefaultGateway& to, const std::vector<InterfaceAddress>& addresses) {
  IpAddress any;
  for (const InterfaceAddress& a : addresses) {
    if (a.ifindex != to.ifindex || a.address.is_v6() != to.gateway.is_v6() || a.tentative ||
        a.scope != InterfaceAddress::Scope::Global) {
      continue;
    }
    any = a.address;
    if (a.address.is_v6()) continue;
    Prefix4 prefix{a.address.v4(), a.prefix_length};
    prefix.base.value &= prefix.mask();
    if (prefix.contains(to.gateway.v4())) return any;
  }
  return any;
}

}  // namespace

Result<Netlink> Netlink::open() {
  auto socket = open_socket(0, true);
  if (!socket) return std::unexpected(socket.error());
  return Netlink(std::move(*socket));
}

/// Sends `request` and hands every message of the answer to `on_message`, until the end or an
/// error.
template <class OnMessage>
Result<void> Netlink::exchange(nlmsghdr* request, OnMessage on_message) {
  request->nlmsg_seq = ++sequence_;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(socket_.fd(), request, request->nlmsg_len, 0,
               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return fail(Errc::Os, "netlink send", errno);
  }
  alignas(nlmsghdr) std::array<std::byte, kReceiveBytes> buffer;
  for (int part = 0; part < kPartsMax; ++part) {
    const ssize_t n = receive(socket_.fd(), buffer);
    if (n < 0) return fail(Errc::Os, "netlink receive", errno);
    int left = static_cast<int>(n);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence_) continue;  // rest of an exchange that failed
      if (message->nlmsg_type == NLMSG_DONE) return {};
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto* status = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
        if (status->error == 0) return {};
        return fail_errno("netlink", -status->error);
      }
      on_message(message);
    }
  }
  return fail(Errc::Os, "netlink answer has no end", EPROTO);
}

Result<void> Netlink::acknowledge(nlmsghdr* request) {
  request->nlmsg_flags |= NLM_F_ACK;
  return exchange(request, [](const nlmsghdr*) {});
}

Result<void> Netlink::set_link_up(int ifindex, const LinkOptions& options) {
  // A request of its own, and best effort: it fails where IPv6 is switched off, and then nothing
  // is missing.
  Request quiet(RTM_NEWLINK, 0);
  quiet.body<ifinfomsg>().ifi_index = ifindex;
  nlattr* spec = mnl_attr_nest_start(quiet.header, IFLA_AF_SPEC);
  nlattr* inet6 = mnl_attr_nest_start(quiet.header, AF_INET6);
  mnl_attr_put_u8(quiet.header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(quiet.header, inet6);
  mnl_attr_nest_end(quiet.header, spec);
  static_cast<void>(acknowledge(quiet.header));

  Request up(RTM_NEWLINK, 0);
  auto& body = up.body<ifinfomsg>();
  body.ifi_index = ifindex;
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  mnl_attr_put_u32(up.header, IFLA_MTU, options.mtu_bytes);
  mnl_attr_put_u32(up.header, IFLA_TXQLEN, options.queue_packets);
  if (auto done = acknowledge(up.header); !done) return done;
  if (options.gso_size_max == 0) return {};
  // Best effort, alone: kernels differ in what they allow, and it only makes sends fuller.
  Request gso(RTM_NEWLINK, 0);
  gso.body<ifinfomsg>().ifi_index = ifindex;
  mnl_attr_put_u32(gso.header, IFLA_GSO_MAX_SIZE, options.gso_size_max);
  static_cast<void>(acknowledge(gso.header));
  return {};
}

Result<void> Netlink::set_link_down(int ifindex) {
  Request down(RTM_NEWLINK, 0);
  auto& body = down.body<ifinfomsg>();
  body.ifi_index = ifindex;
  body.ifi_change = IFF_UP;
  return acknowledge(down.header);
}

Result<void> Netlink::set_mtu(int ifindex, std::uint16_t mtu_bytes) {
  Request request(RTM_NEWLINK, 0);
  request.body<ifinfomsg>().ifi_index = ifindex;
  mnl_attr_put_u32(request.header, IFLA_MTU, mtu_bytes);
  return acknowledge(request.header);
}

namespace {

void fill_address(Request& request, int ifindex, const IpAddress& address,
                  std::uint8_t prefix_length) {
  auto& body = request.body<ifaddrmsg>();
  body.ifa_family = static_cast<unsigned char>(family_of(address));
  body.ifa_prefixlen = prefix_length;
  body.ifa_scope = RT_SCOPE_UNIVERSE;
  body.ifa_index = static_cast<unsigned>(ifindex);
  put_address(request.header, IFA_LOCAL, address);
  put_address(request.header, IFA_ADDRESS, address);
}

void fill_route(Request& request, int ifindex, const IpAddress& prefix,
                std::uint8_t prefix_length) {
  auto& body = request.body<rtmsg>();
  body.rtm_family = static_cast<unsigned char>(family_of(prefix));
  body.rtm_dst_len = prefix_length;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = prefix.is_v6() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body.rtm_type = RTN_UNICAST;
  put_address(request.header, RTA_DST, prefix);
  mnl_attr_put_u32(request.header, RTA_OIF, static_cast<std::uint32_t>(ifindex));
}

Result<void> ignore(Result<void> result, std::initializer_list<int> harmless) {
  if (result) return result;
  for (const int error : harmless) {
    if (result.error().os == error) return {};
  }
  return result;
}

}  // namespace

Result<void> Netlink::add_address(int ifindex, const IpAddress& address,
                                  std::uint8_t prefix_length) {
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  fill_address(request, ifindex, address, prefix_length);
  if (address.is_v6()) mnl_attr_put_u32(request.header, IFA_FLAGS, IFA_F_NODAD);
  return ignore(acknowledge(request.header), {EEXIST});
}

Result<void> Netlink::remove_address(int ifindex, const IpAddress& address,
                                     std::uint8_t prefix_length) {
  Request request(RTM_DELADDR, 0);
  fill_address(request, ifindex, address, prefix_length);
  return ignore(acknowledge(request.header), {EADDRNOTAVAIL, ENODEV});
}

Result<void> Netlink::add_route(int ifindex, const IpAddress& prefix, std::uint8_t prefix_length) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  fill_route(request, ifindex, prefix, prefix_length);
  return acknowledge(request.header);
}

Result<void> Netlink::remove_route(int ifindex, const IpAddress& prefix,
                                   std::uint8_t prefix_length) {
  Request request(RTM_DELROUTE, 0);
  fill_route(request, ifindex, prefix, prefix_length);
  return ignore(acknowledge(request.header), {ESRCH, ENODEV});
}

Result<std::map<int, Netlink::Link>> Netlink::links() {
  std::map<int, Link> out;
  Request request(RTM_GETLINK, NLM_F_DUMP);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  const auto on_message = [&](const nlmsghdr* message) { take_link(message, out); };
  if (auto r = exchange(request.header, on_message); !r) return std::unexpected(r.error());
  return out;
}

Result<std::vector<InterfaceAddress>> Netlink::addresses() {
  const auto links = this->links();
  if (!links) return std::unexpected(links.error());
  std::vector<InterfaceAddress> out;
  Request request(RTM_GETADDR, NLM_F_DUMP);
  request.body<ifaddrmsg>().ifa_family = AF_UNSPEC;
  const auto on_message = [&](const nlmsghdr* message) {
    auto address = take_interface_address(message);
    if (!address) return;
    const auto link = links->find(address->ifindex);
    if (link == links->end()) return;  // came up between the two dumps; the watch will tell
    address->interface = link->second.name;
    // Not IFF_RUNNING, which follows the carrier up to a second later.
    address->up = (link->second.flags & IFF_UP) != 0 && (link->second.flags & kLowerUp) != 0;
    address->loopback = (link->second.flags & IFF_LOOPBACK) != 0;
    out.push_back(std::move(*address));
  };
  if (auto r = exchange(request.header, on_message); !r) return std::unexpected(r.error());
  return out;
}

Result<std::vector<Route4>> Netlink::routes4() {
  const auto links = this->links();
  if (!links) return std::unexpected(links.error());
  std::vector<Route4> out;
  Request request(RTM_GETROUTE, NLM_F_DUMP);
  request.body<rtmsg>().rtm_family = AF_INET;
  const auto on_message = [&](const nlmsghdr* message) {
    auto route = take_route(message);
    if (!route) return;
    if (const auto link = links->find(route->ifindex); link != links->end()) {
      route->interface = link->second.name;
    }
    out.push_back(std::move(*route));
  };
  if (auto r = exchange(request.header, on_message); !r) return std::unexpected(r.error());
  return out;
}

Result<std::vector<DefaultGateway>> Netlink::default_gateways() {
  const auto addresses = this->addresses();
  if (!addresses) return std::unexpected(addresses.error());
  std::vector<DefaultGateway> out;
  for (const int family : {AF_INET, AF_INET6}) {
    Request request(RTM_GETROUTE, NLM_F_DUMP);
    request.body<rtmsg>().rtm_family = static_cast<unsigned char>(family);
    const auto on_message = [&](const nlmsghdr* message) {
      auto found = take_default_gateway(message);
      if (!found) return;
      if (found->local.is_unspecified()) found->local = local_towards(*found, *addresses);
      const bool known = std::ranges::any_of(
          out, [&](const DefaultGateway& g) { return g.gateway == found->gateway; });
      if (!known && !found->local.is_unspecified()) out.push_back(*found);
    };
    if (auto r = exchange(request.header, on_message); !r) return std::unexpected(r.error());
  }
  return out;
}

std::optional<Route4> find_clash(const std::vector<Route4>& routes, const Prefix4& subnet,
                                 int own_ifindex) {
  for (const Route4& route : routes) {
    if (route.destination.length <= 1) continue;
    if (own_ifindex != 0 && route.ifindex == own_ifindex) continue;
    if (route.destination.overlaps(subnet)) return route;
  }
  return std::nullopt;
}

Result<NetlinkWatch> NetlinkWatch::open() {
  constexpr unsigned kGroups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  auto socket = open_socket(kGroups, false);
  if (!socket) return std::unexpected(socket.error());
  return NetlinkWatch(std::move(*socket));
}

bool NetlinkWatch::drain() {
  bool changed = false;
  std::array<std::byte, kReceiveBytes> buffer;
  while (true) {
    const ssize_t n = receive(socket_.fd(), buffer);
    // ENOBUFS: so much happened that the kernel dropped the rest, which is news enough.
    if (n < 0 && errno != ENOBUFS) return changed;
    changed = true;
  }
}

}  // namespace ipop::os
