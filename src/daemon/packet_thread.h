#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "dataplane/counters.h"
#include "dataplane/event_queue.h"
#include "dataplane/handover.h"
#include "dataplane/snapshot.h"
#include "dataplane/stream_queue.h"
#include "os/tun.h"
#include "os/udp_sockets.h"
#include "os/wakeup.h"

namespace ipop::dataplane {
struct WorkDone;
}

namespace ipop::daemon {

/// One worker's thread: runs the packet path over its UDP socket and its queue of every network's
/// interface, and sleeps when there is nothing to do. It owns the queues that it
/// serves. PacketThreads is who makes and drives these.
class PacketThread {
 public:
  /// What the threads of one daemon have in common; outlives them.
  struct Shared {
    dataplane::SnapshotSlot* snapshots;
    dataplane::Handover* handover;
    const os::Wakeup* events;   ///< wakes control
    const os::Wakeup* streams;  ///< wakes who has the TLS connections
    /// Wake a worker that was handed something; by index.
    const std::vector<os::Wakeup>* wakeups;
  };
  PacketThread(const Shared& shared, std::size_t index, os::UdpSocket udp);
  ~PacketThread();

  // For the control thread.
  std::optional<dataplane::Event> take_event() { return events_.pop(); }
  /// The queue is served until detach(). Both return the number of the command, for wait_for().
  std::uint64_t attach(NetworkSlot slot, os::Tun tun);
  std::uint64_t detach(NetworkSlot slot);
  /// A spare socket is read and sent from until release(). As above.
  std::uint64_t adopt(SocketId id, os::UdpSocket socket);
  void release(SocketId id) { send(Release{id}); }
  /// Something for us came by another way than our socket (dataplane::Worker::take). Any thread.
  void take(const Way& from, ByteVector datagram);
  /// Returns when the command was carried out.
  void wait_for(std::uint64_t command) const;
  const dataplane::DropCounters& drops() const { return drops_; }
  /// The socket of the one port. Any thread.
  const os::UdpSocket& udp() const { return *main_; }

  /// For the thread that has the TLS connections.
  dataplane::StreamQueue& streams() { return streams_; }

 private:
  static constexpr std::size_t kCommandsMax = 256;
  struct Attach {
    NetworkSlot slot;
    std::unique_ptr<os::Tun> tun;
  };
  struct Detach {
    NetworkSlot slot;
  };
  struct Adopt {
    SocketId id;
    std::unique_ptr<os::UdpSocket> socket;
  };
  struct Release {
    SocketId id;
  };
  struct Take {
    Way from;
    ByteVector datagram;
  };
  struct Stop {};
  using Command = std::variant<Attach, Detach, Adopt, Release, Take, Stop>;

  void run();
  void tell_others(const dataplane::WorkDone& done) const;
  /// Returns the command's number, which done_ reaches when it is carried out.
  std::uint64_t send(Command command);
  const os::Wakeup& wakeup() const { return (*shared_.wakeups)[index_]; }

  Shared shared_;
  std::size_t index_;
  dataplane::EventQueue events_;
  dataplane::StreamQueue streams_;
  dataplane::DropCounters drops_;
  os::UdpSockets udp_;  ///< the thread's own: it changes with spare sockets
  const os::UdpSocket* main_ = &udp_.main();
  /// Commands are a few a day, the few datagrams of a peer that has no path yet, and what comes by
  /// TLS, which is slower by much else: a lock is the simplest right thing, and the worker takes it
  /// only after a wake-up.
  std::mutex commands_mutex_;
  std::vector<Command> commands_;
  std::uint64_t commands_sent_ = 0;
  std::atomic<std::uint64_t> commands_done_{0};
  std::jthread thread_;
};

}  // namespace ipop::daemon
