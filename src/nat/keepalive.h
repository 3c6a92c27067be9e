#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"

namespace ipop::nat {

/// How long our NAT may see nothing on a mapping before it forgets it, learnt without risking a
/// mapping that is in use. The interval starts where practice says it works nearly everywhere and
/// climbs a ladder. Each rung is proven first on a spare socket, whose mapping is made as the live
/// ones are (packets in both directions) and then left alone:
///
///   resting --time, and a helper--> exchanging --3 answers--> ageing --the late answer--> proven
///   ageing --no late answer--> checking --the helper still answers: the NAT forgot--> missed
///                                       --it does not: nothing is known--> resting
///
/// Two proofs in a row make the rung the interval; after two misses it is left alone for a day.
/// When a live path was lost while idle, the interval goes down at once. The helper is a member
/// that answers a probe, and, asked so, once more after a given time to where the probe came from.
/// It can withhold a proof; it cannot make one up, since any other packet at the spare socket ends
/// the test. No I/O, no clock; drain poll_output() after each call that takes `now`.
class Keepalive {
 public:
  using Token = std::array<std::byte, 8>;
  static constexpr std::array<std::chrono::seconds, 6> kLadder{
      {std::chrono::seconds(10), std::chrono::seconds(15), std::chrono::seconds(25),
       std::chrono::seconds(45), std::chrono::seconds(60), std::chrono::seconds(110)}};
  /// 25 s: below the 30 s after which a NAT forgets most often, WireGuard's for the same reason.
  static constexpr std::size_t kStart = 2;
  /// A rung is tested with so much more: keepalives are sent late now and then.
  static constexpr Duration kMargin = std::chrono::seconds(5);
  /// Linux keeps a flow four times longer once both sides have spoken; live paths have.
  static constexpr int kExchanges = 3;
  static constexpr Duration kAnswerTimeout = std::chrono::seconds(1);
  static constexpr int kSendsMax = 3;
  static constexpr int kProofsWanted = 2;
  static constexpr int kMissesMax = 2;                         ///< one may be a lost packet
  static constexpr Duration kPause = std::chrono::minutes(2);  ///< between two tests
  static constexpr Duration kRefutedPause = std::chrono::hours(24);
  /// After a loss on a live path; doubles with each further one up to kRefutedPause.
  static constexpr Duration kLossPause = std::chrono::hours(1);

  /// From the spare socket: the helper answers with the token at once, and, with `later`, once more
  /// after that time. `fresh`: a test begins, on a socket that was not used before.
  struct SendProbe {
    Endpoint to;
    Token token;
    std::optional<Duration> later;
    bool fresh = false;
  };
  /// Idle paths send so often from now on.
  struct IntervalChanged {
    Duration interval;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendProbe, IntervalChanged, WaitUntil>;

  explicit Keepalive(Rng& rng) : rng_(&rng) {}

  Duration interval() const { return kLadder[level_]; }
  /// Who helps; nullopt: nobody, and nothing is tested. A test with another helper is dropped.
  void set_helper(Instant now, std::optional<Endpoint> helper);
  /// An authenticated answer of the helper arrived at the spare socket. `late`: it is the second.
  void handle_answer(Instant now, const Token& token, bool late);
  /// Anything else arrived there: the mapping did not age undisturbed.
  void handle_disturbance(Instant now);
  /// A path was lost that had nothing but keepalives, and both ends were up: the interval was too
  /// long. At the lowest rung nothing changes.
  void handle_idle_loss(Instant now);
  /// Another NAT: everything learnt is about the old one.
  void handle_network_changed(Instant now);
  void handle_timeout(Instant now);
  Output poll_output();

 private:
  enum class State : std::uint8_t { Resting, Exchanging, Ageing, Checking };

  void begin(Instant now, State state);
  void send(Instant now);
  void rest(Instant now, Duration pause);
  void set_level(std::size_t level);
  bool can_test() const;
  Duration age() const { return kLadder[level_ + 1] + kMargin; }

  Rng* rng_;
  std::size_t level_ = kStart;
  int proofs_ = 0;
  int misses_ = 0;
  Duration loss_pause_ = kLossPause;
  std::optional<Endpoint> helper_;
  State state_ = State::Resting;
  Token token_{};
  int exchanges_ = 0;
  int sends_ = 0;
  Instant asked_;                  ///< when the last probe left
  bool accepted_ = false;          ///< ageing: the helper knows that it has to answer later
  Instant next_ = Instant::min();  ///< resting: of the next test; else of the timeout
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
