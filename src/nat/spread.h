#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/id.h"
#include "base/time.h"
#include "nat/probe_budget.h"

namespace ipop::nat {

/// Our half of a birthday search: our NAT draws the port of each flow from so many that the peer
/// cannot try them all, so one endpoint of the peer's is called from many sockets of ours, and the
/// peer tries random ports (nat::PortSearch). With 256 sockets one of 252 tries hits (64 512
/// ports), so 1148 do in 99 of 100 cases. The socket that was hit becomes a way to the peer; the
/// others are closed.
///
///   idle --start()--> calling --all called: Called--> waiting --stop(), after kHold, or kSettle
///   after use()--> idle
///                        \--stop()--> idle
///
/// Draws its budget as PortSearch does: the endpoint is what the peer says. No I/O, no clock; drain
/// poll_output() after each call that takes `now`, and after stop().
class Spread {
 public:
  static constexpr std::size_t kSocketsMax = 256;
  /// Every kInterval, so 500 a second.
  static constexpr std::size_t kBurst = 5;
  static constexpr Duration kInterval = std::chrono::milliseconds(10);
  /// How long the peer may take after the last call. NATs forget an unanswered flow after 30 s at
  /// the soonest (Linux), and the first call was half a second before.
  static constexpr Duration kHold = std::chrono::seconds(12);
  static constexpr Duration kSettle = std::chrono::seconds(3);

  /// A further socket is to be opened, on any port.
  struct Open {
    SocketId socket;
  };
  /// Something that only the peer can read goes to it from this socket.
  struct Call {
    SocketId socket;
    Endpoint to;
  };
  /// All were called; the peer should be told.
  struct Called {
    std::size_t sockets;
  };
  struct Close {
    SocketId socket;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Open, Call, Called, Close, WaitUntil>;

  /// How many start() would be granted, of `wanted`; 0 while it runs.
  std::size_t grants(Instant now, std::size_t wanted);
  /// Calls `to` from `count` sockets, first, first + 1 and so on. Requires: !running() and
  /// 0 < count <= grants().
  void start(Instant now, const Endpoint& to, SocketId first, std::size_t count);
  /// The peer is reached by this one, which from now on is the owner's to close; the others are
  /// soon closed. They are not at once: the peer may have found two, and settled on another.
  void use(Instant now, SocketId socket);
  /// The peer is gone.
  void stop();
  bool running() const { return opened_ != 0; }
  /// It is one of those that were called from. Requires: running().
  bool owns(SocketId socket) const {
    return socket >= first_ && socket.value - first_.value < opened_;
  }
  /// How long it will yet take, if nobody stops it.
  Duration lasts() const;
  void handle_timeout(Instant now);
  Output poll_output();

 private:
  void call_some(Instant now);

  ProbeBudget budget_;
  Endpoint to_;
  SocketId first_;
  std::size_t count_ = 0;
  std::size_t opened_ = 0;  ///< of them, which are the ones called
  std::optional<SocketId> used_;
  Instant next_ = Instant::max();
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
