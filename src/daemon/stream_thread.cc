#include "daemon/stream_thread.h"

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <utility>

#include "engine/overload.h"
#include "os/clock.h"
#include "os/tcp_socket.h"

namespace ipop::daemon {
namespace {

enum Token : std::uint64_t { Commands, Workers, Listener, FirstLine };

/// How often the resolver is asked whether it is done.
constexpr Duration kLookAgain = std::chrono::milliseconds(100);
/// Of one connection before another one's turn: 64 kB.
constexpr int kRecordsAtOnce = 4;
/// Connections taken in before those that are there have their turn.
constexpr int kAcceptsAtOnce = 16;
/// Looked again for callers: after a pause in which the kernel's backlog holds them.
constexpr Duration kAcceptAgain = std::chrono::milliseconds(100);

/// The machine's or our own files have run out, or the kernel's memory.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

std::size_t total(const std::map<IpAddress, std::size_t>& counts) {
  std::size_t out = 0;
  for (const auto& [origin, n] : counts) out += n;
  return out;
}

}  // namespace

Result<std::unique_ptr<StreamThread>> StreamThread::start(Options options, PacketThreads& packets) {
  auto poller = os::Poller::open();
  if (!poller) return std::unexpected(poller.error());
  auto commands = os::Wakeup::open();
  if (!commands) return std::unexpected(commands.error());
  auto events = os::Wakeup::open();
  if (!events) return std::unexpected(events.error());
  std::optional<os::TlsContext> server;
  if (options.listener) {
    auto made = os::TlsContext::server();
    if (!made) return std::unexpected(made.error());
    server = std::move(*made);
  }
  return std::make_unique<StreamThread>(
      std::move(options),
      Parts{std::move(*poller), std::move(*commands), std::move(*events), std::move(server)},
      packets);
}

StreamThread::StreamThread(Options options, Parts parts, PacketThreads& packets)
    : packets_(&packets),
      options_(std::move(options)),
      poller_(std::move(parts.poller)),
      commands_ready_(std::move(parts.commands)),
      events_ready_(std::move(parts.events)),
      server_(std::move(parts.server)),
      next_token_(Token::FirstLine),
      thread_([this] { run(); }) {}

StreamThread::~StreamThread() {
  stopping_ = true;
  commands_ready_.notify();
  thread_.join();
}

void StreamThread::open(const Endpoint& to) { push(OpenIt{to}, false); }
void StreamThread::close(const Endpoint& to) { push(CloseIt{to}, false); }
void StreamThread::send(const Endpoint& to, ByteVector datagram) {
  push(SendIt{to, std::move(datagram)}, true);
}

void StreamThread::push(Command command, bool may_drop) {
  {
    const std::scoped_lock lock(mutex_);
    if (may_drop && commands_.size() >= kCommandsMax) return;  // as on a line that is too slow
    commands_.push_back(std::move(command));
  }
  commands_ready_.notify();
}

std::vector<StreamThread::Event> StreamThread::take_events() {
  events_ready_.drain();
  const std::scoped_lock lock(mutex_);
  return std::exchange(events_, {});
}

void StreamThread::tell(Event event) {
  {
    const std::scoped_lock lock(mutex_);
    events_.push_back(std::move(event));
  }
  events_ready_.notify();
}

void StreamThread::run() {
  static_cast<void>(poller_.add(commands_ready_.fd(), Token::Commands, os::Interest::Read));
  static_cast<void>(
      poller_.add(packets_->streams_wakeup().fd(), Token::Workers, os::Interest::Read));
  bool listens = false;
  while (!stopping_) {
    const bool should_listen = options_.listener && accept_at_ <= os::now().at;
    if (should_listen != std::exchange(listens, should_listen)) {
      const int fd = options_.listener.fd();
      if (!should_listen)
        poller_.remove(fd);
      else
        static_cast<void>(poller_.add(fd, Token::Listener, os::Interest::Read));
    }
    for (const os::Ready& ready : poller_.wait(time_left(os::now().at))) {
      const Instant now = os::now().at;
      switch (ready.token) {
        case Token::Commands:
          commands_ready_.drain();
          take_commands(now);
          break;
        case Token::Workers:
          packets_->streams_wakeup().drain();
          take_from_workers(now);
          break;
        case Token::Listener:
          accept(now);
          break;
        default:
          handle_ready(now, ready);
          break;
      }
    }
    const Instant now = os::now().at;
    look_up(now);
    std::vector<Endpoint> due;
    for (auto& [remote, line] : lines_) {
      if (line.connection.deadline() <= now) due.push_back(remote);
    }
    for (const Endpoint& remote : due) {
      lines_.at(remote).connection.handle_timeout(now);
      settle(remote);
    }
  }
  take_commands(os::now().at);  // goodbyes
  for (auto& [remote, line] : lines_) line.connection.close();
}

std::optional<Duration> StreamThread::time_left(Instant now) const {
  Instant at = Instant::max();
  for (const auto& [remote, line] : lines_) at = std::min(at, line.connection.deadline());
  if (options_.listener && accept_at_ > now) at = std::min(at, accept_at_);
  if (!resolving_.empty()) at = std::min(at, now + kLookAgain);
  if (at == Instant::max()) return std::nullopt;
  return std::max(Duration(0), at - now);
}

void StreamThread::take_commands(Instant now) {
  std::vector<Command> commands;
  {
    const std::scoped_lock lock(mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) {
    std::visit(engine::Overload{
                   [&](const OpenIt& o) { dial(now, o.to); },
                   [&](const CloseIt& o) {
                     if (resolving_.erase(o.to) != 0) tell(Down{o.to, {}});
                     const auto it = lines_.find(o.to);
                     if (it == lines_.end() || !it->second.is_dialled) return;
                     it->second.connection.close();
                     settle(o.to);
                   },
                   [&](const SendIt& o) { send_on(now, o.to, o.datagram); },
               },
               command);
  }
}

void StreamThread::take_from_workers(Instant now) {
  for (std::size_t i = 0; i < packets_->count(); ++i) {
    dataplane::StreamQueue& queue = packets_->streams(i);
    for (std::size_t n = 0; n < dataplane::StreamQueue::kSlots; ++n) {
      const auto next = queue.front();
      if (!next) break;
      send_on(now, next->to, next->datagram);
      queue.pop();
    }
    if (queue.front()) packets_->streams_wakeup().notify();  // after the others' turn
  }
}

void StreamThread::send_on(Instant now, const Endpoint& to, Bytes datagram) {
  const auto it = lines_.find(to);
  if (it == lines_.end() || datagram.empty() || datagram.size() > os::kStreamDatagramMax) return;
  const Kind before = kind_of(it->second);
  it->second.connection.send(now, datagram);
  const bool is_first = kind_of(it->second) != before;
  settle(to);
  if (is_first) make_room_for_greeted(to.address);
}

void StreamThread::accept(Instant now) {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    if (!callers_.has_room(now)) {
      accept_at_ = now + kAcceptAgain;
      return;
    }
    auto accepted = os::accept_tcp(options_.listener);
    if (!accepted) {
      // The listener stays readable all the same.
      if (is_shortage(accepted.error().os)) accept_at_ = now + kAcceptAgain;
      return;
    }
    const Endpoint remote = accepted->from;
    if (lines_.contains(remote) || !callers_.take(now, remote.address) ||
        !make_room_for_stranger(remote.address)) {
      continue;
    }
    adopt(remote,
          os::StreamConnection::accepted(now, std::move(accepted->socket), remote, *server_),
          false);
  }
}

void StreamThread::dial(Instant now, const Endpoint& to) {
  if (const auto it = lines_.find(to); it != lines_.end()) {
    if (it->second.is_told) tell(Up{to});  // it is there; else its end is told
    return;
  }
  if (!options_.proxy) return connect(now, to, to);
  if (const auto address = IpAddress::parse(options_.proxy->host)) {
    return connect(now, to, {*address, options_.proxy->port});
  }
  // One question for all: where the resolver does not answer, each would cost a thread of its own.
  if (!lookup_ || lookup_->is_done()) lookup_.emplace(options_.proxy->host, options_.proxy->port);
  resolving_.try_emplace(to, now + os::StreamConnection::kOpenTime);
}

void StreamThread::look_up(Instant now) {
  if (resolving_.empty()) return;
  const std::string name = "the proxy's name " + options_.proxy->host;
  if (lookup_->is_done()) {
    const std::vector<Endpoint> found = lookup_->endpoints();
    for (const auto& [to, until] : std::exchange(resolving_, {})) {
      if (found.empty()) {
        tell(Down{to, name + " has no address"});
      } else {
        connect(now, to, found[proxy_turn_++ % found.size()]);
      }
    }
  }
  std::erase_if(resolving_, [&](const auto& waiting) {
    if (waiting.second > now) return false;
    tell(Down{waiting.first, name + " cannot be looked up: no answer"});
    return true;
  });
}

void StreamThread::connect(Instant now, const Endpoint& to, const Endpoint& via) {
  if (!client_) {
    auto made = os::TlsContext::client();
    if (!made) return tell(Down{to, std::string(made.error().what)});
    client_ = std::move(*made);
  }
  auto socket = os::connect_tcp(via);
  if (!socket) return tell(Down{to, {}});
  adopt(to, os::StreamConnection::dialled(now, std::move(*socket), to, *client_, options_.proxy),
        true);
}

void StreamThread::adopt(const Endpoint& remote, os::StreamConnection connection, bool is_dialled) {
  const std::uint64_t token = next_token_++;
  const os::Interest interest = connection.interest();
  static_cast<void>(poller_.add(connection.fd(), token, interest));
  lines_.emplace(remote, Line{token, std::move(connection), interest, is_dialled, false});
  by_token_[token] = remote;
  settle(remote);
}

void StreamThread::handle_ready(Instant now, const os::Ready& ready) {
  const auto known = by_token_.find(ready.token);
  if (known == by_token_.end()) return;
  const Endpoint remote = known->second;
  Line& line = lines_.at(remote);
  os::StreamConnection& connection = line.connection;
  bool writable = ready.writable;
  for (int i = 0; i < kRecordsAtOnce; ++i) {
    const bool more = connection.handle_ready(now, ready.readable, writable);
    writable = false;
    while (const auto datagram = connection.next()) {
      const bool is_stranger = !line.is_dialled && !connection.is_greeted();
      if (is_stranger && ++line.unanswered > kUnansweredMax) {
        connection.close();
        break;
      }
      packets_->take(Way::stream(remote), to_vector(*datagram));
    }
    if (!more) break;
  }
  settle(remote);
}

/// After anything that happened to it: says that it is up, waits for what it waits for, or lets go.
void StreamThread::settle(const Endpoint& remote) {
  Line& line = lines_.at(remote);
  const os::StreamConnection::State state = line.connection.state();
  if (state == os::StreamConnection::State::Over) {
    const bool is_news = line.is_dialled || line.connection.is_greeted();
    if (is_news) { tell(Down{remote, line.connection.proxy_problem()}); }
    poller_.remove(line.connection.fd());
    by_token_.erase(line.token);
    lines_.erase(remote);
    return;
  }
  if (state == os::StreamConnection::State::Open && line.is_dialled &&
      !std::exchange(line.is_told, true)) {
    tell(Up{remote});
  }
  const os::Interest interest = line.connection.interest();
  if (interest != std::exchange(line.interest, interest)) {
    static_cast<void>(poller_.modify(line.connection.fd(), line.token, interest));
  }
}

StreamThread::Kind StreamThread::kind_of(const Line& line) {
  if (line.is_dialled) return Kind::Dialled;
  return line.connection.is_greeted() ? Kind::Greeted : Kind::Stranger;
}

StreamThread::Counts StreamThread::count(Kind kind) const {
  Counts out;
  for (const auto& [remote, line] : lines_) {
    if (kind_of(line) == kind) ++out[origin_of(remote.address)];
  }
  return out;
}

/// Of the origins that have most of this kind: a stranger's that is the oldest, a greeted one that
/// has been silent for longest. Requires: there is one.
void StreamThread::end_one(Kind kind, const Counts& counts) {
  const std::size_t most = std::ranges::max(counts | std::views::values);
  const auto age = [&](const Line& line) {
    return std::pair(kind == Kind::Greeted ? line.connection.heard_at() : Instant(), line.token);
  };
  auto victim = lines_.end();
  for (auto it = lines_.begin(); it != lines_.end(); ++it) {
    const auto origin = counts.find(origin_of(it->first.address));
    if (kind_of(it->second) != kind || origin == counts.end() || origin->second != most) continue;
    if (victim == lines_.end() || age(it->second) < age(victim->second)) victim = it;
  }
  const Endpoint remote = victim->first;
  victim->second.connection.close();
  settle(remote);
}

/// False: its own origin has as many as it may.
bool StreamThread::make_room_for_stranger(const IpAddress& from) {
  const Counts counts = count(Kind::Stranger);
  const auto own = counts.find(origin_of(from));
  if (own != counts.end() && own->second >= kStrangersOfOneMax) return false;
  if (total(counts) >= kStrangersMax) end_one(Kind::Stranger, counts);
  return true;
}

/// One from there was just answered for the first time.
void StreamThread::make_room_for_greeted(const IpAddress& from) {
  const Counts counts = count(Kind::Greeted);
  const auto own = counts.find(origin_of(from));
  if (own != counts.end() && own->second > kGreetedOfOneMax) {
    end_one(Kind::Greeted, {*own});
  } else if (total(counts) > kGreetedMax) {
    end_one(Kind::Greeted, counts);
  }
}

}  // namespace ipop::daemon
