#include "os/udp_sockets.h"

#include <algorithm>

#include "base/check.h"

namespace ipop::os {

UdpSockets::Numbered* UdpSockets::find(SocketId id) {
  const auto it = std::ranges::find_if(sockets_, [&](const Numbered& s) { return s.id == id; });
  return it == sockets_.end() ? nullptr : &*it;
}

std::optional<int> UdpSockets::fd(SocketId id) const {
  const auto it = std::ranges::find_if(sockets_, [&](const Numbered& s) { return s.id == id; });
  return it == sockets_.end() ? std::nullopt : std::optional(it->udp.fd());
}

void UdpSockets::remove(SocketId id) {
  check(id != kMainSocket);
  std::erase_if(sockets_, [&](const Numbered& s) { return s.id == id; });
}

std::size_t UdpSockets::receive(std::span<Packet> packets, std::span<ReceivedMeta> meta) {
  const std::size_t room = std::min(packets.size(), meta.size());
  std::size_t n = 0;
  for (std::size_t i = 0; i < sockets_.size() && n < room; ++i) {
    Numbered& from = sockets_[(turn_ + i) % sockets_.size()];
    const std::size_t more =
        from.udp.receive(packets.subspan(n, room - n), meta.subspan(n, room - n));
    for (ReceivedMeta& m : meta.subspan(n, more)) m.socket = from.id;
    n += more;
  }
  turn_ = (turn_ + 1) % sockets_.size();
  return n;
}

std::size_t UdpSockets::send(std::span<const OutgoingDatagrams> batch) {
  std::size_t taken = 0;
  while (taken < batch.size()) {
    const auto rest = batch.subspan(taken);
    const SocketId id = rest.front().socket;
    const auto end =
        std::ranges::find_if(rest, [&](const OutgoingDatagrams& d) { return d.socket != id; });
    const auto run = rest.first(static_cast<std::size_t>(end - rest.begin()));
    Numbered* by = find(id);
    const std::size_t sent = by == nullptr ? run.size() : by->udp.send(run);
    taken += sent;
    if (sent < run.size()) break;
  }
  return taken;
}

std::optional<Endpoint> UdpSockets::take_too_big() {
  for (Numbered& s : sockets_) {
    if (auto to = s.udp.take_too_big()) return to;
  }
  return std::nullopt;
}

}  // namespace ipop::os
