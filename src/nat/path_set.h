#pragma once

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"

namespace ipop::nat {

/// The addresses at which one peer may be reached, which of them are proven, and which one carries
/// data. A session does not notice when its path changes.
///
///   hinted --authenticated packet from it--> candidate --challenge answered--> proven --> active
///   active --no answer to 3 challenges 300 ms apart while data flows--> suspect: the next proven
///   path takes over; with none left the peer has no path and `lost` is reported.
///
/// A packet from a new address only makes it a candidate (PROTOCOL 18): data moves there after
/// PATH_CHALLENGE / PATH_RESPONSE. No I/O, no clock; drain poll_output() after each handle_*().
class PathSet {
 public:
  using Token = std::array<std::byte, 8>;
  static constexpr std::size_t kPathsMax = 12;
  static constexpr Duration kChallengeTimeout = std::chrono::milliseconds(300);
  static constexpr int kMissesMax = 3;
  /// Silence on an active path, while data flows, after which it is probed.
  static constexpr Duration kSilence = std::chrono::milliseconds(500);

  /// PATH_CHALLENGE to this address, at most one outstanding per path.
  struct SendChallenge {
    Endpoint to;
    Token token;
  };
  /// The path that carries data from now on; nullopt: none is left.
  struct ActiveChanged {
    std::optional<Endpoint> endpoint;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendChallenge, ActiveChanged, WaitUntil>;

  explicit PathSet(Rng& rng) : rng_(&rng) {}

  /// An address somebody named (invite, PEERS, the peer's own list): called, but trusted with
  /// nothing. The oldest unproven hint makes room when the set is full.
  void add_hint(const Endpoint& endpoint);
  /// An authenticated packet came from `from`.
  void handle_received(Instant now, const Endpoint& from);
  /// The handshake proved that what we send to `endpoint` arrives at the peer.
  void handle_proven(Instant now, const Endpoint& endpoint);
  void handle_response(Instant now, const Token& token);
  /// Data went out at `sent`, the last authenticated packet of the peer came at `received`: whether
  /// the active path needs watching. The owner calls it when traffic (re)starts and on timeouts.
  void handle_traffic(Instant now, Instant sent, Instant received);
  /// The owner's keepalives stayed unanswered: probe the active path now.
  void suspect_active(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

  std::optional<Endpoint> active() const { return active_; }
  /// Smoothed round trip of the active path; nullopt before the first challenge was answered.
  std::optional<Duration> rtt() const;
  void set_rtt(Duration sample);
  /// Where to send an initiation: the active path, then proven, then hinted addresses.
  std::vector<Endpoint> destinations() const;
  /// Forgets which paths are proven (the session was reset), keeps the addresses as hints.
  void reset();

 private:
  struct Path {
    Endpoint endpoint;
    bool proven = false;
    Instant last_received{};
    std::optional<Token> token;  ///< of the challenge that is outstanding
    Instant challenged_at{};
    int misses = 0;
    std::optional<Duration> rtt;
  };

  Path* find(const Endpoint& endpoint);
  Path& find_or_add(const Endpoint& endpoint);
  void challenge(Instant now, Path& path);
  void activate(const Endpoint& endpoint);
  void lose(Instant now, Path& path);

  Rng* rng_;
  std::vector<Path> paths_;
  std::optional<Endpoint> active_;
  Instant sent_ = Instant::min();
  Instant received_ = Instant::min();
  Instant probe_at_ = Instant::max();
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
