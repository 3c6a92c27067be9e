#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/device.h"
#include "base/error.h"
#include "base/packet.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// What to ask the kernel for. Each is given up alone where the kernel has it not.
struct TunSettings {
  bool tcp = false;  ///< packets of up to 64 KiB for TCP (TSO), and with them partial checksums
  bool udp = false;  ///< the same for UDP (USO, Linux 6.2), with `tcp` only
  std::size_t queues = 1;  ///< flows are spread over them by the kernel
};

/// One queue of a network interface whose other end is this process: layer 3, never blocking. The
/// interface disappears with its last queue. read() and write() by one thread each.
class Tun {
 public:
  /// Makes the interface `name`; a name with "%d" lets the kernel put the first free number there,
  /// "" is "ipop%d". Returns its queues, as many as asked for, all alike.
  /// Errors: Busy (name taken), BadValue (no interface name), Denied (rights), Unsupported (no
  /// /dev/net/tun).
  static Result<std::vector<Tun>> open_queues(const std::string& name, const TunSettings& settings);
  /// One queue without offloads.
  static Result<Tun> open(const std::string& name);

  const std::string& name() const { return name_; }
  int ifindex() const { return ifindex_; }
  int fd() const { return fd_.fd(); }
  /// What the kernel granted: it takes that from us, and leaves as much to us.
  TunOffloads offloads() const { return offloads_; }
  /// read() met that somebody has deleted the interface: fd() stays readable, and nothing comes.
  bool is_deleted() const { return is_deleted_; }

  /// Fills packets from the front, one IP packet each, and says what the kernel left undone on
  /// each; returns how many, 0 = would block. As many as the shorter span.
  std::size_t read(std::span<Packet> packets, std::span<Offload> left);
  /// Hands one IP packet to the kernel; false when it refused (interface down, queue full, neither
  /// IPv4 nor IPv6, an offload that it does not take). Requires: at most kPartsMax parts.
  bool write(const OutgoingPacket& packet);
  static constexpr std::size_t kPartsMax = 64;

 private:
  Tun(UniqueFd fd, std::string name, int ifindex, TunOffloads offloads)
      : fd_(std::move(fd)), name_(std::move(name)), ifindex_(ifindex), offloads_(offloads) {}
  static Result<Tun> open_queue(const std::string& name, const TunSettings& settings, bool first);

  UniqueFd fd_;
  std::string name_;
  int ifindex_ = 0;
  TunOffloads offloads_;
  bool is_deleted_ = false;
};

}  // namespace ipop::os
