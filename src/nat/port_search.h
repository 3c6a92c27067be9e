#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "nat/port_pattern.h"
#include "nat/probe_budget.h"

namespace ipop::nat {

/// What a peer behind a NAT with a dependent mapping knows of the ports it gets.
struct PortHint {
  Endpoint newest;  ///< of its outer endpoints; another one is what its flow towards us has
  /// Between one flow's port and the next one's; 0: they are drawn at random.
  int step = 0;
  PortSpan span;  ///< of the ports it was seen with
  /// How many of its sockets have a flow towards us, each with a port of its own, and any will do.
  std::size_t sockets = 1;
};

/// Looks for an outer port that lets us in to a peer whose NAT gave its flow towards us a port that
/// nobody has seen: sends probes to those it can be, the likeliest first. The peer keeps that flow
/// open meanwhile, or many of them (nat::Spread); whatever probe arrives is answered, and the path
/// is proven as any other. Only worth while where our own outer port is known to the peer, so that
/// its filter lets us in.
///
/// The budget holds for all searches for one peer together: a member that names a stranger's
/// address makes us send there no more than that. No I/O, no clock; drain poll_output() after each
/// call that takes `now`.
class PortSearch {
 public:
  static constexpr std::size_t kProbesMax = ProbeBudget::kProbesMax;
  /// Every kInterval, so 500 a second.
  static constexpr std::size_t kBurst = 5;
  static constexpr Duration kInterval = std::chrono::milliseconds(10);
  /// How many steps beyond the newest port, for flows that came between, and how many before it,
  /// where the flow towards us is older.
  static constexpr int kStepsAhead = 40;
  static constexpr int kStepsBehind = 20;
  /// Random ports of a wider span are not looked for where few sockets have one: the budget would
  /// find one of one in four cases. With so many it is 86 in 100.
  static constexpr int kSpanMax = 8192;
  static constexpr std::size_t kSocketsMin = 64;

  struct Probe {
    Endpoint to;
  };
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Probe, WaitUntil>;

  explicit PortSearch(Rng& rng) : rng_(&rng) {}

  /// Begins anew with what the peer says now. False: there is nothing that would help, or nothing
  /// left of the budget.
  bool start(Instant now, const PortHint& hint);
  /// There is something left of the budget.
  bool may_start(Instant now) { return budget_.left(now) != 0; }
  /// It is reached, or gone.
  void stop();
  bool running() const { return !ports_.empty(); }
  /// How long the search will yet take, if nobody stops it.
  Duration lasts() const;
  void handle_timeout(Instant now);
  Output poll_output();

 private:
  void send_burst(Instant now);

  Rng* rng_;
  IpAddress address_;
  std::vector<std::uint16_t> ports_;  ///< yet to be tried, the next one last
  Instant next_ = Instant::max();
  ProbeBudget budget_;
  std::vector<Probe> outputs_;
};

}  // namespace ipop::nat
