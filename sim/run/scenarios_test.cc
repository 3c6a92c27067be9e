// The scenarios in small, and that a seed is a run. `./run soak` has the many seeds. Not here is
// the one that finds what is open (docs/scale.md): swarm.
#include "sim/run/scenarios.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ipop::sim {
namespace {

void expect_passed(const Report& report) { EXPECT_TRUE(report.passed()) << report_line(report); }

TEST(Scenarios, TheSameSeedGivesTheSameTraceAndAnotherSeedAnotherOne) {
  const Scenario& swarm = *find_scenario("swarm");
  const Report one = play(swarm, 4, 5);
  EXPECT_EQ(one.trace, play(swarm, 4, 5).trace);
  EXPECT_NE(one.trace, play(swarm, 4, 6).trace);
}

class EachScenario : public testing::TestWithParam<std::string_view> {};

TEST_P(EachScenario, HoldsInSmall) {
  const Scenario& scenario = *find_scenario(GetParam());
  const Report report = play(scenario, std::max<std::size_t>(5, scenario.nodes_min), 1);
  expect_passed(report);
  EXPECT_GT(report.events, 0U);
  EXPECT_FALSE(report.places.empty());
}

INSTANTIATE_TEST_SUITE_P(All, EachScenario,
                         testing::Values("join", "unlinkable", "nat", "weather", "skew", "churn",
                                         "deaths", "sleep", "partition", "kick", "malice"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Scenarios, HoldInTheSmallestWorlds) {
  for (const std::size_t nodes : {2U, 3U}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      expect_passed(play(*find_scenario("join"), nodes, seed));
    }
  }
}

TEST(Scenarios, TenIdleMembersSendLittle) { expect_passed(play(*find_scenario("idle"), 10, 1)); }

/// Two ends that took a different view of a long link, each time for another lost frame.
TEST(Scenarios, LongLinksAreMutualInBadWeather) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    expect_passed(play(*find_scenario("weather"), 9, seed));
  }
}

/// A test with an impairment asserts that the impairment happened.
TEST(Scenarios, ImpairmentsHappen) {
  const auto happened = [](std::string_view scenario, std::string_view figure) {
    const Report report = play(*find_scenario(scenario), 6, 2);
    return report.find(figure) != nullptr && report.find(figure)->samples.most() > 0;
  };
  EXPECT_TRUE(happened("weather", "... corrupted"));
  EXPECT_TRUE(happened("weather", "... duplicated"));
  EXPECT_TRUE(happened("weather", "... lost"));
  EXPECT_TRUE(happened("nat", "... stopped by a NAT"));
  EXPECT_TRUE(happened("unlinkable", "... between those that cannot talk"));
  EXPECT_TRUE(happened("malice", "deeds of hostile members"));
  EXPECT_TRUE(happened("kick", "packets before the kick was known"));
}

}  // namespace
}  // namespace ipop::sim
