#include "os/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "os/socket_address.h"

namespace ipop::os {
namespace {

/// What waits in the kernel and was not sent yet: enough for one turn of the thread, not a queue.
constexpr int kUnsentMax = 32 * 1024;
/// A peer that acknowledges nothing for so long, in milliseconds, is gone.
constexpr int kUserTimeoutMs = 10'000;
/// Silence, in seconds, after which the kernel asks whether the other end is there, and how often.
constexpr int kKeepIdle = 30;
constexpr int kKeepInterval = 10;
constexpr int kKeepCount = 3;
constexpr int kBacklog = 64;

void set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);  // each does without, only worse
}

void tune(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentMax);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdle);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepInterval);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepCount);
}

UniqueFd open_tcp(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

Result<UniqueFd> listen_tcp(std::uint16_t port) {
  UniqueFd out = open_tcp(AF_INET6);
  const bool is_dual = static_cast<bool>(out);
  if (!is_dual) out = open_tcp(AF_INET);
  if (!out) return fail(Errc::Os, "TCP socket", errno);
  if (is_dual) set(out.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set(out.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
  const SocketAddress any =
      is_dual ? to_socket_address({Ipv6{}, port}, false) : to_socket_address({Ipv4{}, port}, false);
  if (::bind(out.fd(), any.get(), any.length) != 0) return fail(Errc::Os, "TCP port", errno);
  if (::listen(out.fd(), kBacklog) != 0) return fail(Errc::Os, "TCP port", errno);
  return out;
}

std::uint16_t tcp_port(const UniqueFd& listener) {
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&own), &length);
  // The port is at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&own)->sin_port);
}

Result<AcceptedTcp> accept_tcp(const UniqueFd& listener) {
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  UniqueFd socket(::accept4(listener.fd(), reinterpret_cast<sockaddr*>(&from), &length,
                            SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return fail(Errc::Os, "accept4", errno);
  const auto endpoint = to_endpoint(from, length);
  if (!endpoint) return fail(Errc::Os, "accept4", EAFNOSUPPORT);
  tune(socket.fd());
  return AcceptedTcp{std::move(socket), *endpoint};
}

Result<UniqueFd> connect_tcp(const Endpoint& to) {
  UniqueFd out = open_tcp(to.address.is_v6() ? AF_INET6 : AF_INET);
  if (!out) return fail(Errc::Os, "TCP socket", errno);
  tune(out.fd());
  const SocketAddress address = to_socket_address(to, false);
  if (::connect(out.fd(), address.get(), address.length) != 0 && errno != EINPROGRESS) {
    return fail(Errc::Os, "TCP connection", errno);
  }
  return out;
}

int connect_result(const UniqueFd& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

}  // namespace ipop::os
