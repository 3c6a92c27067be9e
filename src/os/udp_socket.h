#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/device.h"
#include "base/error.h"
#include "base/packet.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// What to ask the kernel for. Each is given up alone where the kernel has it not.
struct UdpSettings {
  bool segment = false;  ///< many datagrams to one place in one send (UDP_SEGMENT)
  bool group = false;    ///< many datagrams from one place in one buffer (UDP_GRO)
};

/// The daemon's UDP port: one socket for both families (IPv4 alone where the kernel has no IPv6),
/// never blocking, never fragmenting (path MTU discovery on), with ECN bits in both directions.
/// Which source address a datagram leaves from is the kernel's routing decision. One thread, except
/// port() and fd().
class UdpSocket {
 public:
  /// Binds to every address of the machine. `port` 0 = any free one. Busy when it is taken.
  static Result<UdpSocket> open(std::uint16_t port, const UdpSettings& settings = {});
  /// As open() on a kernel without IPv6.
  static Result<UdpSocket> open_ipv4(std::uint16_t port, const UdpSettings& settings = {});

  /// Which of several sockets a datagram arrives at: those whose first byte is `first_byte` by the
  /// lane that their second byte names, lane 0 and 1 at the first socket, 2 at the second and so on
  /// round them; all others at the first.
  struct LaneSteering {
    std::uint8_t first_byte = 0;
  };
  /// Several sockets on one port, for a thread each (SO_REUSEPORT). As many as `count`, or one
  /// where the kernel cannot steer. Otherwise as open().
  static Result<std::vector<UdpSocket>> open_group(std::uint16_t port, const UdpSettings& settings,
                                                   std::size_t count, const LaneSteering& steering);

  /// The same of a socket that is open already, and may have datagrams waiting: it is the first of
  /// the group. Error where the kernel cannot steer, and then it is closed.
  static Result<std::vector<UdpSocket>> make_group(UdpSocket first, std::size_t count,
                                                   const LaneSteering& steering);

  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;
  ~UdpSocket();

  std::uint16_t port() const { return port_; }
  int fd() const { return socket_.fd(); }
  bool ipv4_only() const { return ipv4_only_; }

  /// Reads up to the smaller span's number of buffers into packets[i] and meta[i]; returns how
  /// many, 0 = would block. A buffer holds one datagram, or several of one size from one sender.
  /// Datagrams from port 0 or from an address that no Endpoint can name are skipped.
  std::size_t receive(std::span<Packet> packets, std::span<ReceivedMeta> meta);

  /// Sends from the front, in order; returns how many entries were taken, fewer than all only when
  /// the kernel's buffer is full. What the kernel refuses for itself (no route, firewall, IPv6 on
  /// an IPv4-only socket) counts as taken and lost, as it would be on the way. Neighbours that one
  /// send can take together go together.
  std::size_t send(std::span<const OutgoingDatagrams> batch);
  /// What the kernel granted, until it refuses once.
  const UdpSettings& settings() const { return settings_; }

  /// The destination of a datagram that was above the path's MTU (EMSGSIZE), once; the latest one
  /// when there were many.
  std::optional<Endpoint> take_too_big();

  /// Datagrams lost in send(), for the counters: refused ones and those too big.
  std::uint64_t send_failures() const { return send_failures_; }

 private:
  struct Batch;  // message headers, far too large for this header
  UdpSocket(UniqueFd socket, std::uint16_t port, bool ipv4_only, const UdpSettings& settings);
  static Result<UdpSocket> open_family(std::uint16_t port, bool ipv4_only, bool shared,
                                       const UdpSettings& settings);
  static Result<UdpSocket> open_any_family(std::uint16_t port, bool shared,
                                           const UdpSettings& settings);
  Batch& scratch();
  Result<void> steer(std::size_t count, const LaneSteering& steering);
  /// Fills message headers from the front of `batch`.
  void prepare(std::span<const OutgoingDatagrams> batch);
  std::size_t joinable(std::span<const OutgoingDatagrams> batch) const;
  /// Sends what prepare() filled; returns how many messages were taken.
  std::size_t send_prepared(bool& blocked);
  void refused(std::size_t message, int error);
  void send_one_by_one(std::size_t message);

  UniqueFd socket_;
  std::uint16_t port_ = 0;
  bool ipv4_only_ = false;
  UdpSettings settings_;
  std::unique_ptr<Batch> batch_;  ///< made when it is needed: many spare sockets only wait
  std::optional<Endpoint> too_big_;
  std::uint64_t send_failures_ = 0;
};

/// The kernel's present path MTU towards `to` in bytes of IP packet: the interface's, or less where
/// a router said so. NotFound when there is no route. Asks by a connected socket that sends
/// nothing.
Result<std::uint16_t> path_mtu(const Endpoint& to);

}  // namespace ipop::os
