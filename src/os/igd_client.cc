#include "os/igd_client.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/clock.h"
#include "os/socket_address.h"
#include "os/unique_fd.h"

namespace ipop::os {
namespace {

const Ipv4 kSearchGroup{0xeffffffa};  // 239.255.255.250
constexpr std::uint16_t kSearchPort = 1900;
/// Gateways of version 2 answer to 1, as they should, or to 2 alone; a few to neither.
constexpr std::array<std::string_view, 3> kSearchTargets{
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2", "upnp:rootdevice"};
/// UPnP Device Architecture 1.1, 1.3.2: SHOULD default to 2.
constexpr int kMulticastTtl = 2;
/// Gateways that are remembered; more than the machine has at once.
constexpr std::size_t kChosenMax = 16;

UniqueFd open_socket(int type, Ipv4 local) {
  UniqueFd out(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const SocketAddress own = to_socket_address({local, 0}, false);
  if (out && ::bind(out.fd(), own.get(), own.length) != 0) out.reset();
  return out;
}

}  // namespace

IgdClient::Answer<Ipv4> IgdClient::external_address(const Router& router) {
  const Instant end = now().at + kCallTimeout;
  Answer<Ipv4> out = std::unexpected(Refusal{});
  const auto known = chosen_.find(router.gateway);
  if (known != chosen_.end() && !known->second.stale) {
    out = address_of(router, known->second.service, end);
    const bool useless = out ? *out == Ipv4{} : out.error().code == 0;
    if (!useless || is_interrupted()) return out;
    known->second.stale = !out;
  }
  for (const IgdService& service : find_services(router, end)) {
    const auto address = address_of(router, service, end);
    if (out && (!address || *address == Ipv4{})) continue;
    out = address;
    if (!address) continue;
    if (chosen_.size() >= kChosenMax && !chosen_.contains(router.gateway)) {
      chosen_.erase(chosen_.begin());
    }
    chosen_[router.gateway] = {service};
    if (*address != Ipv4{}) break;
  }
  return out;
}

IgdClient::Answer<void> IgdClient::map(const Router& router, const Mapping& mapping) {
  const auto done = act(router, "AddPortMapping",
                        {{"NewRemoteHost", ""},
                         {"NewExternalPort", std::to_string(mapping.external_port)},
                         {"NewProtocol", "UDP"},
                         {"NewInternalPort", std::to_string(mapping.internal_port)},
                         {"NewInternalClient", router.local.to_string()},
                         {"NewEnabled", "1"},
                         {"NewPortMappingDescription", "ipop"},
                         {"NewLeaseDuration", std::to_string(mapping.lease.count())}},
                        kCallTimeout);  // some write it to their flash before they answer
  if (!done) return std::unexpected(done.error());
  return {};
}

IgdClient::Answer<IgdClient::Entry> IgdClient::entry(const Router& router,
                                                     std::uint16_t external_port) {
  const auto values = act(router, "GetSpecificPortMappingEntry",
                          {{"NewRemoteHost", ""},
                           {"NewExternalPort", std::to_string(external_port)},
                           {"NewProtocol", "UDP"}});
  if (!values) {
    const Refusal& refusal = values.error();
    const bool unclear = refusal.code == 0 && refusal.answered;
    return std::unexpected(unclear ? Refusal{kInvalidAction, true} : refusal);
  }
  const auto client = values->address("NewInternalClient");
  const auto port = values->number("NewInternalPort", 0xffff);
  if (!client || !port) return std::unexpected(Refusal{kInvalidAction, true});
  return Entry{*client, static_cast<std::uint16_t>(*port),
               values->number("NewEnabled", 1).value_or(1) == 1,
               Lease(values->number("NewLeaseDuration", 0xffffffff).value_or(0))};
}

IgdClient::Answer<void> IgdClient::unmap(const Router& router, std::uint16_t external_port) {
  const auto done = act(router, "DeletePortMapping",
                        {{"NewRemoteHost", ""},
                         {"NewExternalPort", std::to_string(external_port)},
                         {"NewProtocol", "UDP"}});
  if (!done && done.error().code != kNoSuchEntry) return std::unexpected(done.error());
  return {};
}

/// Where the gateway says that its descriptions are, those of gateways first: a router is often a
/// media server as well. Others may answer, and are not heard.
std::vector<IgdPlace> IgdClient::search(const Router& router, Instant end) const {
  const UniqueFd socket = open_socket(SOCK_DGRAM, router.local);
  if (!socket) return {};
  const SocketAddress own = to_socket_address({router.local, 0}, false);
  const in_addr via = reinterpret_cast<const sockaddr_in*>(own.get())->sin_addr;
  ::setsockopt(socket.fd(), IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof via);
  ::setsockopt(socket.fd(), IPPROTO_IP, IP_MULTICAST_TTL, &kMulticastTtl, sizeof kMulticastTtl);
  // Also to the gateway itself: some switches and access points swallow multicast.
  for (const Ipv4 to : {kSearchGroup, router.gateway}) {
    const SocketAddress address = to_socket_address({to, kSearchPort}, false);
    for (const std::string_view target : kSearchTargets) {
      const std::string request = igd_search_request(to.to_string(), target);
      ::sendto(socket.fd(), request.data(), request.size(), 0, address.get(), address.length);
    }
  }
  std::vector<IgdPlace> out;
  std::vector<IgdPlace> others;
  while (out.size() < kPlacesMax && wait(socket.fd(), POLLIN, end)) {
    std::array<char, 2048> datagram;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t n = ::recvfrom(socket.fd(), datagram.data(), datagram.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0) continue;
    const auto sender = to_endpoint(from, length);
    if (!sender || sender->address != router.gateway) continue;
    const auto answer =
        parse_igd_search_answer({datagram.data(), static_cast<std::size_t>(n)}, router.gateway);
    if (!answer) continue;
    auto& places = answer->names_gateway ? out : others;
    if (places.size() >= kPlacesMax || std::ranges::count(places, answer->place) > 0) continue;
    places.push_back(answer->place);
    // The first answer is nearly always the one; the others come within this time.
    if (answer->names_gateway) end = std::min(end, now().at + std::chrono::milliseconds(300));
  }
  for (const IgdPlace& place : others) {
    if (out.size() < kPlacesMax && std::ranges::count(out, place) == 0) out.push_back(place);
  }
  return out;
}

std::vector<IgdService> IgdClient::find_services(const Router& router, Instant end) const {
  for (const IgdPlace& place : search(router, std::min(end, now().at + kSearchTimeout))) {
    const HttpAnswer answer = exchange(router, place.port, igd_get_request(place, router.gateway),
                                       std::min(end, now().at + kRequestTimeout));
    if (answer.status != 200) continue;
    auto services = parse_igd_description(answer.body, place, router.gateway);
    if (!services.empty()) return services;
  }
  return {};
}

IgdClient::Answer<Ipv4> IgdClient::address_of(const Router& router, const IgdService& service,
                                              Instant end) const {
  const auto values =
      act(router, service, "GetExternalIPAddress", {}, std::min(end, now().at + kRequestTimeout));
  if (!values) return std::unexpected(values.error());
  // A router that is not connected says nothing there.
  if (values->text("NewExternalIPAddress").empty()) return Ipv4{};
  const auto address = values->address("NewExternalIPAddress");
  if (!address) return std::unexpected(Refusal{});
  return *address;
}

/// One request on a connection of its own. Status 0: no answer, too long a one, or not in time.
HttpAnswer IgdClient::exchange(const Router& router, std::uint16_t port, const std::string& request,
                               Instant end) const {
  const UniqueFd socket = open_socket(SOCK_STREAM, router.local);
  if (!socket) return {};
  const SocketAddress to = to_socket_address({router.gateway, port}, false);
  if (::connect(socket.fd(), to.get(), to.length) != 0 && errno != EINPROGRESS) return {};
  for (std::size_t sent = 0; sent < request.size();) {
    if (!wait(socket.fd(), POLLOUT, end)) return {};
    const ssize_t n =
        ::send(socket.fd(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return {};
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  std::string received;
  std::size_t size_min = 0;  // one that sends byte by byte must not have us read it all each time
  std::array<char, 4096> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  while (received.size() <= kAnswerMax && wait(socket.fd(), POLLIN, end)) {
    const ssize_t n = ::recv(socket.fd(), piece.data(), piece.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n > 0) received.append(piece.data(), static_cast<std::size_t>(n));
    if (n > 0 && received.size() < size_min) continue;
    if (auto answer = parse_http_answer(received, n <= 0)) return std::move(*answer);
    size_min = http_answer_size_min(received);
  }
  return {};
}

IgdClient::Answer<IgdValues> IgdClient::act(const Router& router, const IgdService& service,
                                            std::string_view action, const IgdFields& fields,
                                            Instant end) const {
  const HttpAnswer answer =
      exchange(router, service.control.port,
               igd_action_request(service, router.gateway, action, fields), end);
  if (answer.status == 0) return std::unexpected(Refusal{});
  IgdValues values(answer.body);
  if (answer.status == 200) return values;
  const auto code = values.number("errorCode", 0xffff).value_or(0);
  return std::unexpected(Refusal{static_cast<std::uint16_t>(code), true});
}

IgdClient::Answer<IgdValues> IgdClient::act(const Router& router, std::string_view action,
                                            const IgdFields& fields, Duration limit) {
  const auto known = chosen_.find(router.gateway);
  if (known == chosen_.end()) return std::unexpected(Refusal{});
  auto out = act(router, known->second.service, action, fields, now().at + limit);
  if (!out && !out.error().answered && !is_interrupted()) known->second.stale = true;
  return out;
}

/// False after `end`, or when interrupted.
bool IgdClient::wait(int fd, short events, Instant end) const {
  for (;;) {
    const Duration left = end - now().at;
    if (left <= Duration(0)) return false;
    std::array<pollfd, 2> both{{{fd, events, 0}, {interrupt_->fd(), POLLIN, 0}}};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    const int n = ::poll(both.data(), both.size(), static_cast<int>(ms));
    if (both[1].revents != 0) return false;
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

bool IgdClient::is_interrupted() const {
  pollfd p{interrupt_->fd(), POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

}  // namespace ipop::os
