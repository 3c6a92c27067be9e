#include "daemon/dns_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "os/error_text.h"
#include "os/socket_address.h"
#include "wire/dns.h"

namespace ipop::daemon {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr int kQueriesAtOnce = 64;

}  // namespace

Result<DnsServer> DnsServer::create(Logger& log) {
  auto poller = os::Poller::open();
  if (!poller) return std::unexpected(poller.error());
  return DnsServer(std::move(*poller), log);
}

void DnsServer::process(const engine::NameTable& names) {
  const auto ready = poller_.wait(Duration(0));
  std::array<std::byte, wire::kDnsQuerySizeMax> buffer{};
  for (const os::Ready& r : ready) {
    const auto it = listeners_.find(r.token);
    if (it == listeners_.end()) continue;
    for (int i = 0; i < kQueriesAtOnce; ++i) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t n = ::recvfrom(it->second.socket.fd(), buffer.data(), buffer.size(),
                                   MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length);
      if (n < 0) break;
      const auto source = os::to_endpoint(from, length);
      if (!source || !is_own(source->address)) continue;
      const auto answer =
          names.answer(Bytes(buffer).first(static_cast<std::size_t>(n)), /*over_tcp=*/false);
      if (!answer) continue;
      // What does not go out is asked again.
      static_cast<void>(::sendto(it->second.socket.fd(), answer->data(), answer->size(),
                                 MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&from),
                                 length));
    }
  }
}

Result<void> DnsServer::open(NetworkSlot slot, std::optional<Ipv4> v4, const Ipv6& v6) {
  std::vector<IpAddress> wanted = {v6};
  if (v4) wanted.emplace_back(*v4);
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const bool stays = it->second.slot != slot || std::erase(wanted, it->second.address) != 0;
    if (!stays) poller_.remove(it->second.socket.fd());
    it = stays ? std::next(it) : listeners_.erase(it);
  }
  Result<void> first{};
  for (const IpAddress& address : wanted) {
    auto one = listen(slot, address);
    if (one) continue;
    log_->write(LogLevel::Warning, "dns", "no names by " + std::string(one.error().what));
    if (address.is_v6() != v4.has_value()) first = std::move(one);
  }
  return first;
}

void DnsServer::close(NetworkSlot slot) {
  std::erase_if(listeners_, [&](const auto& l) {
    if (l.second.slot != slot) return false;
    poller_.remove(l.second.socket.fd());
    return true;
  });
}

Result<void> DnsServer::listen(NetworkSlot slot, const IpAddress& address) {
  const os::SocketAddress to = os::to_socket_address({address, kDnsPort}, /*mapped=*/false);
  os::UniqueFd socket(
      ::socket(address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::bind(socket.fd(), to.get(), to.length) != 0) {
    return os::fail_errno("port 53 of " + address.to_string(), errno);
  }
  const std::uint64_t token = next_token_++;
  if (auto added = poller_.add(socket.fd(), token, os::Interest::Read); !added) return added;
  listeners_.emplace(token, Listener{slot, address, std::move(socket)});
  return {};
}

bool DnsServer::is_own(const IpAddress& source) const {
  return source.is_loopback() ||
         std::any_of(listeners_.begin(), listeners_.end(),
                     [&](const auto& l) { return l.second.address == source; });
}

}  // namespace ipop::daemon
