// Networks that come into being, under this and that.
#include <algorithm>
#include <cmath>

#include "sim/run/checkers.h"
#include "sim/run/faults.h"
#include "sim/run/scenarios.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

}  // namespace

void grow(Stage& stage) {
  const auto spread =
      std::min<Duration>(60s, static_cast<std::int64_t>(stage.size()) * Duration(500ms));
  stage.begin();
  stage.join_everybody(spread, 30s);
  settle(stage);
}

void play_join(Stage& stage) {
  stage.world().default_path.loss = 0.01;
  grow(stage);
  check_rest(stage, kPatient);
}

void play_unlinkable(Stage& stage) {
  const std::size_t open = std::max<std::size_t>(1, stage.size() / 8);
  stage.set_open(open);
  stage.world().terrain.emplace(
      Terrain::Options{.seed = stage.report().seed, .unlinkable = 0.3, .open = open});
  grow(stage);
  check_rest(stage, {});
}

void play_nat(Stage& stage) {
  put_behind_nats(stage, std::max<std::size_t>(1, stage.size() * 15 / 100));
  grow(stage);
  check_rest(stage, kPatient);
}

void play_weather(Stage& stage) {
  stage.world().default_path = {
      .jitter = 100ms, .loss = 0.05, .duplication = 0.05, .corruption = 0.01};
  grow(stage);
  check_rest(stage, kPatient);
}

void play_skew(Stage& stage) {
  skew_clocks(stage, 4min);
  grow(stage);
  skew_clocks(stage, 1h);
  crash_some(stage, stage.size() / 3);
  stage.run(10s);
  start_all(stage);
  settle(stage);
  check_rest(stage, {});
}

void play_idle(Stage& stage) {
  constexpr Duration kUnused = 6min;  // sessions that only we wanted end after five minutes
  constexpr Duration kMeasured = 10min;
  grow(stage);
  check_rest(stage, {});
  stage.run(kUnused);
  std::vector<std::uint64_t> before;
  for (std::size_t i = 0; i < stage.size(); ++i) before.push_back(stage.node(i).bytes_sent());
  stage.run(kMeasured);
  Samples rates;
  for (std::size_t i = 0; i < stage.size(); ++i) {
    const auto bytes = static_cast<double>(stage.node(i).bytes_sent() - before[i]);
    rates.add(bytes / std::chrono::duration<double>(kMeasured).count());
    stage.report().add("sent by an idle member", "B/s", rates.values().back());
  }
  // 40 B/s at 10 members, 90 at 1000.
  const double tens = std::log10(static_cast<double>(std::max<std::size_t>(10, stage.size()))) - 1;
  const double budget = 40 + 25 * tens;
  stage.report().check(Property::IdleIsCheap,
                       rates.mean() <= budget
                           ? ""
                           : std::to_string(rates.mean()) + " B/s of " + std::to_string(budget));
  check_state(stage);
}

}  // namespace ipop::sim
