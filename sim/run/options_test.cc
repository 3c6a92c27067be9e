// The command line of `./run sim`: what it means, and that every wrong one is told.
#include "sim/run/options.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace ipop::sim {
namespace {

std::expected<RunOptions, std::string> parse(const std::vector<std::string_view>& words) {
  return parse_options(words);
}

TEST(SimOptions, SayWhatToPlay) {
  const auto options = parse({"--nodes", "33", "--seed", "7", "--scenario", "kick", "--json",
                              "--plot", "pictures", "--twice"});
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->what, RunOptions::What::Play);
  EXPECT_EQ(options->scenario, find_scenario("kick"));
  EXPECT_EQ(options->nodes, 33U);
  EXPECT_EQ(options->first_seed, 7U);
  EXPECT_EQ(options->last_seed, 7U);
  EXPECT_TRUE(options->json);
  EXPECT_TRUE(options->twice);
  EXPECT_EQ(options->plot_dir, "pictures");

  const auto seeds = parse({"--seeds", "3..12"});
  ASSERT_TRUE(seeds.has_value());
  EXPECT_EQ(seeds->scenario, nullptr);
  EXPECT_EQ(seeds->first_seed, 3U);
  EXPECT_EQ(seeds->last_seed, 12U);
  EXPECT_EQ(parse({"--list"})->what, RunOptions::What::List);
  EXPECT_EQ(parse({"--help"})->what, RunOptions::What::Help);
}

TEST(SimOptions, RefuseWhatIsNone) {
  const std::vector<std::vector<std::string_view>> wrong = {
      {"--scenario", "nosuch"},
      {"--scenario"},
      {"--scenario", ""},
      {"--nodes", "1"},
      {"--nodes", "0"},
      {"--nodes", "-3"},
      {"--nodes", "ten"},
      {"--nodes", "10x"},
      {"--nodes", ""},
      {"--nodes", "10001"},
      {"--nodes", "99999999999999999999999"},
      {"--seed", "x"},
      {"--seed", "1..2"},
      {"--seeds", "2"},
      {"--seeds", "3..2"},
      {"--seeds", "..2"},
      {"--seeds", "2.."},
      {"--seeds", "0..1000000"},
      {"--frobnicate"},
      {"kick"},
      {"--scenario", "malice", "--nodes", "2"},
      {"--nodes", "2", "--scenario", "malice"},
  };
  for (const auto& words : wrong) {
    const auto options = parse(words);
    EXPECT_FALSE(options.has_value()) << words.front() << " " << words.back();
    if (!options) { EXPECT_FALSE(options.error().empty()); }
  }
}

TEST(SimOptions, EveryScenarioHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Scenario& s : scenarios()) {
    EXPECT_TRUE(names.insert(s.name).second) << s.name;
    EXPECT_EQ(find_scenario(s.name), &s);
    EXPECT_GE(s.nodes, s.nodes_min);
    EXPECT_GE(s.nodes_min, 2U);
    EXPECT_FALSE(s.about.empty());
  }
}

}  // namespace
}  // namespace ipop::sim
