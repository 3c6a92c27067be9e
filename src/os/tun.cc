#include "os/tun.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>

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

}  // namespace

Result<Tun> Tun::open(const std::string& name) {
  const std::string wanted = name.empty() ? "ipop%d" : name;
  if (!is_interface_name(wanted)) {
    return fail_text(Errc::BadValue,
                     "\"" + wanted +
                         "\" is not a name for an interface: 1 to 15 "
                         "letters, digits, '-', '_' or '.'",
                     0, "not a name for an interface");
  }
  UniqueFd fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return open_failed(errno);
  ifreq request{};
  // IFF_TUN_EXCL: never attach to an interface that somebody else keeps.
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL);
  wanted.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd.fd(), TUNSETIFF, &request) != 0) return create_failed(wanted, errno);
  const unsigned index = if_nametoindex(request.ifr_name);
  if (index == 0) return fail(Errc::Os, "if_nametoindex", errno);
  return Tun(std::move(fd), request.ifr_name, static_cast<int>(index));
}

std::size_t Tun::read(std::span<Packet> packets) {
  std::size_t n = 0;
  while (n < packets.size()) {
    const MutableBytes area = packets[n].read_area();
    const ssize_t size = ::read(fd_.fd(), area.data(), area.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;  // nothing there, or the interface was deleted under us
    packets[n++].resize(static_cast<std::size_t>(size));
  }
  return n;
}

bool Tun::write(Bytes ip_packet) {
  while (true) {
    const ssize_t size = ::write(fd_.fd(), ip_packet.data(), ip_packet.size());
    if (size >= 0) return static_cast<std::size_t>(size) == ip_packet.size();
    if (errno != EINTR) return false;
  }
}

}  // namespace ipop::os
