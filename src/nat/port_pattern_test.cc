#include "nat/port_pattern.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

/// One sample of each of so many witnesses, 20 ms apart.
std::vector<PortSample> samples(const std::vector<int>& ports) {
  std::vector<PortSample> out;
  Instant at{1h};
  for (const int port : ports) {
    out.push_back({{out.size() + 1}, at, static_cast<std::uint16_t>(port)});
    at += 20ms;
  }
  return out;
}

TEST(PortStep, OfThreeAnswers) {
  EXPECT_EQ(find_port_step(samples({5000, 5001, 5002})), (PortStep{1, 5002}));
  EXPECT_EQ(find_port_step(samples({5000, 5002, 5004})), (PortStep{2, 5004}));
  EXPECT_EQ(find_port_step(samples({5004, 5003, 5002})), (PortStep{-1, 5002}));
  EXPECT_EQ(find_port_step(samples({5000, 5001})), std::nullopt);
  EXPECT_EQ(find_port_step({}), std::nullopt);
}

TEST(PortStep, ForgivesStrangersFlowsInBetween) {
  EXPECT_EQ(find_port_step(samples({5000, 5003, 5004, 5005})), (PortStep{1, 5005}));
  EXPECT_EQ(find_port_step(samples({5000, 5002, 5008})), (PortStep{2, 5008}));
  EXPECT_EQ(find_port_step(samples({5000, 5007, 5016})), std::nullopt) << "a busy NAT";
}

TEST(PortStep, FollowsTheOrderOfTheFlowsNotOfTheReports) {
  auto s = samples({5000, 5001, 5002, 5003});
  std::swap(s[0], s[3]);
  std::swap(s[1], s[3]);
  EXPECT_EQ(find_port_step(s), (PortStep{1, 5003}));
}

TEST(PortStep, LooksAtTheNewestBurstOnly) {
  auto s = samples({9000, 4000, 7000, 5000, 5001, 5002});
  for (std::size_t i = 0; i < 3; ++i) s[i].created -= 1min;
  EXPECT_EQ(find_port_step(s), (PortStep{1, 5002}));
  for (std::size_t i = 0; i < 5; ++i) s[i].created -= 1min;
  EXPECT_EQ(find_port_step(s), std::nullopt);
}

TEST(PortStep, OneLiarDoesNotHideIt) {
  for (std::size_t liar = 0; liar < 4; ++liar) {
    auto s = samples({5000, 5001, 5002, 5003});
    s[liar].port = 61234;
    const auto step = find_port_step(s);
    ASSERT_TRUE(step) << liar;
    // Where the liar was in the middle its place counts as a stranger's flow.
    EXPECT_EQ(step->step, 1) << liar;
    EXPECT_EQ(step->newest, liar == 3 ? 5002 : 5003);
  }
}

TEST(PortStep, AMappingThatSeveralSeeIsOne) {
  EXPECT_EQ(find_port_step(samples({5000, 5000, 5001, 5001, 5002})), (PortStep{1, 5002}));
  EXPECT_EQ(find_port_step(samples({5000, 5000, 5000, 5001})), std::nullopt);
}

TEST(PortStep, OneWitnessAloneProvesNone) {
  auto s = samples({5000, 5001, 5002, 5003});
  for (auto& sample : s) sample.witness = {1};
  EXPECT_EQ(find_port_step(s), std::nullopt);
}

TEST(PortStep, IsSeldomFoundInRandomPorts) {
  SeededRng rng(5);
  int full = 0;
  int block = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<int> wide;
    std::vector<int> narrow;
    for (int k = 0; k < 4; ++k) {
      wide.push_back(1024 + static_cast<int>(rng.below(64512)));
      narrow.push_back(20480 + static_cast<int>(rng.below(512)));
    }
    full += find_port_step(samples(wide)) ? 1 : 0;
    block += find_port_step(samples(narrow)) ? 1 : 0;
  }
  EXPECT_LE(full, 2);
  EXPECT_LE(block, 400);  // 2 %; a wrong guess costs one volley
}

TEST(PortSpan, CoversWhatWasSeen) {
  EXPECT_EQ(find_port_span({}), std::nullopt);
  EXPECT_EQ(find_port_span(samples({7})), (PortSpan{7, 7}));
  EXPECT_EQ(find_port_span(samples({20500, 20990, 20700})), (PortSpan{20500, 20990}));
}

TEST(PortSpan, OneLiarOfFourDoesNotWidenIt) {
  EXPECT_EQ(find_port_span(samples({20500, 20990, 60000, 20700})), (PortSpan{20500, 20990}));
  EXPECT_EQ(find_port_span(samples({20500, 20990, 1, 20700})), (PortSpan{20500, 20990}));
  auto twice = samples({20500, 20990, 1, 20700, 65000});
  twice[4].witness = twice[2].witness;
  EXPECT_EQ(find_port_span(twice), (PortSpan{20500, 20990}));
  EXPECT_EQ(find_port_span(samples({20500, 20990, 21300, 20700})), (PortSpan{20500, 21300}))
      << "no outlier";
  EXPECT_EQ(find_port_span(samples({20500, 60000, 20700})), (PortSpan{20500, 60000}))
      << "of three nobody can be blamed";
}

}  // namespace
}  // namespace ipop::nat
