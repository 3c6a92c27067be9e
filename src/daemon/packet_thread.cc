#include "daemon/packet_thread.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "dataplane/worker.h"
#include "os/clock.h"
#include "os/random.h"
#include "os/sleeper.h"

namespace ipop::daemon {
PacketThread::PacketThread(const Shared& shared, std::size_t index, os::UdpSocket udp)
    : shared_(shared), index_(index), udp_(std::move(udp)), thread_([this] { run(); }) {}

PacketThread::~PacketThread() {
  send(Stop{});
  thread_.join();
}

std::uint64_t PacketThread::attach(NetworkSlot slot, os::Tun tun) {
  return send(Attach{slot, std::make_unique<os::Tun>(std::move(tun))});
}

std::uint64_t PacketThread::detach(NetworkSlot slot) { return send(Detach{slot}); }

std::uint64_t PacketThread::adopt(SocketId id, os::UdpSocket socket) {
  return send(Adopt{id, std::make_unique<os::UdpSocket>(std::move(socket))});
}

void PacketThread::take(const Way& from, ByteVector datagram) {
  {
    const std::scoped_lock lock(commands_mutex_);
    if (commands_.size() >= kCommandsMax) return;  // lost, as on any line that is too slow
    commands_.emplace_back(Take{from, std::move(datagram)});
    ++commands_sent_;
  }
  wakeup().notify();
}

void PacketThread::wait_for(std::uint64_t command) const {
  for (std::uint64_t done = commands_done_.load(); done < command; done = commands_done_.load()) {
    commands_done_.wait(done);
  }
}

std::uint64_t PacketThread::send(Command command) {
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(commands_mutex_);
    commands_.push_back(std::move(command));
    number = ++commands_sent_;
  }
  wakeup().notify();
  return number;
}

void PacketThread::tell_others(const dataplane::WorkDone& done) const {
  if (done.events) shared_.events->notify();
  if (done.streamed) shared_.streams->notify();
  for (std::uint32_t left = done.handed; left != 0; left &= left - 1) {
    (*shared_.wakeups)[static_cast<std::size_t>(std::countr_zero(left))].notify();
  }
}

void PacketThread::run() {
  using PacketWorker = dataplane::Worker<os::Tun, os::UdpSockets>;
  PacketWorker worker({.index = index_,
                       .handover = shared_.handover,
                       .snapshots = shared_.snapshots,
                       .events = &events_,
                       .drops = &drops_,
                       .udp = &udp_,
                       .streams = &streams_,
                       .flow_seed = os::KernelRng().next_u64()});
  std::vector<Attach> tuns;
  os::Sleeper sleeper;
  const auto detach = [&](NetworkSlot slot) {
    worker.detach(slot);
    std::erase_if(tuns, [&](const Attach& a) {
      if (a.slot != slot) return false;
      sleeper.remove(a.tun->fd());
      return true;
    });
  };
  sleeper.add(udp_.main().fd());
  sleeper.add(wakeup().fd());
  for (;;) {
    const dataplane::WorkDone done = worker.run_once(os::now().at);
    tell_others(done);
    const auto deleted =
        std::ranges::find_if(tuns, [](const Attach& a) { return a.tun->is_deleted(); });
    if (deleted != tuns.end()) detach(deleted->slot);
    // Asleep not at all where something is still to be read.
    done.waiting ? sleeper.look() : sleeper.sleep();
    if (!sleeper.was_woken_by(wakeup().fd())) continue;
    wakeup().drain();
    std::vector<Command> commands;
    {
      const std::scoped_lock lock(commands_mutex_);
      commands.swap(commands_);
    }
    for (Command& command : commands) {
      if (std::holds_alternative<Stop>(command)) return;
      if (auto* attach = std::get_if<Attach>(&command)) {
        detach(attach->slot);
        if (worker.attach(attach->slot, attach->tun.get())) {
          sleeper.add(attach->tun->fd());
          tuns.push_back(std::move(*attach));
        }
      } else if (const auto* gone = std::get_if<Detach>(&command)) {
        detach(gone->slot);
      } else if (auto* adopted = std::get_if<Adopt>(&command)) {
        sleeper.add(adopted->socket->fd());
        udp_.add(adopted->id, std::move(*adopted->socket));
      } else if (const auto* released = std::get_if<Release>(&command)) {
        if (const auto fd = udp_.fd(released->id)) sleeper.remove(*fd);
        udp_.remove(released->id);
      } else if (auto* taken = std::get_if<Take>(&command)) {
        tell_others(worker.take(os::now().at, taken->from, taken->datagram));
      }
    }
    commands_done_.fetch_add(commands.size());
    commands_done_.notify_all();
  }
}

}  // namespace ipop::daemon
