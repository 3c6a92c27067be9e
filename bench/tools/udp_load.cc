// A paced stream of UDP datagrams, and what arrives of it.
//
//   udp_load receive ADDRESS PORT SECONDS             at most so long; ends when the stream does
//   udp_load send ADDRESS PORT SECONDS BYTES RATE     datagrams a second; 0: as many as possible
//
// Each prints one JSON object. A datagram begins with its number. Large socket buffers, so that the
// loss is the tunnel's and not the receiver's.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>

#include "tools/udp.h"

namespace {

using bench::Clock;

constexpr unsigned kBatch = 32;  // datagrams for one sendmmsg or recvmmsg
constexpr size_t kDatagramBytesMax = 2048;
constexpr int kBufferBytes = 32 << 20;
constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 100'000};

// Datagrams in memory that stays, as sendmmsg and recvmmsg want them.
class Batch {
 public:
  explicit Batch(size_t bytes) {
    for (unsigned i = 0; i < kBatch; i++) {
      pieces_[i] = {.iov_base = datagrams_[i].data(), .iov_len = bytes};
      headers_[i].msg_hdr.msg_iov = &pieces_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  mmsghdr* headers() { return headers_.data(); }
  size_t bytes(int i) const { return headers_[static_cast<size_t>(i)].msg_len; }
  void number(unsigned i, uint64_t n) { std::memcpy(datagrams_[i].data(), &n, sizeof n); }
  uint64_t number(int i) const {
    uint64_t n;
    std::memcpy(&n, datagrams_[static_cast<size_t>(i)].data(), sizeof n);
    return n;
  }

 private:
  std::array<std::array<char, kDatagramBytesMax>, kBatch> datagrams_{};
  std::array<iovec, kBatch> pieces_{};
  std::array<mmsghdr, kBatch> headers_{};
};

int send(const sockaddr_in& to, double seconds, size_t bytes, double rate) {
  const int fd = bench::connected(to);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  Batch batch(bytes);
  uint64_t tried = 0, refused = 0;
  const auto start = Clock::now();
  double elapsed_s = 0;
  for (; elapsed_s < seconds; elapsed_s = bench::seconds_since(start)) {
    const double due = rate > 0 ? elapsed_s * rate - static_cast<double>(tried) : kBatch;
    if (due < 1) {
      nanosleep(&kPause, nullptr);
      continue;
    }
    const unsigned count = due > kBatch ? kBatch : static_cast<unsigned>(due);
    for (unsigned i = 0; i < count; i++) batch.number(i, tried + i);
    const int sent = sendmmsg(fd, batch.headers(), count, 0);
    refused += sent < 0;
    tried += sent < 0 ? 1 : static_cast<uint64_t>(sent);
  }
  std::printf("{\"sent\": %lu, \"refused\": %lu, \"seconds\": %.4f}\n", tried - refused, refused,
              elapsed_s);
  return 0;
}

int receive(const sockaddr_in& at, double seconds) {
  const int fd = bench::bound(at);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  // Silence this long after the first datagram is the stream's end.
  bench::give_up_after(fd, {.tv_sec = 0, .tv_usec = 500'000});
  std::puts("ready");
  std::fflush(stdout);
  Batch batch(kDatagramBytesMax);
  uint64_t received = 0, bytes = 0, overtaken = 0, next = 0;
  const auto start = Clock::now();
  while (bench::seconds_since(start) < seconds) {
    const int count = recvmmsg(fd, batch.headers(), kBatch, MSG_WAITFORONE, nullptr);
    if (count <= 0 && received) break;
    for (int i = 0; i < count; i++) {
      const uint64_t number = batch.number(i);
      overtaken += number < next;
      next = std::max(next, number + 1);
      bytes += batch.bytes(i);
    }
    received += count > 0 ? static_cast<uint64_t>(count) : 0;
  }
  std::printf("{\"received\": %lu, \"bytes\": %lu, \"overtaken\": %lu}\n", received, bytes,
              overtaken);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view verb = count > 1 ? words[1] : "";
  if (verb == "receive" && count == 5) {
    return receive(bench::ipv4(words[2], words[3]), std::atof(words[4]));
  }
  if (verb == "send" && count == 7) {
    const auto bytes = static_cast<size_t>(std::atoi(words[5]));
    if (bytes >= sizeof(uint64_t) && bytes <= kDatagramBytesMax) {
      return send(bench::ipv4(words[2], words[3]), std::atof(words[4]), bytes, std::atof(words[6]));
    }
  }
  std::fputs(
      "usage: udp_load receive ADDRESS PORT SECONDS | "
      "send ADDRESS PORT SECONDS BYTES RATE\n",
      stderr);
  return 2;
}
