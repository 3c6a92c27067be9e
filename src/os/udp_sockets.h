#pragma once

#include <deque>
#include <optional>
#include <span>

#include "base/device.h"
#include "base/id.h"
#include "base/packet.h"
#include "os/udp_socket.h"

namespace ipop::os {

/// What one packet thread reads and sends by: its socket of the one port, and its socket of each
/// spare port that a peer is reached by. A Udp of base/device.h. One thread.
class UdpSockets {
 public:
  explicit UdpSockets(UdpSocket main) { sockets_.push_back({kMainSocket, std::move(main)}); }

  const UdpSocket& main() const { return sockets_.front().udp; }
  /// Requires: another id than those of all others.
  void add(SocketId id, UdpSocket socket) { sockets_.push_back({id, std::move(socket)}); }
  /// Its descriptor, to wait for; nullopt: there is none of that id.
  std::optional<int> fd(SocketId id) const;
  /// Closes it. Requires: not the main one.
  void remove(SocketId id);

  /// As UdpSocket: of all sockets, each of which is the first to be read in its turn.
  std::size_t receive(std::span<Packet> packets, std::span<ReceivedMeta> meta);
  /// As UdpSocket; what is for a socket that is not there (it was just closed) counts as taken and
  /// lost.
  std::size_t send(std::span<const OutgoingDatagrams> batch);
  std::optional<Endpoint> take_too_big();

 private:
  struct Numbered {
    SocketId id;
    UdpSocket udp;
  };
  Numbered* find(SocketId id);

  std::deque<Numbered> sockets_;  ///< the main one first
  std::size_t turn_ = 0;
};

}  // namespace ipop::os
