#pragma once

#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "base/id.h"

namespace ipop::engine {

/// A further UDP socket is wanted, on a port that the system chooses. Where it cannot be had, what
/// is sent from it is lost, and nothing comes.
struct OpenSocket {
  SocketId socket;
};
/// From now on workers read it and send from it: a published snapshot will say so.
struct AdoptSocket {
  SocketId socket;
};
/// No snapshot names it any more.
struct CloseSocket {
  SocketId socket;
};

/// The sockets besides the one port: what is sent from one has a mapping of its own in the NAT in
/// front of us. They are for a moment, but for those that a peer is reached by. Whoever opens one
/// closes it. What comes to one is handed in as what comes to the port, with the Way naming it.
class SpareSockets {
 public:
  using Output = std::variant<OpenSocket, AdoptSocket>;

  /// The first of `count` ids that follow each other, none of which was used before.
  SocketId draw(std::size_t count) {
    return {std::exchange(next_, next_ + static_cast<std::uint32_t>(count))};
  }
  void open(SocketId socket) { outputs_.emplace_back(OpenSocket{socket}); }
  /// Again is harmless.
  void adopt(SocketId socket) {
    if (adopted_.insert(socket).second) outputs_.emplace_back(AdoptSocket{socket});
  }
  /// Requires: the next snapshot does not name it. True where the present one does, so that another
  /// one has to be published.
  bool close(SocketId socket) {
    closed_.push_back(socket);
    return adopted_.erase(socket) != 0;
  }

  /// To be carried out before the next snapshot, and before anything is sent.
  std::optional<Output> poll_before_snapshot() { return take(outputs_); }
  /// To be carried out when the newest snapshot is published and everything is sent.
  std::optional<SocketId> poll_closed() { return take(closed_); }

 private:
  template <class T>
  static std::optional<T> take(std::deque<T>& queue) {
    if (queue.empty()) return std::nullopt;
    const T first = queue.front();
    queue.pop_front();
    return first;
  }

  std::uint32_t next_ = kMainSocket.value + 1;
  std::set<SocketId> adopted_;
  std::deque<Output> outputs_;
  std::deque<SocketId> closed_;
};

}  // namespace ipop::engine
