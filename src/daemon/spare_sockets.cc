#include "daemon/spare_sockets.h"

#include <utility>

namespace ipop::daemon {

Result<SpareSockets> SpareSockets::create(const os::UdpSettings& settings, PacketThreads& packets) {
  auto poller = os::Poller::open();
  if (!poller) return std::unexpected(poller.error());
  return SpareSockets(*std::move(poller), settings, packets);
}

void SpareSockets::open(SocketId socket) {
  auto opened = os::UdpSocket::open(0, settings_);
  if (!opened || !poller_.add(opened->fd(), socket.value, os::Interest::Read)) return;
  const os::UdpSender sender(*opened);
  spares_.insert_or_assign(socket, Spare{std::move(*opened), sender});
}

void SpareSockets::adopt(SocketId socket) {
  const auto it = spares_.find(socket);
  if (it == spares_.end() || !it->second.socket) return;
  poller_.remove(it->second.socket->fd());
  // The descriptor stays the same, and the threads' until close(): control goes on sending by it.
  if (packets_->adopt(socket, *std::exchange(it->second.socket, std::nullopt))) return;
  spares_.erase(it);
}

void SpareSockets::close(SocketId socket) {
  const auto it = spares_.find(socket);
  if (it == spares_.end()) return;
  if (it->second.socket) {
    poller_.remove(it->second.socket->fd());
  } else {
    packets_->release(socket);
  }
  spares_.erase(it);
}

Result<void> SpareSockets::send(SocketId socket, const Endpoint& to, Bytes datagram) const {
  const auto it = spares_.find(socket);
  if (it == spares_.end()) return fail(Errc::NotFound, "no such spare socket");
  return it->second.sender.send(to, datagram);
}

void SpareSockets::process() {
  for (const os::Ready& ready : poller_.wait(Duration::zero())) {
    const auto it = spares_.find(SocketId{static_cast<std::uint32_t>(ready.token)});
    if (it != spares_.end() && it->second.socket) read(it->first, *it->second.socket);
  }
}

/// One buffer of each that is ready: none keeps control from its timers.
void SpareSockets::read(SocketId id, os::UdpSocket& socket) {
  if (!buffer_) buffer_ = std::make_unique<Packet>();
  ReceivedMeta meta;
  if (socket.receive(std::span(buffer_.get(), 1), std::span(&meta, 1)) == 0) return;
  Bytes rest = buffer_->data();
  const std::size_t stride = meta.segment_size == 0 ? rest.size() : meta.segment_size;
  do {
    const Bytes datagram = rest.first(std::min(stride, rest.size()));
    rest = rest.subspan(datagram.size());
    packets_->take(Way(meta.from, id), to_vector(datagram));
  } while (!rest.empty());
}

}  // namespace ipop::daemon
