#include "os/socket_address.h"

#include <arpa/inet.h>

namespace ipop::os {
namespace {

constexpr std::array<std::byte, 12> kMappedPrefix = {
    std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};

Ipv6 map_ipv4(Ipv4 v4) {
  Ipv6 out;
  copy_bytes(out.bytes, kMappedPrefix);
  copy_bytes(MutableBytes(out.bytes).subspan(12), v4.to_bytes());
  return out;
}

IpAddress unmap(const Ipv6& v6) {
  const Bytes bytes(v6.bytes);
  if (!equal_bytes(bytes.first(12), kMappedPrefix)) return v6;
  std::array<std::byte, 4> quad{};
  copy_bytes(quad, bytes.subspan(12));
  return Ipv4::from_bytes(quad);
}

}  // namespace

SocketAddress to_socket_address(const Endpoint& endpoint, bool mapped) {
  SocketAddress out;
  if (!endpoint.address.is_v6() && !mapped) {
    auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(endpoint.port);
    in->sin_addr.s_addr = htonl(endpoint.address.v4().value);
    out.length = sizeof *in;
    return out;
  }
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  in6->sin6_family = AF_INET6;
  in6->sin6_port = htons(endpoint.port);
  const Ipv6 address =
      endpoint.address.is_v6() ? endpoint.address.v6() : map_ipv4(endpoint.address.v4());
  copy_bytes(std::as_writable_bytes(std::span(in6->sin6_addr.s6_addr)), address.bytes);
  out.length = sizeof *in6;
  return out;
}

std::optional<Endpoint> to_endpoint(const sockaddr_storage& storage, socklen_t length) {
  if (storage.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&storage);
    return Endpoint{Ipv4{ntohl(in->sin_addr.s_addr)}, ntohs(in->sin_port)};
  }
  if (storage.ss_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    Ipv6 v6;
    copy_bytes(v6.bytes, std::as_bytes(std::span(in6->sin6_addr.s6_addr)));
    return Endpoint{unmap(v6), ntohs(in6->sin6_port)};
  }
  return std::nullopt;
}

}  // namespace ipop::os
