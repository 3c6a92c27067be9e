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
#include "dataplane/snapshot.h"
#include "os/poller.h"
#include "os/tun.h"
#include "os/udp_sender.h"
#include "os/udp_socket.h"
#include "os/wakeup.h"

namespace ipop::daemon {

/// The worker thread: runs the packet path over the UDP socket and every network's interface, and
/// sleeps in its poller when there is nothing to do. It owns the interfaces that it serves.
///
/// All public functions are for the control thread.
class PacketThread {
 public:
  struct Parts {
    os::UdpSocket udp;
    os::Poller poller;
    os::Wakeup commands;
    os::Wakeup events;
  };
  static Result<std::unique_ptr<PacketThread>> start(os::UdpSocket udp);
  explicit PacketThread(Parts parts);
  ~PacketThread();

  /// Readable when events wait; take_event() until nullopt after drain_wakeup().
  int fd() const { return events_wakeup_.fd(); }
  void drain_wakeup() const { events_wakeup_.drain(); }
  std::optional<dataplane::Event> take_event() { return events_.pop(); }

  void publish(std::unique_ptr<const dataplane::Snapshot> snapshot, dataplane::Garbage garbage);
  /// Frees what the worker no longer sees; true when something still waits.
  bool collect() { return snapshots_.collect() != 0; }
  /// The interface is served until detach(), which returns when it has disappeared.
  void attach(NetworkSlot slot, os::Tun tun);
  void detach(NetworkSlot slot);

  const dataplane::DropCounters& drops() const { return drops_; }
  std::uint16_t port() const { return udp_.port(); }
  /// For the control thread's own datagrams on the same port.
  os::UdpSender sender() const { return os::UdpSender(udp_); }

 private:
  struct Attach {
    NetworkSlot slot;
    std::unique_ptr<os::Tun> tun;
  };
  struct Detach {
    NetworkSlot slot;
  };
  struct Stop {};
  using Command = std::variant<Attach, Detach, Stop>;

  void run();
  /// Returns the command's number, which done_ reaches when it is carried out.
  std::uint64_t send(Command command);

  dataplane::SnapshotSlot snapshots_{1};
  dataplane::EventQueue events_;
  dataplane::DropCounters drops_;
  os::UdpSocket udp_;
  os::Poller poller_;
  os::Wakeup commands_wakeup_;
  os::Wakeup events_wakeup_;
  /// Commands are a few a day: a lock is the simplest right thing, and the worker takes it only
  /// after the wake-up that announces one.
  std::mutex commands_mutex_;
  std::vector<Command> commands_;
  std::uint64_t commands_sent_ = 0;
  std::atomic<std::uint64_t> commands_done_{0};
  std::jthread thread_;
};

}  // namespace ipop::daemon
