// As many UDP datagrams as the path takes from one thread, many with each system call, as a VPN
// sends what it has sealed: what is left when nothing is sealed.
//
//   udp_bulk receive ADDRESS PORT SECONDS         at most so long; ends when the stream does
//   udp_bulk send ADDRESS PORT SECONDS BYTES      BYTES of each datagram
//
// Each prints one JSON object. The receiver says now and then how much it has, and the sender is no
// more than kWindowBytes ahead of that.
#include <netinet/udp.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "tools/udp.h"

namespace {

using bench::Clock;

constexpr size_t kSendBytesMax = 60'000;
constexpr uint64_t kWindowBytes = 2'000'000;
constexpr uint64_t kToldEachBytes = 256 * 1024;
constexpr int kBufferBytes = 4 << 20;

int send(const sockaddr_in& to, double seconds, int bytes) {
  const int fd = bench::connected(to);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &bytes, sizeof bytes) != 0) {
    std::perror("UDP_SEGMENT");
    return 1;
  }
  bench::give_up_after(fd, {.tv_sec = 0, .tv_usec = 20'000});
  static std::array<char, kSendBytesMax> data;
  const size_t size = kSendBytesMax / static_cast<size_t>(bytes) * static_cast<size_t>(bytes);
  uint64_t sent = 0, arrived = 0, lost = 0;
  const auto start = Clock::now();
  while (bench::seconds_since(start) < seconds) {
    uint64_t told;
    const bool may_send = sent - lost < arrived + kWindowBytes;
    if (recv(fd, &told, sizeof told, may_send ? MSG_DONTWAIT : 0) == sizeof told) {
      arrived = told;
    } else if (!may_send) {
      lost = sent - arrived;  // nothing more is under way
    }
    if (may_send && ::send(fd, data.data(), size, 0) > 0) sent += size;
  }
  std::printf("{\"sent_bytes\": %lu, \"seconds\": %.4f}\n", sent, bench::seconds_since(start));
  return 0;
}

int receive(const sockaddr_in& at, double seconds) {
  const int fd = bench::bound(at);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one);
  // Silence this long after the first datagram is the stream's end.
  bench::give_up_after(fd, {.tv_sec = 0, .tv_usec = 500'000});
  std::puts("ready");
  std::fflush(stdout);
  static std::array<char, 65536> data;
  uint64_t received = 0, told = 0;
  const auto start = Clock::now();
  while (bench::seconds_since(start) < seconds) {
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t got =
        recvfrom(fd, data.data(), data.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got <= 0 && received) break;
    if (got <= 0) continue;
    received += static_cast<uint64_t>(got);
    if (received - told < kToldEachBytes) continue;
    told = received;
    sendto(fd, &received, sizeof received, 0, reinterpret_cast<sockaddr*>(&from), length);
  }
  std::printf("{\"bytes\": %lu}\n", received);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count > 1 ? words[1] : "";
  if (verb == "receive" && count == 5) {
    return receive(bench::ipv4(words[2], words[3]), std::atof(words[4]));
  }
  if (verb == "send" && count == 6) {
    const int bytes = std::atoi(words[5]);
    if (bytes >= 1000 && bytes <= 9000) {
      return send(bench::ipv4(words[2], words[3]), std::atof(words[4]), bytes);
    }
  }
  std::fputs(
      "usage: udp_bulk receive ADDRESS PORT SECONDS | "
      "send ADDRESS PORT SECONDS BYTES (1000 to 9000)\n",
      stderr);
  return 2;
}
