// Each seed draws which faults there are and how bad (swarm testing: Groce et al., ISSTA 2012).
#include <algorithm>

#include "sim/run/checkers.h"
#include "sim/run/faults.h"
#include "sim/run/scenarios.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

bool heads(Rng& rng) { return rng.below(2) == 0; }
double share(Rng& rng, double most) { return most * static_cast<double>(rng.below(1001)) / 1000; }

void draw_weather(Stage& stage) {
  Rng& rng = stage.rng();
  Path& path = stage.world().default_path;
  if (heads(rng)) path.loss = share(rng, 0.05);
  if (heads(rng)) path.duplication = share(rng, 0.05);
  if (heads(rng)) path.corruption = share(rng, 0.01);
  if (heads(rng)) path.jitter = Duration(static_cast<std::int64_t>(rng.below(100'000'000)));
  stage.report().add("drawn: lost", "%", 100 * path.loss);
  stage.report().add("drawn: twice", "%", 100 * path.duplication);
  stage.report().add("drawn: corrupted", "%", 100 * path.corruption);
  stage.report().add("drawn: jitter", "ms", static_cast<double>(path.jitter.count()) / 1e6);
}

void draw_reach(Stage& stage) {
  const std::size_t open = std::max<std::size_t>(1, stage.size() / 5);
  switch (stage.rng().below(3)) {
    case 0:
      stage.report().add("drawn: behind NATs", "", static_cast<double>(stage.size() - open));
      return put_behind_nats(stage, open);
    case 1:
      stage.set_open(open);
      stage.world().terrain.emplace(Terrain::Options{
          .seed = stage.report().seed, .unlinkable = share(stage.rng(), 0.5), .open = open});
      return;
    default:
      return;
  }
}

void part_for_a_while(Stage& stage) {
  for (std::size_t i = 0; i < stage.size(); ++i) {
    stage.world().set_group(stage.node(i), static_cast<unsigned>(stage.rng().below(2)));
  }
  stage.run(std::chrono::seconds(stage.rng().below(120)));
  for (std::size_t i = 0; i < stage.size(); ++i) stage.world().set_group(stage.node(i), 0);
}

void draw_event(Stage& stage) {
  const bool many = stage.live().size() * 2 > stage.size();
  switch (stage.rng().below(8)) {
    case 0:
      return many ? crash_some(stage, 1 + stage.rng().below(stage.size() / 3)) : start_all(stage);
    case 1:
      return start_all(stage);
    case 2:
      return many ? sleep_some(stage, 1 + stage.rng().below(stage.size() / 3)) : wake_all(stage);
    case 3:
      return wake_all(stage);
    case 4:
      static_cast<void>(reinstall_one(stage));
      return;
    case 5:
      static_cast<void>(stage.call_to_join(stage.add_node()));
      return;
    case 6:
      return part_for_a_while(stage);
    default:
      if (many) static_cast<void>(part_with_one(stage));
  }
}

}  // namespace

void play_swarm(Stage& stage) {
  draw_weather(stage);
  draw_reach(stage);
  if (heads(stage.rng())) skew_clocks(stage, 4min);
  grow(stage);
  for (std::uint64_t events = stage.rng().below(12); events > 0; --events) {
    draw_event(stage);
    stage.run(Duration(static_cast<std::int64_t>(stage.rng().below(60'000'000'000))));
  }
  wake_all(stage);
  start_all(stage);
  // Halves that have grown apart look for each other ever less often.
  settle(stage, {.ring = 8min, .membership = 8min});
  check_rest(stage, kPatient);
}

}  // namespace ipop::sim
