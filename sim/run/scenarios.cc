#include "sim/run/scenarios.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "sim/run/checkers.h"

namespace ipop::sim {
namespace {

constexpr Scenario kScenarios[] = {
    {"join", "all join within a minute over links that lose 1 %", 24, 2, play_join},
    {"unlinkable", "30 % of all pairs cannot talk, for good", 24, 2, play_unlinkable},
    {"nat", "15 % reachable, the others behind NATs, a quarter of these symmetric", 20, 2,
     play_nat},
    {"weather", "5 % lost, 5 % twice, 1 % corrupted, 100 ms of reordering", 16, 2, play_weather},
    {"skew", "clocks up to 4 minutes off when they join, up to an hour later", 12, 2, play_skew},
    {"idle", "what a network costs that nobody uses", 10, 2, play_idle},
    {"churn", "crashes, restarts, lost disks, farewells and newcomers for 5 minutes", 12, 3,
     play_churn},
    {"deaths", "30 % crash at once", 16, 3, play_deaths},
    {"sleep", "a third sleeps for up to 10 minutes, again and again", 12, 3, play_sleep},
    {"partition", "two halves that grow apart, and together again", 14, 4, play_partition},
    {"kick", "a kicked member that obeys nobody, while others sleep", 10, 3, play_kick},
    {"malice", "a fifth drops, misroutes, lies, replays or floods", 20, 5, play_malice},
    {"swarm", "a random choice of the others' faults", 10, 3, play_swarm},
};

/// Bytes of the heap in use; 0 where the allocator is another one, as under the sanitizers.
double heap_kilobytes() { return static_cast<double>(mallinfo2().uordblks) / 1000; }

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

const Scenario* find_scenario(std::string_view name) {
  const auto* found = std::ranges::find(kScenarios, name, &Scenario::name);
  return found == std::end(kScenarios) ? nullptr : found;
}

Report play(const Scenario& scenario, std::size_t nodes, std::uint64_t seed) {
  check(nodes >= scenario.nodes_min);
  Report report;
  report.scenario = scenario.name;
  report.nodes = nodes;
  report.seed = seed;
  const double heap = heap_kilobytes();
  const auto begun = std::chrono::steady_clock::now();
  Stage stage(report);
  scenario.play(stage);
  close_report(stage);
  report.kilobytes_a_node = (heap_kilobytes() - heap) / static_cast<double>(stage.size());
  report.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return report;
}

}  // namespace ipop::sim
