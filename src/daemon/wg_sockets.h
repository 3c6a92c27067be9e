#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/status.h"
#include "os/poller.h"
#include "os/unique_fd.h"
#include "os/unix_socket.h"

namespace ipop::daemon {

/// The sockets at which `wg show` asks user-space WireGuard interfaces: /run/wireguard/NAME.sock
/// (https://www.wireguard.com/xplatform/). Only `get` is served, and no secret is told; whatever
/// would change something is refused. Control thread; never blocks.
class WgSockets {
 public:
  static constexpr const char* kFolder = "/run/wireguard";
  static constexpr std::size_t kClientsMax = 16;
  static constexpr std::size_t kRequestMax = 1024;

  static Result<WgSockets> create(Logger& log);

  /// Serves exactly these interfaces from now on. A socket that cannot be made is logged once: all
  /// but `wg show` works without.
  void serve(const std::vector<std::string>& interfaces);
  /// Readable when process() has something to do.
  int fd() const { return poller_.fd(); }

  struct Question {
    std::uint64_t client;
    std::string interface;
  };
  /// Reads and writes as far as that goes without waiting; gives the questions to answer().
  std::vector<Question> process();
  void answer(std::uint64_t client, std::string text);

 private:
  struct Client {
    os::UniqueFd socket;
    std::string interface;
    std::string in;
    std::string out;
    bool answering = false;
  };
  WgSockets(os::Poller poller, Logger& log) : poller_(std::move(poller)), log_(&log) {}
  /// False when no descriptor is left for a client that waits.
  bool accept_all(os::UnixListener& listener, const std::string& interface);
  void receive(std::uint64_t id, std::vector<Question>& out);
  void send(std::uint64_t id);
  void drop(std::uint64_t id);

  os::Poller poller_;
  Logger* log_;
  std::map<std::string, os::UnixListener> listeners_;
  std::set<std::string> without_;  ///< interfaces whose socket could not be made
  std::map<std::uint64_t, std::string> listener_tokens_;
  std::map<std::uint64_t, Client> clients_;
  std::uint64_t next_token_ = 1;
};

/// The answer to `get=1` about one network's interface. Members come with their tunnel keys and the
/// devices that they host among their allowed addresses; our own devices are peers themselves.
std::string wg_get_text(const engine::NetworkStatus& status, std::uint16_t port, UnixTime now);

}  // namespace ipop::daemon
