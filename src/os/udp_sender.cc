#include "os/udp_sender.h"

#include <cerrno>

#include "os/socket_address.h"

namespace ipop::os {

Result<void> UdpSender::send(const Endpoint& to, Bytes datagram) const {
  if (to.address.is_v6() && !mapped_) return fail(Errc::Os, "no IPv6 on this socket", EAFNOSUPPORT);
  const SocketAddress address = to_socket_address(to, mapped_);
  for (;;) {
    if (::sendto(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL, address.get(),
                 address.length) >= 0) {
      return {};
    }
    if (errno == EINTR) continue;
    if (errno == EMSGSIZE) return fail(Errc::Busy, "datagram above the path's MTU", errno);
    return fail(Errc::Os, "cannot send a datagram", errno);
  }
}

}  // namespace ipop::os
