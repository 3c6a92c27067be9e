// What udp_load and udp_echo share: time, addresses and sockets. An error ends the program.
#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline sockaddr_in ipv4(const char* address, const char* port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
  if (inet_pton(AF_INET, address, &result.sin_addr) != 1) die(address);
  return result;
}

inline int udp_socket() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  return fd;
}

inline int bound(const sockaddr_in& address) {
  const int fd = udp_socket();
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address)) die("bind");
  return fd;
}

inline int connected(const sockaddr_in& address) {
  const int fd = udp_socket();
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address)) die("connect");
  return fd;
}

inline void give_up_after(int fd, timeval limit) {
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

}  // namespace bench
