#include "os/udp_socket.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

#include "os/error_text.h"
#include "os/socket_address.h"

namespace ipop::os {
namespace {

/// Enough to amortise the system call; the caller's spans may be shorter or longer.
constexpr std::size_t kBatchMax = 64;
/// A burst at 10 Gbit/s for 3 ms; the default of 208 KiB drops during a scheduler's pause.
constexpr int kBufferBytes = 4 << 20;
constexpr int kEcnMask = 3;

Result<void> set_option(int fd, int level, int option, int value, std::string_view name) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return fail_errno("UDP socket option " + std::string(name), errno);
}

/// Root may pass the administrator's limit, others get as much as it allows.
void enlarge_buffer(int fd, int forced, int limited) {
  const int bytes = kBufferBytes;
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
  ::setsockopt(fd, SOL_SOCKET, limited, &bytes, sizeof bytes);
}

Result<void> configure(int fd, bool ipv4_only) {
  struct Option {
    int level, option, value;
    std::string_view name;
  };
  // On a dual-stack socket the IPv4 options hold for IPv4-mapped traffic.
  static constexpr Option kV4[] = {
      {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, "IP_MTU_DISCOVER"},
      {IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS"},
  };
  static constexpr Option kV6[] = {
      {IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY"},
      {IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO, "IPV6_MTU_DISCOVER"},
      {IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS"},
  };
  for (const Option& o : kV4) {
    if (auto r = set_option(fd, o.level, o.option, o.value, o.name); !r) return r;
  }
  for (const Option& o : std::span(kV6).first(ipv4_only ? 0 : std::size(kV6))) {
    if (auto r = set_option(fd, o.level, o.option, o.value, o.name); !r) return r;
  }
  enlarge_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  enlarge_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  return {};
}

/// Room for one int of ancillary data, aligned for its header.
union Control {
  std::array<std::byte, CMSG_SPACE(sizeof(int)) * 2> bytes;
  cmsghdr align;
};

std::uint8_t received_ecn(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS;
    // IPv4 brings one byte, IPv6 an int.
    if (v4) return static_cast<std::uint8_t>(*CMSG_DATA(c) & kEcnMask);
    if (v6 && c->cmsg_len >= CMSG_LEN(sizeof(int))) {
      int value = 0;
      std::copy_n(CMSG_DATA(c), sizeof value, reinterpret_cast<unsigned char*>(&value));
      return static_cast<std::uint8_t>(value & kEcnMask);
    }
  }
  return 0;
}

void attach_ecn(msghdr& header, Control& control, bool v6, int ecn) {
  control = {};
  header.msg_control = control.bytes.data();
  header.msg_controllen = CMSG_SPACE(sizeof(int));
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  c->cmsg_type = v6 ? IPV6_TCLASS : IP_TOS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  std::copy_n(reinterpret_cast<const unsigned char*>(&ecn), sizeof ecn, CMSG_DATA(c));
}

}  // namespace

struct UdpSocket::Batch {
  std::array<mmsghdr, kBatchMax> headers{};
  std::array<iovec, kBatchMax> vectors{};
  std::array<SocketAddress, kBatchMax> addresses{};
  std::array<Control, kBatchMax> controls{};
};

UdpSocket::UdpSocket(UniqueFd socket, std::uint16_t port, bool ipv4_only)
    : socket_(std::move(socket)),
      port_(port),
      ipv4_only_(ipv4_only),
      batch_(std::make_unique<Batch>()) {}
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;
UdpSocket::~UdpSocket() = default;

Result<UdpSocket> UdpSocket::open(std::uint16_t port) {
  auto dual = open_family(port, false);
  // No IPv6 in the kernel, or none on any interface.
  if (!dual && (dual.error().os == EAFNOSUPPORT || dual.error().os == EADDRNOTAVAIL)) {
    return open_family(port, true);
  }
  return dual;
}

Result<UdpSocket> UdpSocket::open_ipv4(std::uint16_t port) { return open_family(port, true); }

Result<UdpSocket> UdpSocket::open_family(std::uint16_t port, bool ipv4_only) {
  const int family = ipv4_only ? AF_INET : AF_INET6;
  UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!socket) return fail_errno("UDP socket", errno);
  if (auto r = configure(socket.fd(), ipv4_only); !r) return std::unexpected(r.error());
  const IpAddress any = ipv4_only ? IpAddress(Ipv4{}) : IpAddress(Ipv6{});
  const SocketAddress local = to_socket_address({any, port}, !ipv4_only);
  if (::bind(socket.fd(), local.get(), local.length) != 0) {
    const int error = errno;
    const std::string text = "UDP port " + std::to_string(port);
    if (error != EADDRINUSE) return fail_errno(text, error);
    return fail_text(Errc::Busy, text + " is in use by another program; choose one with --listen",
                     error);
  }
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) != 0) {
    return fail_errno("getsockname", errno);
  }
  const auto endpoint = to_endpoint(bound.storage, bound.length);
  return UdpSocket(std::move(socket), endpoint ? endpoint->port : port, ipv4_only);
}

std::size_t UdpSocket::receive(std::span<Packet> packets, std::span<ReceivedMeta> meta) {
  const std::size_t room = std::min({packets.size(), meta.size(), kBatchMax});
  if (room == 0) return 0;
  for (std::size_t i = 0; i < room; ++i) {
    const MutableBytes area = packets[i].read_area();
    batch_->vectors[i] = {area.data(), area.size()};
    msghdr& header = batch_->headers[i].msg_hdr;
    header = {};
    header.msg_name = &batch_->addresses[i].storage;
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_iov = &batch_->vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = batch_->controls[i].bytes.data();
    header.msg_controllen = sizeof batch_->controls[i].bytes;
  }
  int n = 0;
  // An error here is one that an earlier datagram left on the socket; taking it clears it.
  for (int attempt = 0; attempt < 4; ++attempt) {
    n = ::recvmmsg(socket_.fd(), batch_->headers.data(), static_cast<unsigned>(room), 0, nullptr);
    if (n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK) break;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(n, 0)); ++i) {
    msghdr& header = batch_->headers[i].msg_hdr;
    const auto from = to_endpoint(batch_->addresses[i].storage, header.msg_namelen);
    if (!from || from->port == 0) continue;
    const std::size_t size = batch_->headers[i].msg_len;
    if (kept != i) {  // after a skipped one, which no ordinary sender causes
      copy_bytes(packets[kept].read_area(), packets[i].data().first(size));
    }
    packets[kept].resize(size);
    meta[kept++] = {.from = *from, .ecn = received_ecn(header)};
  }
  return kept;
}

std::size_t UdpSocket::send(std::span<const OutgoingDatagram> batch) {
  std::size_t taken = 0;
  bool blocked = false;
  while (taken < batch.size() && !blocked) {
    const std::size_t n = std::min(batch.size() - taken, kBatchMax);
    taken += send_some(batch.subspan(taken, n), blocked);
  }
  return taken;
}

/// One or more system calls for at most kBatchMax datagrams; returns how many were taken.
std::size_t UdpSocket::send_some(std::span<const OutgoingDatagram> batch, bool& blocked) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const OutgoingDatagram& datagram = batch[i];
    batch_->addresses[i] = to_socket_address(datagram.to, !ipv4_only_);
    // sendmsg(2) reads only, but its iovec serves readv(2) too.
    batch_->vectors[i] = {const_cast<std::byte*>(datagram.bytes.data()),  // NOLINT
                          datagram.bytes.size()};
    msghdr& header = batch_->headers[i].msg_hdr;
    header = {};
    header.msg_name = &batch_->addresses[i].storage;
    header.msg_namelen = batch_->addresses[i].length;
    header.msg_iov = &batch_->vectors[i];
    header.msg_iovlen = 1;
    if (datagram.ecn != 0) {
      attach_ecn(header, batch_->controls[i], datagram.to.address.is_v6(), datagram.ecn & kEcnMask);
    }
  }
  std::size_t taken = 0;
  while (taken < batch.size()) {
    const int n = ::sendmmsg(socket_.fd(), &batch_->headers[taken],
                             static_cast<unsigned>(batch.size() - taken), MSG_NOSIGNAL);
    if (n > 0) {
      taken += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      blocked = true;
      break;
    }
    if (errno == EMSGSIZE) too_big_ = batch[taken].to;
    ++send_failures_;
    ++taken;
  }
  return taken;
}

std::optional<Endpoint> UdpSocket::take_too_big() { return std::exchange(too_big_, std::nullopt); }

Result<std::uint16_t> path_mtu(const Endpoint& to) {
  const bool v6 = to.address.is_v6();
  UniqueFd socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!socket) return fail(Errc::Os, "UDP socket", errno);
  const SocketAddress address = to_socket_address(to, false);
  if (::connect(socket.fd(), address.get(), address.length) != 0) {
    return fail(Errc::NotFound, "no route to this address", errno);
  }
  int mtu = 0;
  socklen_t length = sizeof mtu;
  if (::getsockopt(socket.fd(), v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu,
                   &length) != 0) {
    return fail(Errc::Os, "IP_MTU", errno);
  }
  // A loopback interface has 65536.
  return static_cast<std::uint16_t>(std::min(std::max(mtu, 0), 65535));
}

}  // namespace ipop::os
