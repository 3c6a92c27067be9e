#pragma once

#include "daemon/packet_thread.h"
#include "os/udp_sender.h"

namespace ipop::daemon {

/// The packet path: as many threads as there are sockets, each with its queue of every interface.
/// For the control thread.
class PacketThreads {
 public:
  /// Of one port (os::UdpSocket::open_group). At least one.
  static Result<std::unique_ptr<PacketThreads>> start(std::vector<os::UdpSocket> sockets);
  struct Parts {
    os::Wakeup events;
    os::Wakeup streams;
    std::vector<os::Wakeup> wakeups;
    std::vector<os::UdpSocket> sockets;
  };
  explicit PacketThreads(Parts parts);

  std::size_t count() const { return threads_.size(); }
  /// Readable when events wait.
  int fd() const { return events_.fd(); }
  /// The oldest events of every thread, by turns, at most kEventsMax; while more may wait, fd()
  /// stays readable. So a flood of them keeps control neither from its timers and users nor from
  /// what another thread has to say.
  std::vector<dataplane::Event> take_events();
  static constexpr std::size_t kEventsMax = 64;

  void publish(std::unique_ptr<const dataplane::Snapshot> snapshot, dataplane::Garbage garbage);
  /// Frees what no worker sees any more; true when something still waits.
  bool collect() { return snapshots_.collect() != 0; }
  /// The interface is served until detach(), which returns when it has disappeared.
  /// Requires: count() queues.
  void attach(NetworkSlot slot, std::vector<os::Tun> queues);
  void detach(NetworkSlot slot);

  /// A spare socket is read and sent from by every thread, each by one of its own on the same port,
  /// until release(). Returns when they do. Error where there is no such group: it is closed.
  Result<void> adopt(SocketId id, os::UdpSocket socket);
  void release(SocketId id);

  /// A datagram that came by another way than a socket, to the thread that owns its lane. Any
  /// thread.
  void take(const Way& from, ByteVector datagram);

  /// What the threads send on TLS connections, and what is notified when they do. For the thread
  /// that has the connections.
  dataplane::StreamQueue& streams(std::size_t thread) { return threads_[thread]->streams(); }
  const os::Wakeup& streams_wakeup() const { return streams_; }

  dataplane::DropTotals drops() const;
  std::uint16_t port() const { return threads_.front()->udp().port(); }
  /// For the control thread's own datagrams on the same port.
  os::UdpSender sender() const { return os::UdpSender(threads_.front()->udp()); }

 private:
  dataplane::SnapshotSlot snapshots_;
  dataplane::Handover handover_;
  os::Wakeup events_;
  os::Wakeup streams_;
  std::vector<os::Wakeup> wakeups_;
  std::vector<std::unique_ptr<PacketThread>> threads_;
};

}  // namespace ipop::daemon
