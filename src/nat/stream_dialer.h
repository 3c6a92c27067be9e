#pragma once

#include <map>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"

namespace ipop::nat {

/// Which TLS connections this node makes to members: those that somebody has wanted lately, each
/// tried again with growing pauses, a bounded number at once. Who wants one says so again and again
/// (want()) as long as UDP does not do; when nobody has for kWantedFor, it is closed.
///
///   wanted --Open--> dialling --handle_up()--> up --handle_down()--> resting --pause--> dialling
///   any --not wanted for kWantedFor--> Close, forgotten (a failing one's pause is remembered)
///
/// No I/O, no clock; drain poll_output() after each call.
class StreamDialer {
 public:
  static constexpr std::size_t kOpenMax = 8;
  /// Addresses that are remembered; members name them, so there is an end.
  static constexpr std::size_t kKnownMax = 64;
  static constexpr Duration kWantedFor = std::chrono::seconds(30);
  /// Between two attempts, doubled each time one fails, up to a fifth more at random.
  static constexpr Duration kPauseMin = std::chrono::seconds(1);
  static constexpr Duration kPauseMax = std::chrono::minutes(2);
  /// A connection that lasted for so long was a good one.
  static constexpr Duration kGood = std::chrono::seconds(30);

  struct Open {
    Endpoint to;
  };
  struct Close {
    Endpoint to;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Open, Close, WaitUntil>;

  explicit StreamDialer(Rng& rng) : rng_(&rng) {}

  void want(Instant now, const Endpoint& to);
  void handle_up(Instant now, const Endpoint& to);
  /// It ended, or did not come up.
  void handle_down(Instant now, const Endpoint& to);
  void handle_timeout(Instant now);
  Output poll_output();

  bool is_up(const Endpoint& to) const;

 private:
  enum class State { Resting, Dialling, Up };
  struct Line {
    State state = State::Resting;
    Instant wanted_until{};
    Instant next_at = Instant::min();  ///< Resting: not before
    Instant up_since{};
    Duration pause = kPauseMin;
  };

  void dial(Instant now);
  std::size_t open_count() const;

  Rng* rng_;
  std::map<Endpoint, Line> lines_;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
