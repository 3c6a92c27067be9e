#include "daemon/packet_thread.h"

#include <algorithm>
#include <utility>

#include "dataplane/worker.h"
#include "os/clock.h"

namespace ipop::daemon {
namespace {

constexpr std::uint64_t kUdpToken = 0;
constexpr std::uint64_t kCommandToken = 1;
constexpr std::uint64_t kTunToken = 2;

}  // namespace

Result<std::unique_ptr<PacketThread>> PacketThread::start(os::UdpSocket udp) {
  auto poller = os::Poller::open();
  if (!poller) return std::unexpected(poller.error());
  auto commands = os::Wakeup::open();
  if (!commands) return std::unexpected(commands.error());
  auto events = os::Wakeup::open();
  if (!events) return std::unexpected(events.error());
  return std::make_unique<PacketThread>(
      Parts{std::move(udp), std::move(*poller), std::move(*commands), std::move(*events)});
}

PacketThread::PacketThread(Parts parts)
    : udp_(std::move(parts.udp)),
      poller_(std::move(parts.poller)),
      commands_wakeup_(std::move(parts.commands)),
      events_wakeup_(std::move(parts.events)),
      thread_([this] { run(); }) {}

PacketThread::~PacketThread() {
  send(Stop{});
  thread_.join();
}

void PacketThread::publish(std::unique_ptr<const dataplane::Snapshot> snapshot,
                           dataplane::Garbage garbage) {
  snapshots_.publish(std::move(snapshot), std::move(garbage));
}

void PacketThread::attach(NetworkSlot slot, os::Tun tun) {
  send(Attach{slot, std::make_unique<os::Tun>(std::move(tun))});
}

void PacketThread::detach(NetworkSlot slot) {
  const std::uint64_t number = send(Detach{slot});
  for (std::uint64_t done = commands_done_.load(); done < number; done = commands_done_.load()) {
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
  commands_wakeup_.notify();
  return number;
}

void PacketThread::run() {
  using PacketWorker = dataplane::Worker<os::Tun, os::UdpSocket>;
  PacketWorker worker(PacketWorker::Options{0, &snapshots_, &events_, &drops_, &udp_});
  std::vector<Attach> tuns;
  const auto detach = [&](NetworkSlot slot) {
    worker.detach(slot);
    std::erase_if(tuns, [&](const Attach& a) {
      if (a.slot != slot) return false;
      poller_.remove(a.tun->fd());
      return true;
    });
  };
  static_cast<void>(poller_.add(udp_.fd(), kUdpToken, os::Interest::Read));
  static_cast<void>(poller_.add(commands_wakeup_.fd(), kCommandToken, os::Interest::Read));
  for (;;) {
    const dataplane::WorkDone done = worker.run_once(os::now().at);
    if (done.events) events_wakeup_.notify();
    // While packets flow there is no need to ask the poller, but commands must not starve.
    const auto ready =
        poller_.wait(done.packets == 0 ? std::nullopt : std::optional<Duration>(Duration(0)));
    const bool commanded = std::any_of(ready.begin(), ready.end(),
                                       [](const os::Ready& r) { return r.token == kCommandToken; });
    if (!commanded) continue;
    commands_wakeup_.drain();
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
          static_cast<void>(poller_.add(attach->tun->fd(), kTunToken, os::Interest::Read));
          tuns.push_back(std::move(*attach));
        }
      } else if (const auto* gone = std::get_if<Detach>(&command)) {
        detach(gone->slot);
      }
    }
    commands_done_.fetch_add(commands.size());
    commands_done_.notify_all();
  }
}

}  // namespace ipop::daemon
