#include "os/udp_socket.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
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
/// What one UDP_SEGMENT send takes: UDP_MAX_SEGMENTS of Linux before 6.9, and an IPv4 datagram.
constexpr std::size_t kSegmentsMax = 64;
constexpr std::size_t kSegmentedBytesMax = 65507;

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

/// Room for the ECN bits and a segment size, aligned for their headers.
union Control {
  std::array<std::byte, CMSG_SPACE(sizeof(int)) * 2> bytes;
  cmsghdr align;
};

template <class T>
T value_of(const cmsghdr* c) {
  T value{};
  std::copy_n(CMSG_DATA(c), sizeof value, reinterpret_cast<unsigned char*>(&value));
  return value;
}

void read_control(msghdr& header, ReceivedMeta& meta) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool is_int = c->cmsg_len >= CMSG_LEN(sizeof(int));
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      // IPv4 brings one byte, IPv6 an int.
      meta.ecn = static_cast<std::uint8_t>(*CMSG_DATA(c) & kEcnMask);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS && is_int) {
      meta.ecn = static_cast<std::uint8_t>(value_of<int>(c) & kEcnMask);
    } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO && is_int) {
      meta.segment_size = static_cast<std::uint16_t>(value_of<int>(c));
    }
  }
}

/// Writes ancillary data, one piece behind the other.
class ControlWriter {
 public:
  ControlWriter(msghdr& header, Control& control) : header_(&header), control_(&control) {
    control = {};
  }
  template <class T>
  void add(int level, int type, T value) {
    header_->msg_control = control_->bytes.data();
    header_->msg_controllen = used_ + CMSG_SPACE(sizeof value);
    auto* c = reinterpret_cast<cmsghdr*>(control_->bytes.data() + used_);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(sizeof value);
    std::copy_n(reinterpret_cast<const unsigned char*>(&value), sizeof value, CMSG_DATA(c));
    used_ += CMSG_SPACE(sizeof value);
  }

 private:
  msghdr* header_;
  Control* control_;
  std::size_t used_ = 0;
};

/// How many datagrams an entry is.
std::size_t datagrams_of(const OutgoingDatagrams& entry) {
  return entry.segment_size == 0
             ? 1
             : (entry.bytes.size() + entry.segment_size - 1) / entry.segment_size;
}

}  // namespace

struct UdpSocket::Batch {
  std::array<mmsghdr, kBatchMax> headers{};
  std::array<iovec, kBatchMax> vectors{};
  std::array<SocketAddress, kBatchMax> addresses{};
  std::array<Control, kBatchMax> controls{};
  // While sending: the entries of message i are entries[first[i]] up to entries[first[i + 1]].
  std::span<const OutgoingDatagrams> entries;
  std::array<std::size_t, kBatchMax + 1> first{};
  std::array<std::uint16_t, kBatchMax> segment_sizes{};
  std::size_t messages = 0;
};

UdpSocket::UdpSocket(UniqueFd socket, std::uint16_t port, bool ipv4_only,
                     const UdpSettings& settings)
    : socket_(std::move(socket)), port_(port), ipv4_only_(ipv4_only), settings_(settings) {}
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;
UdpSocket::~UdpSocket() = default;

UdpSocket::Batch& UdpSocket::scratch() {
  if (!batch_) batch_ = std::make_unique<Batch>();
  return *batch_;
}

Result<UdpSocket> UdpSocket::open(std::uint16_t port, const UdpSettings& settings) {
  return open_any_family(port, false, settings);
}

Result<UdpSocket> UdpSocket::open_ipv4(std::uint16_t port, const UdpSettings& settings) {
  return open_family(port, true, false, settings);
}

Result<std::vector<UdpSocket>> UdpSocket::open_group(std::uint16_t port,
                                                     const UdpSettings& settings, std::size_t count,
                                                     const LaneSteering& steering) {
  // Alone first: a port that is shared from the start would be shared with anybody who asks, and
  // another daemon's use of it would go unnoticed.
  auto alone = open_any_family(port, false, settings);
  if (!alone) return std::unexpected(alone.error());
  const std::uint16_t drawn = alone->port();
  std::vector<UdpSocket> group;
  if (count > 1) {
    { const UdpSocket released = std::move(*alone); }
    for (std::size_t i = 0; i < count; ++i) {
      auto next = open_any_family(drawn, true, settings);
      if (!next) return std::unexpected(next.error());
      group.push_back(std::move(*next));
    }
    if (group.front().steer(count, steering)) return group;
    group.clear();
    alone = open_any_family(drawn, false, settings);
    if (!alone) return std::unexpected(alone.error());
  }
  group.push_back(std::move(*alone));
  return group;
}

Result<std::vector<UdpSocket>> UdpSocket::make_group(UdpSocket first, std::size_t count,
                                                     const LaneSteering& steering) {
  // Linux lets a bound socket share its port from now on, and makes the group with the second.
  if (auto r = set_option(first.fd(), SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !r) {
    return std::unexpected(r.error());
  }
  const UdpSettings settings = first.settings();
  const std::uint16_t port = first.port();
  const bool ipv4_only = first.ipv4_only();
  std::vector<UdpSocket> group;
  group.push_back(std::move(first));
  while (group.size() < count) {
    auto next = open_family(port, ipv4_only, true, settings);
    if (!next) return std::unexpected(next.error());
    group.push_back(std::move(*next));
  }
  if (count > 1) {
    if (auto r = group.front().steer(count, steering); !r) return std::unexpected(r.error());
  }
  return group;
}

/// A classic BPF program of the group: Linux sees the datagram from its UDP payload on, and takes
/// the answer as the socket's number in the order of binding (socket(7), SO_ATTACH_REUSEPORT_CBPF).
/// Without the second byte the load ends the program with 0.
Result<void> UdpSocket::steer(std::size_t count, const LaneSteering& steering) {
  std::array<sock_filter, 8> program{{
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 0},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, steering.first_byte},  // no: the last line
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 1},
      {BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 0},  // lane 0: the last line
      {BPF_ALU | BPF_SUB | BPF_K, 0, 0, 1},
      {BPF_ALU | BPF_MOD | BPF_K, 0, 0, static_cast<std::uint32_t>(count)},
      {BPF_RET | BPF_A, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, 0},
  }};
  const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(socket_.fd(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached,
                   sizeof attached) != 0) {
    return fail_errno("steering datagrams to sockets", errno);
  }
  return {};
}

Result<UdpSocket> UdpSocket::open_any_family(std::uint16_t port, bool shared,
                                             const UdpSettings& settings) {
  auto dual = open_family(port, false, shared, settings);
  // No IPv6 in the kernel, or none on any interface.
  if (!dual && (dual.error().os == EAFNOSUPPORT || dual.error().os == EADDRNOTAVAIL)) {
    return open_family(port, true, shared, settings);
  }
  return dual;
}

Result<UdpSocket> UdpSocket::open_family(std::uint16_t port, bool ipv4_only, bool shared,
                                         const UdpSettings& settings) {
  const int family = ipv4_only ? AF_INET : AF_INET6;
  UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!socket) return fail_errno("UDP socket", errno);
  if (auto r = configure(socket.fd(), ipv4_only); !r) return std::unexpected(r.error());
  if (shared) {
    if (auto r = set_option(socket.fd(), SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !r) {
      return std::unexpected(r.error());
    }
  }
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
  UdpSettings granted = settings;
  if (settings.group) {
    granted.group = set_option(socket.fd(), SOL_UDP, UDP_GRO, 1, "UDP_GRO").has_value();
  }
  if (settings.segment) {
    // Zero changes nothing; a kernel that does not know the option says so.
    granted.segment = set_option(socket.fd(), SOL_UDP, UDP_SEGMENT, 0, "UDP_SEGMENT").has_value();
  }
  return UdpSocket(std::move(socket), endpoint ? endpoint->port : port, ipv4_only, granted);
}

std::size_t UdpSocket::receive(std::span<Packet> packets, std::span<ReceivedMeta> meta) {
  const std::size_t room = std::min({packets.size(), meta.size(), kBatchMax});
  if (room == 0) return 0;
  Batch& b = scratch();
  for (std::size_t i = 0; i < room; ++i) {
    const MutableBytes area = packets[i].read_area();
    b.vectors[i] = {area.data(), area.size()};
    msghdr& header = b.headers[i].msg_hdr;
    header = {};
    header.msg_name = &b.addresses[i].storage;
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_iov = &b.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = b.controls[i].bytes.data();
    header.msg_controllen = sizeof b.controls[i].bytes;
  }
  int n = 0;
  // An error here is one that an earlier datagram left on the socket; taking it clears it.
  for (int attempt = 0; attempt < 4; ++attempt) {
    n = ::recvmmsg(socket_.fd(), b.headers.data(), static_cast<unsigned>(room), 0, nullptr);
    if (n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK) break;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(n, 0)); ++i) {
    msghdr& header = b.headers[i].msg_hdr;
    const auto from = to_endpoint(b.addresses[i].storage, header.msg_namelen);
    if (!from || from->port == 0) continue;
    const std::size_t size = b.headers[i].msg_len;
    if (kept != i) {  // after a skipped one, which no ordinary sender causes
      copy_bytes(packets[kept].read_area(), packets[i].data().first(size));
    }
    packets[kept].resize(size);
    meta[kept] = {.from = *from};
    read_control(header, meta[kept++]);
  }
  return kept;
}

std::size_t UdpSocket::send(std::span<const OutgoingDatagrams> batch) {
  std::size_t taken = 0;
  bool blocked = false;
  while (taken < batch.size() && !blocked) {
    prepare(batch.subspan(taken));
    taken += batch_->first[send_prepared(blocked)];
  }
  return taken;
}

/// How many entries from the front go into one message.
std::size_t UdpSocket::joinable(std::span<const OutgoingDatagrams> batch) const {
  const OutgoingDatagrams& head = batch[0];
  if (!settings_.segment || head.segment_size != 0 || head.bytes.empty()) return 1;
  std::size_t n = 1;
  std::size_t bytes = head.bytes.size();
  // All of one size, but the last, which may be shorter.
  while (n < std::min(batch.size(), kSegmentsMax) &&
         batch[n - 1].bytes.size() == head.bytes.size()) {
    const OutgoingDatagrams& next = batch[n];
    bytes += next.bytes.size();
    if (next.segment_size != 0 || next.bytes.empty() || next.bytes.size() > head.bytes.size() ||
        next.to != head.to || next.ecn != head.ecn || bytes > kSegmentedBytesMax) {
      break;
    }
    ++n;
  }
  return n;
}

void UdpSocket::prepare(std::span<const OutgoingDatagrams> batch) {
  Batch& b = scratch();
  b.entries = batch.first(std::min(batch.size(), kBatchMax));
  b.messages = 0;
  b.first[0] = 0;
  for (std::size_t at = 0; at < b.entries.size();) {
    const OutgoingDatagrams& head = b.entries[at];
    const std::size_t n = joinable(b.entries.subspan(at));
    const std::size_t m = b.messages++;
    b.addresses[m] = to_socket_address(head.to, !ipv4_only_);
    for (std::size_t i = at; i < at + n; ++i) {
      const Bytes bytes = b.entries[i].bytes;
      // sendmsg(2) reads only, but its iovec serves readv(2) too.
      b.vectors[i] = {const_cast<std::byte*>(bytes.data()), bytes.size()};  // NOLINT
    }
    msghdr& header = b.headers[m].msg_hdr;
    header = {};
    header.msg_name = &b.addresses[m].storage;
    header.msg_namelen = b.addresses[m].length;
    header.msg_iov = &b.vectors[at];
    header.msg_iovlen = n;
    ControlWriter control(header, b.controls[m]);
    if (head.ecn != 0) {
      const bool v6 = head.to.address.is_v6();
      control.add(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, head.ecn & kEcnMask);
    }
    b.segment_sizes[m] = n > 1                    ? static_cast<std::uint16_t>(head.bytes.size())
                         : datagrams_of(head) > 1 ? head.segment_size
                                                  : std::uint16_t{0};
    if (b.segment_sizes[m] != 0) control.add(SOL_UDP, UDP_SEGMENT, b.segment_sizes[m]);
    at += n;
    b.first[b.messages] = at;
  }
}

std::size_t UdpSocket::send_prepared(bool& blocked) {
  std::size_t taken = 0;
  while (taken < batch_->messages) {
    if (batch_->segment_sizes[taken] != 0 && !settings_.segment) {
      send_one_by_one(taken++);
      continue;
    }
    const int n = ::sendmmsg(socket_.fd(), &batch_->headers[taken],
                             static_cast<unsigned>(batch_->messages - taken), MSG_NOSIGNAL);
    if (n > 0) {
      taken += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      blocked = true;
      break;
    }
    refused(taken++, errno);
  }
  return taken;
}

/// A message for many datagrams is refused for reasons of its own (EINVAL: one of them is above the
/// MTU; EIO: the interface cannot checksum them), so its datagrams get their chance alone.
void UdpSocket::refused(std::size_t message, int error) {
  if (batch_->segment_sizes[message] != 0) {
    if (error == EIO || error == EOPNOTSUPP) settings_.segment = false;
    send_one_by_one(message);
    return;
  }
  if (error == EMSGSIZE) too_big_ = batch_->entries[batch_->first[message]].to;
  ++send_failures_;
}

void UdpSocket::send_one_by_one(std::size_t message) {
  const msghdr& whole = batch_->headers[message].msg_hdr;
  for (std::size_t i = batch_->first[message]; i < batch_->first[message + 1]; ++i) {
    const OutgoingDatagrams& entry = batch_->entries[i];
    const std::size_t stride = entry.segment_size == 0 ? entry.bytes.size() : entry.segment_size;
    for (Bytes rest = entry.bytes; !rest.empty();
         rest = rest.subspan(std::min(stride, rest.size()))) {
      const Bytes one = rest.first(std::min(stride, rest.size()));
      iovec vector{const_cast<std::byte*>(one.data()), one.size()};  // NOLINT
      msghdr header = whole;
      header.msg_iov = &vector;
      header.msg_iovlen = 1;
      // The segment size is the last piece of ancillary data.
      header.msg_controllen -= CMSG_SPACE(sizeof(std::uint16_t));
      if (header.msg_controllen == 0) header.msg_control = nullptr;
      if (::sendmsg(socket_.fd(), &header, MSG_NOSIGNAL) >= 0) continue;
      if (errno == EMSGSIZE) too_big_ = entry.to;
      ++send_failures_;
    }
  }
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
