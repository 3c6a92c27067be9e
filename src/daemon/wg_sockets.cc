#include "daemon/wg_sockets.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

namespace ipop::daemon {
namespace {

/// EOPNOTSUPP, as the numbers of this protocol are Linux'.
constexpr const char* kRefused = "errno=-95\n\n";

void add_peer(std::string& out, const TunnelKey& key, const std::optional<Endpoint>& endpoint,
              const std::optional<Duration>& handshake, UnixTime now) {
  out += "public_key=" + to_hex(key.view()) + "\nprotocol_version=1\n";
  if (endpoint) out += "endpoint=" + endpoint->to_string() + "\n";
  if (handshake) {
    const UnixTime at = now.minus(std::chrono::duration_cast<std::chrono::seconds>(*handshake));
    out += "last_handshake_time_sec=" + std::to_string(at.seconds) + "\n";
    out += "last_handshake_time_nsec=0\n";
  }
}

void add_addresses(std::string& out, const std::optional<Ipv4>& v4, const Ipv6& v6) {
  if (v4) out += "allowed_ip=" + v4->to_string() + "/32\n";
  out += "allowed_ip=" + v6.to_string() + "/128\n";
}

void add_bytes(std::string& out, std::uint64_t rx, std::uint64_t tx) {
  out += "rx_bytes=" + std::to_string(rx) + "\ntx_bytes=" + std::to_string(tx) + "\n";
}

}  // namespace

std::string wg_get_text(const engine::NetworkStatus& status, std::uint16_t port, UnixTime now) {
  std::string out = "listen_port=" + std::to_string(port) + "\n";
  for (const engine::MemberStatus& m : status.members) {
    add_peer(out, m.tunnel_key, m.endpoint, m.last_handshake, now);
    add_bytes(out, m.rx_bytes, m.tx_bytes);
    add_addresses(out, m.v4, m.v6);
    for (const engine::DeviceStatus& d : status.devices) {
      if (!d.hosted_here && d.host == m.name) add_addresses(out, d.v4, d.v6);
    }
  }
  for (const engine::DeviceStatus& d : status.devices) {
    if (!d.hosted_here) continue;
    add_peer(out, d.key, d.endpoint, d.last_handshake, now);
    add_bytes(out, d.rx_bytes, d.tx_bytes);
    add_addresses(out, d.v4, d.v6);
  }
  return out + "errno=0\n\n";
}

Result<WgSockets> WgSockets::create(Logger& log) {
  auto poller = os::Poller::open();
  if (!poller) return std::unexpected(poller.error());
  return WgSockets(*std::move(poller), log);
}

void WgSockets::serve(const std::vector<std::string>& interfaces) {
  std::erase_if(listener_tokens_, [&](const auto& entry) {
    if (std::ranges::find(interfaces, entry.second) != interfaces.end()) return false;
    poller_.remove(listeners_.at(entry.second).fd());
    listeners_.erase(entry.second);
    return true;
  });
  for (const std::string& name : interfaces) {
    if (name.empty() || listeners_.contains(name)) continue;
    auto listener = os::UnixListener::open(std::filesystem::path(kFolder) / (name + ".sock"));
    if (!listener) {
      if (!without_.insert(name).second) continue;
      log_->write(LogLevel::Info, "wg",
                  "no socket for `wg show`: " + std::string(listener.error().what));
      continue;
    }
    const std::uint64_t token = next_token_++;
    if (!poller_.add(listener->fd(), token, os::Interest::Read)) continue;
    without_.erase(name);
    listeners_.emplace(name, *std::move(listener));
    listener_tokens_[token] = name;
  }
}

std::vector<WgSockets::Question> WgSockets::process() {
  std::vector<Question> out;
  for (const os::Ready& ready : poller_.wait(Duration::zero())) {
    if (const auto it = listener_tokens_.find(ready.token); it != listener_tokens_.end()) {
      if (accept_all(listeners_.at(it->second), it->second)) continue;
      // No descriptor is left: rather no `wg show` than a loop that spins until there is one.
      poller_.remove(listeners_.at(it->second).fd());
      listeners_.erase(it->second);
      listener_tokens_.erase(it);
    } else if (clients_.contains(ready.token)) {
      if (ready.readable) receive(ready.token, out);
      if (ready.writable && clients_.contains(ready.token)) send(ready.token);
    }
  }
  return out;
}

bool WgSockets::accept_all(os::UnixListener& listener, const std::string& interface) {
  for (;;) {
    auto accepted = listener.accept();
    if (!accepted) return false;
    std::optional<os::UniqueFd>& socket = *accepted;
    if (!socket) return true;
    // Whoever asks nothing must not shut others out.
    if (clients_.size() >= kClientsMax) drop(clients_.begin()->first);
    const std::uint64_t id = next_token_++;
    if (!poller_.add(socket->fd(), id, os::Interest::Read)) continue;
    Client& client = clients_[id];
    client.socket = *std::move(socket);
    client.interface = interface;
  }
}

void WgSockets::receive(std::uint64_t id, std::vector<Question>& out) {
  Client& client = clients_.at(id);
  std::array<char, kRequestMax> chunk{};
  const ssize_t n = ::recv(client.socket.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return drop(id);
  if (client.answering) return;
  client.in.append(chunk.data(), static_cast<std::size_t>(n));
  if (!client.in.ends_with("\n\n")) {
    if (client.in.size() > kRequestMax) drop(id);
    return;
  }
  client.answering = true;
  if (client.in == "get=1\n\n") {
    out.push_back({id, client.interface});
  } else {
    answer(id, kRefused);
  }
}

void WgSockets::answer(std::uint64_t id, std::string text) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  it->second.out = std::move(text);
  send(id);
}

void WgSockets::send(std::uint64_t id) {
  Client& client = clients_.at(id);
  while (!client.out.empty()) {
    const ssize_t n = ::send(client.socket.fd(), client.out.data(), client.out.size(),
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      static_cast<void>(
          poller_.modify(client.socket.fd(), id, os::Interest::Read | os::Interest::Write));
      return;
    }
    if (n < 0) break;
    client.out.erase(0, static_cast<std::size_t>(n));
  }
  if (client.answering) drop(id);
}

void WgSockets::drop(std::uint64_t id) {
  poller_.remove(clients_.at(id).socket.fd());
  clients_.erase(id);
}

}  // namespace ipop::daemon
