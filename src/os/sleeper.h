#pragma once

#include <poll.h>

#include <vector>

namespace ipop::os {

/// Where a packet thread sleeps until one of its few descriptors is readable: poll(2). An epoll
/// instance (Poller) would be told of every packet that comes while the thread is awake, and of
/// every datagram that its socket has got rid of: 4 % of a sender's time. One thread.
class Sleeper {
 public:
  /// Until remove(), before the descriptor is closed.
  void add(int fd);
  /// An unknown one is not an error.
  void remove(int fd);

  /// Returns when a descriptor is readable, hung up or in error, or after a signal.
  void sleep();
  /// The same, but returns at once.
  void look();
  /// What the last sleep() or look() found. False for an unknown one.
  bool was_woken_by(int fd) const;

 private:
  void poll(int timeout_ms);

  std::vector<pollfd> descriptors_;
};

}  // namespace ipop::os
