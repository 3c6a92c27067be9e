#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/socket_address.h"
#include "os/unique_fd.h"
#include "os/wakeup.h"

/// A router that speaks UPnP on the loopback of a TestNamespace; included by tests alone.
namespace ipop::os {

inline const Ipv4 kTestRouter{0x7f000001};
inline const Ipv4 kTestLocal{0x7f000002};
inline constexpr std::uint16_t kTestRouterPort = 5000;

inline std::string http_ok(const std::string& body, int status = 200) {
  return "HTTP/1.1 " + std::to_string(status) +
         " x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline std::string soap_fault(int code) {
  return http_ok("<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>" +
                     std::to_string(code) +
                     "</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>",
                 500);
}
inline std::string test_service(const std::string& control, const std::string& type) {
  return "<service><serviceType>urn:schemas-upnp-org:service:" + type +
         "</serviceType><controlURL>" + control +
         "</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL></service>";
}
inline std::string test_description(const std::string& services) {
  return http_ok(
      "<root><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1"
      "</deviceType><serviceList>" +
      services + "</serviceList></device></root>");
}

/// The answers of a router that does what it is asked to.
inline std::string forward_all(const std::string& request) {
  const auto is = [&](const char* action) { return request.find(action) != std::string::npos; };
  if (is("GET /root.xml ")) return test_description(test_service("/c", "WANIPConnection:1"));
  if (is("#GetExternalIPAddress")) {
    return http_ok("<a><NewExternalIPAddress>203.0.113.7</NewExternalIPAddress></a>");
  }
  if (is("#GetSpecificPortMappingEntry")) {
    return http_ok(
        "<a><NewInternalPort>40000</NewInternalPort><NewInternalClient>127.0.0.2"
        "</NewInternalClient><NewEnabled>1</NewEnabled><NewLeaseDuration>7100"
        "</NewLeaseDuration></a>");
  }
  return http_ok("<a></a>");
}

class TestIgd {
 public:
  /// From a request to its answer; empty: the connection stays open and nothing comes.
  using Script = std::function<std::string(const std::string& request)>;
  static constexpr const char* kEndless = "endless";  ///< instead of an answer: bytes for ever

  /// What each request of a search is answered with.
  struct Found {
    std::string target;
    std::string location;
  };
  static constexpr const char* kGatewayTarget =
      "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

  /// It takes connections to any address, so that one that should not have come is seen.
  explicit TestIgd(Script script,
                   std::vector<Found> found = {{kGatewayTarget, "http://127.0.0.1:5000/root.xml"}})
      : script_(std::move(script)), found_(std::move(found)) {
    udp_ = bound(SOCK_DGRAM, {kTestRouter, 1900});
    tcp_ = bound(SOCK_STREAM, {Ipv4{}, kTestRouterPort});
    EXPECT_EQ(::listen(tcp_.fd(), 16), 0);
    thread_ = std::jthread([this] { run(); });
  }
  ~TestIgd() { stop_->notify(); }

  std::vector<std::string> requests() {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  /// The addresses that were called, one for each connection.
  std::vector<IpAddress> called() {
    const std::scoped_lock lock(mutex_);
    return called_;
  }
  bool was_called_elsewhere() {
    return std::ranges::any_of(called(),
                               [](const IpAddress& a) { return a != IpAddress(kTestRouter); });
  }
  int searches() {
    const std::scoped_lock lock(mutex_);
    return searches_;
  }

 private:
  static UniqueFd bound(int type, const Endpoint& own) {
    UniqueFd out(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(out.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const SocketAddress at = to_socket_address(own, false);
    EXPECT_EQ(::bind(out.fd(), at.get(), at.length), 0);
    return out;
  }
  void run() {
    std::vector<UniqueFd> silent;
    for (;;) {
      std::array<pollfd, 3> all{
          {{stop_->fd(), POLLIN, 0}, {udp_.fd(), POLLIN, 0}, {tcp_.fd(), POLLIN, 0}}};
      ::poll(all.data(), all.size(), -1);
      if (all[0].revents != 0) return;
      if (all[1].revents != 0) answer_search();
      if (all[2].revents != 0) {
        UniqueFd connection(::accept(tcp_.fd(), nullptr, nullptr));
        note_called(connection.fd());
        if (!serve(connection.fd())) silent.push_back(std::move(connection));
      }
    }
  }
  void note_called(int fd) {
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length);
    const std::scoped_lock lock(mutex_);
    called_.push_back(to_endpoint(own, length).value_or(Endpoint{}).address);
  }
  void answer_search() {
    std::array<char, 2048> request{};
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    ::recvfrom(udp_.fd(), request.data(), request.size(), 0, reinterpret_cast<sockaddr*>(&from),
               &length);
    {
      const std::scoped_lock lock(mutex_);
      ++searches_;
    }
    for (const auto& [target, location] : found_) {
      const std::string answer =
          "HTTP/1.1 200 OK\r\nLOCATION: " + location + "\r\nST: " + target + "\r\n\r\n";
      ::sendto(udp_.fd(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from),
               length);
    }
  }
  /// False when the connection is to stay.
  bool serve(int fd) {
    std::string request;
    std::array<char, 4096> piece{};
    while (!is_whole(request)) {
      const ssize_t n = ::recv(fd, piece.data(), piece.size(), 0);
      if (n <= 0) return true;
      request.append(piece.data(), static_cast<std::size_t>(n));
    }
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
    }
    std::string answer = script_(request);
    const bool endless = answer == kEndless;
    if (endless) answer = "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x');
    while (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) > 0 && endless) {}
    return !answer.empty();
  }
  static bool is_whole(const std::string& request) {
    const std::size_t end = request.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::size_t told = request.find("Content-Length: ");
    const std::size_t length =
        told == std::string::npos ? 0 : std::stoul(request.substr(told + 16));
    return request.size() >= end + 4 + length;
  }

  Script script_;
  std::vector<Found> found_;
  Result<Wakeup> stop_ = Wakeup::open();
  UniqueFd udp_;
  UniqueFd tcp_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<IpAddress> called_;
  int searches_ = 0;
  std::jthread thread_;
};

}  // namespace ipop::os
