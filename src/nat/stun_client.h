#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "wire/stun.h"

namespace ipop::nat {

/// Asks STUN servers (RFC 8489) where our datagrams come out. A round goes through the list, one or
/// two servers at a time, until enough have answered; without servers it is over at once. The list
/// is the operator's: nothing is asked that nobody named.
///
///   waiting --slot free--> asked --response--> Learned | Failed
///                          asked --4 sends, 5.5 s--> Failed
///
/// What a server says is a hint, as everything unauthenticated. No I/O, no clock; drain
/// poll_output() after each call that takes `now`.
class StunClient {
 public:
  static constexpr std::size_t kServersMax = 16;
  static constexpr std::size_t kAtOnceMax = 2;
  /// RFC 8489 6.2.1: first after 500 ms, then after twice the time. It would send seven times and
  /// give up after 39.5 s; who waits for a connection does not wait for a dead server that long.
  static constexpr Duration kRetransmit = std::chrono::milliseconds(500);
  static constexpr int kSendsMax = 4;
  /// The longest wait between two sends, and after the last.
  static constexpr Duration kRetransmitMax = std::chrono::seconds(2);

  struct Options {
    /// Transactions outstanding at a time, 1..kAtOnceMax.
    std::size_t at_once = kAtOnceMax;
    /// The round ends after so many answers. Three tell the port step of a sequential NAT.
    std::size_t answers_wanted = 3;
  };
  /// From the socket whose outer address is wanted.
  struct SendTo {
    Endpoint to;
    ByteVector datagram;
  };
  /// The server saw us as `reflexive`; the family may be another than the server's (NAT64). `other`
  /// is the server's second address where it has one (RFC 5780): not asked by itself.
  struct Learned {
    Endpoint server;
    Endpoint reflexive;
    std::optional<Endpoint> other;
  };
  enum class Reason : std::uint8_t { Silent, Refused };
  /// This server is no use this time.
  struct Failed {
    Endpoint server;
    Reason reason{};
  };
  /// The round is over.
  struct Finished {
    std::size_t answers = 0;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendTo, Learned, Failed, Finished, WaitUntil>;

  StunClient(Rng& rng, const Options& options);

  /// Begins a round; one under way is dropped without a Finished. Of `servers` the first
  /// kServersMax different ones count that can be called.
  void start(Instant now, std::span<const Endpoint> servers);
  /// Ends the round without a Finished (shutdown, change of network).
  void stop();
  /// True for what demultiplexing hands to handle_datagram(): STUN by its form and cookie while a
  /// transaction is outstanding (late answers among them).
  bool owns(Bytes datagram) const;
  /// A response counts when its transaction is outstanding and it comes from the server asked;
  /// everything else changes nothing but ignored().
  void handle_datagram(Instant now, const Endpoint& from, Bytes datagram);
  void handle_timeout(Instant now);
  Output poll_output();

  bool running() const { return running_; }
  std::uint64_t ignored() const { return ignored_; }

 private:
  struct Transaction {
    wire::StunTransaction id;
    Endpoint server;
    int sends = 0;
    Duration wait = kRetransmit;
    Instant next;  ///< of the next send, or of giving up
  };

  void send(Instant now, Transaction& transaction);
  /// Asks further servers, or ends the round.
  void advance(Instant now);
  void finish();

  Rng* rng_;
  Options options_;
  bool running_ = false;
  std::size_t answers_ = 0;
  std::vector<Endpoint> waiting_;  ///< the next one last
  std::vector<Transaction> asked_;
  std::uint64_t ignored_ = 0;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
