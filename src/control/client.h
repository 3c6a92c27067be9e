#pragma once

#include <chrono>
#include <csignal>
#include <expected>
#include <functional>
#include <string>

#include "control/schema.h"

namespace ipop::control {

struct CallOptions {
  /// Called for every event, in order, during call(). May be empty.
  std::function<void(const Event&)> progress;
  /// Longest silence of the daemon: an event starts it anew.
  std::chrono::milliseconds silence_max{std::chrono::seconds{60}};
  /// Set by a signal handler: the call ends with `interrupted`. May be null.
  const volatile std::sig_atomic_t* interrupt = nullptr;
};

/// Blocking connection to a daemon's control socket: one request, then gone. One thread.
class Client {
 public:
  /// Errors: UnreachableDaemon (nothing there, or nobody listens any more), NoPermission, each with
  /// what to do about it.
  static std::expected<Client, ControlError> connect(const std::string& socket_path);

  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Errors: the daemon's own; UnreachableDaemon when it goes away or stays silent too long; Busy
  /// with an empty message after an interrupt.
  std::expected<Reply, ControlError> call(const Request& request, const CallOptions& options);

 private:
  explicit Client(int fd) : fd_(fd) {}
  std::expected<void, ControlError> send(std::string_view line);
  std::expected<std::string, ControlError> read_line(const CallOptions& options);

  int fd_ = -1;
  std::string buffer_;
};

}  // namespace ipop::control
