#include "os/tun.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "os/error_text.h"

// <net/if.h> and <linux/if.h> define the same things; this is all that is needed of the first.
extern "C" unsigned int if_nametoindex(const char* name) noexcept;

namespace ipop::os {
namespace {

constexpr const char* kDevice = "/dev/net/tun";

/// The kernel's own rule (dev_valid_name), with "%d" as the only use of '%', once.
bool is_interface_name(std::string name) {
  if (const std::size_t pattern = name.find("%d"); pattern != std::string::npos) {
    name.replace(pattern, 2, "0");
  }
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  for (const char c : name) {
    if (c <= ' ' || c > '~' || c == '/' || c == ':' || c == '%') return false;
  }
  return true;
}

std::unexpected<Error> open_failed(int error) {
  if (error == EACCES || error == EPERM) {
    return fail_text(Errc::Denied,
                     std::string("no permission to open ") + kDevice + "; run ipopd as root",
                     error);
  }
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return fail_text(Errc::Unsupported,
                     std::string(kDevice) + " is missing; load the driver: modprobe tun", error);
  }
  return fail_errno(kDevice, error);
}

std::unexpected<Error> create_failed(const std::string& name, int error) {
  if (error == EBUSY || error == EINVAL || error == EEXIST) {
    return fail_text(Errc::Busy, "an interface " + name + " exists already; choose another name",
                     error);
  }
  if (error == EPERM || error == EACCES) {
    return fail_text(Errc::Denied, "no permission to make an interface; run ipopd as root", error);
  }
  return fail_errno("interface " + name, error);
}

// Debian 12's kernel headers do not have these yet (Linux 6.2).
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

/// struct virtio_net_hdr of virtio 1.2, section 5.1.6, in this machine's byte order. The kernel's
/// own header is no C++ (it names a field "class").
struct VnetHeader {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t hdr_len;
  std::uint16_t gso_size;
  std::uint16_t csum_start;
  std::uint16_t csum_offset;
};
static_assert(sizeof(VnetHeader) == 10);
constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;
constexpr std::uint8_t kGsoUdpL4 = 5;
constexpr std::uint8_t kGsoKindMask = 0x7f;  // without the bit for CWR, which TCP's header has too

/// Asks for all that is wanted, then for less. An interface starts with none.
TunOffloads request_offloads(int fd, const TunSettings& settings) {
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (!settings.tcp) return {};
  if (settings.udp && ::ioctl(fd, TUNSETOFFLOAD, kTcp | kTunUso4 | kTunUso6) == 0) {
    return {.checksum = true, .tcp = true, .udp = true};
  }
  if (::ioctl(fd, TUNSETOFFLOAD, kTcp) == 0) return {.checksum = true, .tcp = true};
  if (::ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) == 0) return {.checksum = true};
  return {};
}

Offload offload_of(const VnetHeader& header) {
  Offload out;
  switch (header.gso_type & kGsoKindMask) {
    case kGsoTcp4:
      out.segmentation = Segmentation::Tcp4;
      break;
    case kGsoTcp6:
      out.segmentation = Segmentation::Tcp6;
      break;
    case kGsoUdpL4:
      out.segmentation = Segmentation::Udp;
      break;
    default:
      break;
  }
  out.segment_size = header.gso_size;
  if ((header.flags & kNeedsChecksum) != 0) {
    out.checksum_partial = true;
    out.checksum_start = header.csum_start;
    out.checksum_offset = header.csum_offset;
  }
  return out;
}

VnetHeader header_of(const OutgoingPacket& packet) {
  VnetHeader out{};
  const Offload& offload = packet.offload;
  if (offload.checksum_partial) {
    out.flags = kNeedsChecksum;
    out.csum_start = offload.checksum_start;
    out.csum_offset = offload.checksum_offset;
  }
  switch (offload.segmentation) {
    case Segmentation::None:
      return out;
    case Segmentation::Tcp4:
      out.gso_type = kGsoTcp4;
      break;
    case Segmentation::Tcp6:
      out.gso_type = kGsoTcp6;
      break;
    case Segmentation::Udp:
      out.gso_type = kGsoUdpL4;
      break;
  }
  out.gso_size = offload.segment_size;
  out.hdr_len = packet.header_size;
  return out;
}

}  // namespace

Result<std::vector<Tun>> Tun::open_queues(const std::string& name, const TunSettings& settings) {
  const std::string wanted = name.empty() ? "ipop%d" : name;
  if (!is_interface_name(wanted)) {
    return fail_text(Errc::BadValue,
                     "\"" + wanted +
                         "\" is not a name for an interface: 1 to 15 "
                         "letters, digits, '-', '_' or '.'",
                     0, "not a name for an interface");
  }
  std::vector<Tun> queues;
  for (std::size_t i = 0; i < settings.queues; ++i) {
    auto queue = open_queue(i == 0 ? wanted : queues.front().name(), settings, i == 0);
    if (!queue) return std::unexpected(queue.error());
    queues.push_back(std::move(*queue));
  }
  return queues;
}

Result<Tun> Tun::open(const std::string& name) {
  auto queues = open_queues(name, {});
  if (!queues) return std::unexpected(queues.error());
  return std::move(queues->front());
}

Result<Tun> Tun::open_queue(const std::string& name, const TunSettings& settings, bool first) {
  UniqueFd fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return open_failed(errno);
  ifreq request{};
  int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (settings.queues > 1) flags |= IFF_MULTI_QUEUE;
  // Never attach to an interface that somebody else keeps.
  if (first) flags |= IFF_TUN_EXCL;
  request.ifr_flags = static_cast<short>(flags);
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd.fd(), TUNSETIFF, &request) != 0) return create_failed(name, errno);
  const unsigned index = if_nametoindex(request.ifr_name);
  if (index == 0) return fail(Errc::Os, "if_nametoindex", errno);
  const TunOffloads offloads = request_offloads(fd.fd(), settings);
  return Tun(std::move(fd), request.ifr_name, static_cast<int>(index), offloads);
}

std::size_t Tun::read(std::span<Packet> packets, std::span<Offload> left) {
  std::size_t n = 0;
  const std::size_t room = std::min(packets.size(), left.size());
  while (n < room) {
    const MutableBytes area = packets[n].read_area();
    VnetHeader header{};
    std::array<iovec, 2> vectors{{{&header, sizeof header}, {area.data(), area.size()}}};
    const ssize_t size = ::readv(fd_.fd(), vectors.data(), vectors.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EBADFD) is_deleted_ = true;
    if (size <= 0) break;
    if (static_cast<std::size_t>(size) < sizeof header) continue;
    left[n] = offload_of(header);
    packets[n++].resize(static_cast<std::size_t>(size) - sizeof header);
  }
  return n;
}

bool Tun::write(const OutgoingPacket& packet) {
  check(packet.parts.size() <= kPartsMax);
  VnetHeader header = header_of(packet);
  std::array<iovec, kPartsMax + 1> vectors;
  std::size_t count = 0;
  std::size_t total = sizeof header;
  vectors[count++] = {&header, sizeof header};
  for (const Bytes part : packet.parts) {
    // writev(2) reads only, but its iovec serves readv(2) too.
    vectors[count++] = {const_cast<std::byte*>(part.data()), part.size()};  // NOLINT
    total += part.size();
  }
  while (true) {
    const ssize_t size = ::writev(fd_.fd(), vectors.data(), static_cast<int>(count));
    if (size >= 0) return static_cast<std::size_t>(size) == total;
    if (errno != EINTR) return false;
  }
}

}  // namespace ipop::os
