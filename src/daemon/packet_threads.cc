#include "daemon/packet_threads.h"

#include "base/check.h"
#include "wire/handshake.h"

namespace ipop::daemon {

Result<std::unique_ptr<PacketThreads>> PacketThreads::start(std::vector<os::UdpSocket> sockets) {
  check(!sockets.empty());
  auto events = os::Wakeup::open();
  if (!events) return std::unexpected(events.error());
  auto streams = os::Wakeup::open();
  if (!streams) return std::unexpected(streams.error());
  Parts parts{std::move(*events), std::move(*streams), {}, std::move(sockets)};
  for (std::size_t i = 0; i < parts.sockets.size(); ++i) {
    auto wakeup = os::Wakeup::open();
    if (!wakeup) return std::unexpected(wakeup.error());
    parts.wakeups.push_back(std::move(*wakeup));
  }
  return std::make_unique<PacketThreads>(std::move(parts));
}

PacketThreads::PacketThreads(Parts parts)
    : snapshots_(parts.sockets.size()),
      handover_(parts.sockets.size()),
      events_(std::move(parts.events)),
      streams_(std::move(parts.streams)),
      wakeups_(std::move(parts.wakeups)) {
  const PacketThread::Shared shared{&snapshots_, &handover_, &events_, &streams_, &wakeups_};
  for (std::size_t i = 0; i < parts.sockets.size(); ++i) {
    threads_.push_back(std::make_unique<PacketThread>(shared, i, std::move(parts.sockets[i])));
  }
}

std::vector<dataplane::Event> PacketThreads::take_events() {
  events_.drain();
  std::vector<dataplane::Event> out;
  for (bool more = true; more;) {
    more = false;
    for (const auto& thread : threads_) {
      auto event = thread->take_event();
      if (!event) continue;
      more = true;
      out.push_back(std::move(*event));
      if (out.size() < kEventsMax) continue;
      events_.notify();
      return out;
    }
  }
  return out;
}

void PacketThreads::publish(std::unique_ptr<const dataplane::Snapshot> snapshot,
                            dataplane::Garbage garbage) {
  snapshots_.publish(std::move(snapshot), std::move(garbage));
}

void PacketThreads::attach(NetworkSlot slot, std::vector<os::Tun> queues) {
  check(queues.size() == threads_.size());
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    threads_[i]->attach(slot, std::move(queues[i]));
  }
}

void PacketThreads::detach(NetworkSlot slot) {
  std::vector<std::uint64_t> commands;
  for (const auto& thread : threads_) commands.push_back(thread->detach(slot));
  for (std::size_t i = 0; i < threads_.size(); ++i) threads_[i]->wait_for(commands[i]);
}

Result<void> PacketThreads::adopt(SocketId id, os::UdpSocket socket) {
  auto group = os::UdpSocket::make_group(std::move(socket), threads_.size(),
                                         {.first_byte = wire::kTypeData});
  if (!group) return std::unexpected(group.error());
  std::vector<std::uint64_t> commands;
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    commands.push_back(threads_[i]->adopt(id, std::move((*group)[i])));
  }
  for (std::size_t i = 0; i < threads_.size(); ++i) threads_[i]->wait_for(commands[i]);
  return {};
}

void PacketThreads::release(SocketId id) {
  for (const auto& thread : threads_) thread->release(id);
}

void PacketThreads::take(const Way& from, ByteVector datagram) {
  const auto owner = dataplane::owner_of_datagram(datagram, threads_.size());
  threads_[owner.value_or(0)]->take(from, std::move(datagram));
}

dataplane::DropTotals PacketThreads::drops() const {
  dataplane::DropTotals out{};
  for (const auto& thread : threads_) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] += thread->drops().read(static_cast<dataplane::Drop>(i));
    }
  }
  return out;
}

}  // namespace ipop::daemon
