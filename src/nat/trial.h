#pragma once

#include <array>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/way.h"
#include "wire/diagnosis.h"

namespace ipop::nat {

/// Finds out which of some ways to a peer work at this moment: a handful of challenges on each,
/// side by side, and who answered how soon. It decides nothing: which path carries data is
/// PathSet's business. No I/O, no clock; drain poll_output() after each call that takes `now`.
class Trial {
 public:
  using Token = std::array<std::byte, 8>;
  static constexpr std::size_t kWaysMax = 12;
  /// Of an address: enough that loss of a fifth hides it once in three thousand times.
  static constexpr int kProbes = 5;
  static constexpr Duration kInterval = std::chrono::milliseconds(200);
  /// Of the way that is in use, whose loss is wanted, too.
  static constexpr int kLossProbes = 10;
  static constexpr Duration kLossInterval = std::chrono::milliseconds(100);
  /// How long the last answer may take.
  static constexpr Duration kPatience = std::chrono::seconds(1);

  struct Wish {
    Way way;
    int probes = kProbes;
    Duration interval = kInterval;
    /// Why this way is not to be tried; `probes` then means nothing.
    std::optional<wire::TestOutcome> unsent{};
  };
  struct Finding {
    Way way;
    int sent = 0;
    int answered = 0;
    std::optional<Duration> rtt;              ///< the shortest
    std::optional<wire::TestOutcome> unsent;  ///< why the last one that was not sent was not

    wire::TestOutcome outcome() const;
  };
  struct SendProbe {
    Way to;
    Token token;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<SendProbe, WaitUntil>;

  explicit Trial(Rng& rng) : rng_(&rng) {}

  /// Forgets what was found before. Ways beyond kWaysMax are left out.
  void start(Instant now, std::span<const Wish> wishes);
  /// True when it is the answer to one of these probes.
  bool handle_response(Instant now, const Token& token);
  /// The newest probe to this address did not leave the machine.
  void handle_unsent(const Endpoint& to, wire::TestOutcome why);
  void handle_timeout(Instant now);
  Output poll_output();

  bool is_running() const { return running_; }
  const std::vector<Finding>& findings() const { return findings_; }

 private:
  struct Plan {
    int left = 0;
    Duration interval{};
    Instant next = Instant::max();
  };
  struct Outstanding {
    Token token;
    std::size_t finding;
    Instant sent_at;
  };

  void send_due(Instant now);
  void end_if_over(Instant now);

  Rng* rng_;
  bool running_ = false;
  std::vector<Finding> findings_;
  std::vector<Plan> plans_;  ///< of each finding
  std::vector<Outstanding> outstanding_;
  Instant ends_ = Instant::max();  ///< once all are sent
  std::vector<Output> outputs_;
};

}  // namespace ipop::nat
