#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "os/udp_socket.h"

namespace ipop::os {

/// Sends single datagrams out of a UdpSocket that another thread reads and writes: the control
/// thread's handshakes and frames. Borrows the descriptor. One thread.
class UdpSender {
 public:
  explicit UdpSender(const UdpSocket& socket) : fd_(socket.fd()), mapped_(!socket.ipv4_only()) {}

  /// Never blocks; what the kernel refuses is lost, as it would be on the way. Error Busy when the
  /// datagram is above the path's MTU, Os otherwise.
  Result<void> send(const Endpoint& to, Bytes datagram) const;

 private:
  int fd_;
  bool mapped_;
};

}  // namespace ipop::os
