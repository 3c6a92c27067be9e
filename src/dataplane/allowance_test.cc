#include "dataplane/allowance.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ipop::dataplane {
namespace {

using namespace std::chrono_literals;

constexpr BitsPerSecond kTwentyMbit = 20'000'000;

TEST(Allowance, IsTheLimitInTheLongRunAndABurstAtOnce) {
  AllowanceWords words;
  Instant now{1h};
  std::size_t passed = 0;
  while (take_allowance(words, kTwentyMbit, now, 1500)) passed += 1500;
  EXPECT_GE(passed, 250'000U);  // 100 ms
  EXPECT_LE(passed, 251'500U);
  passed = 0;
  for (int ms = 0; ms < 10'000; ++ms) {
    now += 1ms;
    for (int i = 0; i < 10; ++i)
      passed += take_allowance(words, kTwentyMbit, now, 1500) ? 1500U : 0U;
  }
  EXPECT_NEAR(static_cast<double>(passed), 25e6, 0.25e6);
  EXPECT_GT(words.dropped_packets.load(), 0U);
}

TEST(Allowance, APauseSavesUpNoMoreThanABurst) {
  AllowanceWords words;
  Instant now{1h};
  EXPECT_TRUE(take_allowance(words, kTwentyMbit, now, 1500));
  now += 1h;
  std::size_t passed = 0;
  while (take_allowance(words, kTwentyMbit, now, 1500)) passed += 1500;
  EXPECT_LE(passed, 251'500U);
}

TEST(Allowance, ASmallLimitLetsWholePacketsPass) {
  AllowanceWords words;
  Instant now{1h};
  std::size_t passed = 0;
  for (int i = 0; i < 1000; ++i) {
    now += 100ms;
    passed += take_allowance(words, 8'000, now, 1500) ? 1500U : 0U;  // 1 kB/s
  }
  EXPECT_NEAR(static_cast<double>(passed), 100e3, 5e3);
}

TEST(Allowance, WithoutALimitAllPasses) {
  AllowanceWords words;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(take_allowance(words, 0, Instant(1h), 65'000));
  EXPECT_EQ(words.bytes.load(), 650'000'000U);
}

TEST(Allowance, ThreadsShareOne) {
  AllowanceWords words;
  std::vector<std::jthread> threads;
  std::atomic<std::size_t> passed = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        if (take_allowance(words, kTwentyMbit, Instant(1h), 100)) passed += 100;
      }
    });
  }
  threads.clear();
  EXPECT_GE(passed.load(), 250'000U);
  EXPECT_LE(passed.load(), 250'100U);
}

}  // namespace
}  // namespace ipop::dataplane
