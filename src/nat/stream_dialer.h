#pragma once

#include <map>
#include <span>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"

namespace ipop::nat {

/// Which TLS connections this node makes to members: to one address of each member that somebody
/// has wanted lately, each address tried again with growing pauses, a bounded number at once. Who
/// wants a member says so again and again (want()) as long as UDP does not do; when nobody has for
/// kWantedFor, the connection is closed.
///
///   wanted --Open--> dialling --handle_up()--> up --handle_down()--> resting --pause--> dialling
///   up --no handle_proven() for kGreet: somebody else is there--> Close, resting
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
  /// A connection on which the member was proven and that lasted for so long was a good one.
  static constexpr Duration kGood = std::chrono::seconds(30);
  /// Until the member is proven on it: four initiations.
  static constexpr Duration kGreet = std::chrono::seconds(20);

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

  /// One member may be reached at any of these, the best first. If one of them is open or being
  /// dialled it stays, else the one is dialled that may be first, and failed least.
  void want(Instant now, std::span<const Endpoint> any_of);
  void handle_up(Instant now, const Endpoint& to);
  /// The member answered on it.
  void handle_proven(const Endpoint& to);
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
    Instant next_at{};  ///< Resting: not before
    Instant up_since{};
    bool is_proven = false;
    Duration pause = kPauseMin;
  };

  void dial(Instant now);
  void rest(Instant now, Line& line);
  std::size_t open_count() const;

  Rng* rng_;
  std::map<Endpoint, Line> lines_;
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
