// Round trips of small UDP datagrams, one after the other.
//
//   udp_echo answer ADDRESS PORT                       until it is killed
//   udp_echo ask ADDRESS PORT SECONDS GAP_US BYTES     waits so long between an answer and the next
//
// `ask` prints one JSON object; times in microseconds.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tools/udp.h"

namespace {

using bench::Clock;
using Datagram = std::array<char, 2048>;

int answer(const sockaddr_in& at) {
  const int fd = bench::bound(at);
  std::puts("ready");
  std::fflush(stdout);
  Datagram datagram;
  for (;;) {
    sockaddr_in from{};
    socklen_t length = sizeof from;
    auto* sender = reinterpret_cast<sockaddr*>(&from);
    const ssize_t bytes = recvfrom(fd, datagram.data(), datagram.size(), 0, sender, &length);
    if (bytes > 0) sendto(fd, datagram.data(), static_cast<size_t>(bytes), 0, sender, length);
  }
}

// Waits for the answer with this number and throws late ones of before away; false after a second.
bool answered(int fd, uint32_t number) {
  Datagram datagram;
  while (recv(fd, datagram.data(), datagram.size(), 0) > 0) {
    uint32_t got;
    std::memcpy(&got, datagram.data(), sizeof got);
    if (got == number) return true;
  }
  return false;
}

double quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return -1;
  const auto at = static_cast<size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

int ask(const sockaddr_in& whom, double seconds, unsigned gap_us, size_t bytes) {
  const int fd = bench::connected(whom);
  bench::give_up_after(fd, {.tv_sec = 1, .tv_usec = 0});
  std::vector<double> times_us;
  Datagram datagram{};
  unsigned lost = 0;
  const auto start = Clock::now();
  for (uint32_t number = 0; bench::seconds_since(start) < seconds; number++) {
    std::memcpy(datagram.data(), &number, sizeof number);
    const auto asked = Clock::now();
    if (send(fd, datagram.data(), bytes, 0) > 0 && answered(fd, number)) {
      times_us.push_back(bench::seconds_since(asked) * 1e6);
    } else {
      lost++;
    }
    usleep(gap_us);
  }
  std::sort(times_us.begin(), times_us.end());
  std::printf("{\"answers\": %zu, \"lost\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
              times_us.size(), lost, quantile(times_us, 0.5), quantile(times_us, 0.99));
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count > 1 ? words[1] : "";
  if (verb == "answer" && count == 4) return answer(bench::ipv4(words[2], words[3]));
  if (verb == "ask" && count == 7) {
    const auto gap_us = static_cast<unsigned>(std::atoi(words[5]));
    const auto bytes = static_cast<size_t>(std::atoi(words[6]));
    if (bytes >= sizeof(uint32_t) && bytes <= Datagram{}.size()) {
      return ask(bench::ipv4(words[2], words[3]), std::atof(words[4]), gap_us, bytes);
    }
  }
  std::fputs("usage: udp_echo answer ADDRESS PORT | ask ADDRESS PORT SECONDS GAP_US BYTES\n",
             stderr);
  return 2;
}
