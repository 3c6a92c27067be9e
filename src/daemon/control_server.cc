#include "daemon/control_server.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "control/codec.h"

namespace ipop::daemon {
namespace {

constexpr std::uint64_t kListenerToken = 0;  // ClientIds begin with 1
constexpr std::uint64_t kPauseToken = UINT64_MAX;
/// Somebody else's descriptors become free without a sign.
constexpr Duration kAcceptPause = std::chrono::seconds(1);
/// Rounds of one process(), so that busy clients cannot keep the control thread here.
constexpr int kRoundsMax = 4;
constexpr int kAcceptsMax = 16;
/// Reads of one client in a row: a longest request and then some.
constexpr int kReadsMax = 8;
/// Sent bytes that are kept before the rest is moved to the front.
constexpr std::size_t kCompactBytes = std::size_t{64} * 1024;

control::ControlError too_many_clients() {
  return {.code = control::ErrorCode::Busy,
          .message = "ipopd serves as many requests at once as it can",
          .next = "try again when others are done"};
}

control::ControlError line_too_long() {
  return {.code = control::ErrorCode::Usage,
          .message = "the request is longer than 64 KiB",
          .next = "ipop(1) lists what can be asked"};
}

/// As much as the socket takes now. Returns false when the connection is broken.
bool send_some(int fd, std::string_view bytes, std::size_t& sent) {
  while (sent < bytes.size()) {
    const ssize_t n =
        ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

Result<ControlServer> ControlServer::create(os::UnixListener listener) {
  auto poller = os::Poller::open();
  if (!poller) return std::unexpected(poller.error());
  const auto added = poller->add(listener.fd(), kListenerToken, os::Interest::Read);
  if (!added) return std::unexpected(added.error());
  auto pause = os::Timer::open();
  if (!pause) return std::unexpected(pause.error());
  const auto watched = poller->add(pause->fd(), kPauseToken, os::Interest::Read);
  if (!watched) return std::unexpected(watched.error());
  return ControlServer(std::move(listener), *std::move(poller), *std::move(pause));
}

std::vector<Incoming> ControlServer::process() {
  std::vector<Incoming> out;
  for (int round = 0; round < kRoundsMax; ++round) {
    const std::span<const os::Ready> ready = poller_.wait(Duration::zero());
    if (ready.empty()) break;
    for (const os::Ready& one : ready) handle(one, out);
  }
  return out;
}

void ControlServer::handle(const os::Ready& ready, std::vector<Incoming>& out) {
  if (ready.token == kListenerToken) return accept_all();
  if (ready.token == kPauseToken) return resume_listening();
  const auto it = clients_.find(ready.token);
  if (it == clients_.end()) return;  // dropped earlier in this batch
  // Input that has ended is not watched any more, so this is a hang-up: nobody reads either.
  if (ready.readable && it->second.input_ended) return drop(it, &out);
  if (ready.readable) {
    receive(it, out);
    if (!clients_.contains(ready.token)) return;
  }
  if (ready.writable) flush(it);
}

void ControlServer::accept_all() {
  for (int i = 0; i < kAcceptsMax; ++i) {
    auto accepted = listener_.accept();
    if (!accepted) return pause_listening();
    std::optional<os::UniqueFd>& socket = *accepted;
    if (!socket) return;
    if (clients_.size() >= kClientsMax) make_room();
    if (clients_.size() >= kClientsMax) {
      std::size_t sent = 0;
      // Best effort: an empty socket buffer takes this line.
      static_cast<void>(send_some(socket->fd(), control::encode(too_many_clients()), sent));
      continue;
    }
    const std::uint64_t id = next_id_++;
    if (!poller_.add(socket->fd(), id, os::Interest::Read)) continue;
    clients_[id].socket = *std::move(socket);
  }
}

void ControlServer::pause_listening() {
  // Should this fail, for lack of kernel memory, the listener stays watched: busy, but not deaf.
  listening_ = !poller_.modify(listener_.fd(), kListenerToken, os::Interest::None);
  if (!listening_) pause_.set(kAcceptPause);
}

void ControlServer::resume_listening() {
  if (listening_) return;
  listening_ = poller_.modify(listener_.fd(), kListenerToken, os::Interest::Read).has_value();
  if (listening_) {
    pause_.clear();
  } else {
    pause_.set(kAcceptPause);
  }
}

/// Connections that never ask anything must not shut others out: the oldest of them goes.
void ControlServer::make_room() {
  for (auto it = clients_.begin(); it != clients_.end(); ++it) {
    if (it->second.phase == Phase::Receiving) return drop(it, nullptr);
  }
}

void ControlServer::receive(Clients::iterator it, std::vector<Incoming>& out) {
  Client& client = it->second;
  std::array<char, 16 * 1024> chunk{};
  for (int i = 0; i < kReadsMax; ++i) {
    const ssize_t n = ::recv(client.socket.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) return drop(it, &out);
    if (n == 0) return end_input(it, out);
    // More than one request on a connection is not served; what follows the first is skipped.
    if (client.phase != Phase::Receiving) continue;
    client.in.append(chunk.data(), static_cast<std::size_t>(n));
    const auto id = it->first;
    consume_line(it, out);
    if (!clients_.contains(id)) return;
  }
}

/// A client may close its sending half and wait for the answer, and leave out the last newline.
void ControlServer::end_input(Clients::iterator it, std::vector<Incoming>& out) {
  Client& client = it->second;
  client.input_ended = true;
  if (client.phase != Phase::Receiving) return watch(*it);
  if (client.in.empty()) return drop(it, &out);
  client.in.push_back('\n');
  const auto id = it->first;
  consume_line(it, out);
  if (clients_.contains(id)) watch(*it);
}

void ControlServer::consume_line(Clients::iterator it, std::vector<Incoming>& out) {
  Client& client = it->second;
  const auto end = client.in.find('\n');
  if ((end == std::string::npos ? client.in.size() : end) > control::kRequestLineMax) {
    return answer(it, control::encode(line_too_long()));
  }
  if (end == std::string::npos) return;
  auto request = control::decode_request(std::string_view(client.in).substr(0, end));
  client.in = {};
  if (!request) return answer(it, control::encode(request.error()));
  client.phase = Phase::Working;
  out.push_back({.client = ClientId{it->first}, .what = *std::move(request)});
}

void ControlServer::send(ClientId client, const control::Event& event) {
  const auto it = clients_.find(client.value);
  if (it == clients_.end() || it->second.phase != Phase::Working) return;
  it->second.out += control::encode(event);
  if (it->second.out.size() - it->second.out_sent > kBacklogBytesMax) {
    // Makes it hang up, so that the next process() reports it as vanished.
    ::shutdown(it->second.socket.fd(), SHUT_RDWR);
    it->second.input_ended = true;
    it->second.out.clear();
    it->second.out_sent = 0;
    return watch(*it);
  }
  flush(it);
}

void ControlServer::finish(ClientId client,
                           const std::expected<control::Reply, control::ControlError>& result) {
  const auto it = clients_.find(client.value);
  if (it == clients_.end() || it->second.phase != Phase::Working) return;
  answer(it, result ? control::encode(*result) : control::encode(result.error()));
}

void ControlServer::answer(Clients::iterator it, const std::string& line) {
  it->second.in = {};
  it->second.phase = Phase::Sending;
  it->second.out += line;
  flush(it);
}

/// Sends what it can; closes after the answer's last byte.
void ControlServer::flush(Clients::iterator it) {
  Client& client = it->second;
  if (!send_some(client.socket.fd(), client.out, client.out_sent)) {
    if (client.phase == Phase::Sending) return drop(it, nullptr);
    // The hang-up shows up as an event of its own, which reports it.
    client.out.clear();
    client.out_sent = 0;
    return;
  }
  if (client.out_sent == client.out.size()) {
    if (client.phase == Phase::Sending) return drop(it, nullptr);
    client.out.clear();
    client.out_sent = 0;
  } else if (client.out_sent > kCompactBytes) {
    client.out.erase(0, client.out_sent);
    client.out_sent = 0;
  }
  watch(*it);
}

void ControlServer::watch(const Clients::value_type& entry) {
  const auto& [id, client] = entry;
  const auto read = client.input_ended ? os::Interest::None : os::Interest::Read;
  const auto write = client.out.empty() ? os::Interest::None : os::Interest::Write;
  // Fails only for lack of kernel memory; the client then waits for its own time limit.
  static_cast<void>(poller_.modify(client.socket.fd(), id, read | write));
}

void ControlServer::drop(Clients::iterator it, std::vector<Incoming>* out) {
  if (out != nullptr && it->second.phase == Phase::Working) {
    out->push_back({.client = ClientId{it->first}, .what = Vanished{}});
  }
  poller_.remove(it->second.socket.fd());
  clients_.erase(it);
  resume_listening();
}

}  // namespace ipop::daemon
