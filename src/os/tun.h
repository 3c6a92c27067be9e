#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "base/packet.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// A network interface whose other end is this process: layer 3, no header before the IP packet,
/// never blocking. It disappears when the object does. read() and write() by one thread each.
class Tun {
 public:
  /// Makes the interface `name`; a name with "%d" lets the kernel put the first free number there,
  /// "" is "ipop%d". Errors: Busy (name taken), BadValue (no interface name), Denied (rights),
  /// Unsupported (no /dev/net/tun).
  static Result<Tun> open(const std::string& name);

  const std::string& name() const { return name_; }
  int ifindex() const { return ifindex_; }
  int fd() const { return fd_.fd(); }

  /// Fills packets from the front, one IP packet each; returns how many, 0 = would block.
  std::size_t read(std::span<Packet> packets);
  /// Hands one IP packet to the kernel; false when it refused (interface down, queue full,
  /// neither IPv4 nor IPv6).
  bool write(Bytes ip_packet);

 private:
  Tun(UniqueFd fd, std::string name, int ifindex)
      : fd_(std::move(fd)), name_(std::move(name)), ifindex_(ifindex) {}

  UniqueFd fd_;
  std::string name_;
  int ifindex_ = 0;
};

}  // namespace ipop::os
