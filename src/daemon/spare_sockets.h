#pragma once

#include <map>
#include <memory>
#include <optional>

#include "base/packet.h"
#include "daemon/packet_threads.h"
#include "os/poller.h"
#include "os/udp_sender.h"
#include "os/udp_socket.h"

namespace ipop::daemon {

/// The sockets besides the one port (engine::SpareSockets). Control itself reads them, and hands
/// what comes to the packet threads, until one is adopted: then the threads have it, each a socket
/// of its port, as of the one port. For the control thread.
class SpareSockets {
 public:
  /// `packets` outlives it.
  static Result<SpareSockets> create(const os::UdpSettings& settings, PacketThreads& packets);

  /// Readable when process() has something to do.
  int fd() const { return poller_.fd(); }
  void process();

  /// Where the system gives none, what is sent from it is lost.
  void open(SocketId socket);
  /// From now on the packet threads read it and send from it. Returns when they do.
  void adopt(SocketId socket);
  void close(SocketId socket);
  /// As UdpSender; an unknown socket is one that could not be had.
  Result<void> send(SocketId socket, const Endpoint& to, Bytes datagram) const;

 private:
  struct Spare {
    std::optional<os::UdpSocket> socket;  ///< nullopt: adopted
    os::UdpSender sender;
  };
  SpareSockets(os::Poller poller, const os::UdpSettings& settings, PacketThreads& packets)
      : poller_(std::move(poller)), settings_(settings), packets_(&packets) {}
  void read(SocketId id, os::UdpSocket& socket);

  os::Poller poller_;
  os::UdpSettings settings_;
  PacketThreads* packets_;
  std::map<SocketId, Spare> spares_;
  std::unique_ptr<Packet> buffer_;  ///< made with the first datagram
};

}  // namespace ipop::daemon
