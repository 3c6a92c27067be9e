#include "engine/statement_pace.h"

#include <gtest/gtest.h>

namespace ipop::engine {
namespace {

using namespace std::chrono_literals;

/// Statements of others for a while; how often the set was evaluated and written.
struct Counts {
  int evaluations = 0;
  int stores = 0;
};
Counts run(StatementPace& pace, Instant& now, Duration time, Duration between, std::size_t size) {
  Counts out;
  const Instant end = now + time;
  Instant next = now;
  while (now < end || pace.deadline() != Instant::max()) {
    now = std::min(now < end ? next : Instant::max(), pace.deadline());
    if (now == next && now < end) {
      pace.handle_joined(now);
      next += between;
    }
    if (pace.is_evaluation_due(now)) {
      pace.handle_evaluated(now, size);
      ++out.evaluations;
    }
    if (pace.is_store_due(now)) {
      pace.handle_stored(now);
      ++out.stores;
    }
    if (next >= end && pace.deadline() == Instant::max()) break;
  }
  return out;
}

TEST(StatementPace, OneAtATimeIsTakenInAtOnce) {
  StatementPace pace;
  Instant now{1h};
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(pace.is_evaluation_owed());
    pace.handle_joined(now);
    EXPECT_TRUE(pace.is_evaluation_due(now));
    EXPECT_TRUE(pace.is_store_due(now));
    pace.handle_evaluated(now, 1000);
    pace.handle_stored(now);
    EXPECT_EQ(pace.deadline(), Instant::max());
    now += 2s;
  }
  EXPECT_EQ(pace.evaluations(), 10U);
}

TEST(StatementPace, ABurstCostsAFewEvaluationsAndAStoreASecond) {
  StatementPace pace;
  Instant now{1h};
  const Counts counts = run(pace, now, 10s, 1ms, 2000);
  EXPECT_LE(counts.evaluations, 15);
  EXPECT_GE(counts.evaluations, 9) << "nothing waits for more than a second";
  EXPECT_LE(counts.stores, 12);
  EXPECT_GE(counts.stores, 9);
}

TEST(StatementPace, ALargeSetIsEvaluatedLessOften) {
  StatementPace pace;
  Instant now{1h};
  EXPECT_LE(run(pace, now, 60s, 1ms, 200'000).evaluations, 8);
}

TEST(StatementPace, AfterQuietItIsQuickAgain) {
  StatementPace pace;
  Instant now{1h};
  run(pace, now, 5s, 1ms, 100);
  now += 3s;
  pace.handle_joined(now);
  ASSERT_TRUE(pace.is_evaluation_due(now));
  pace.handle_evaluated(now, 100);
  pace.handle_joined(now);
  EXPECT_FALSE(pace.is_evaluation_due(now + StatementPace::kPauseMin - 1ms));
  EXPECT_TRUE(pace.is_evaluation_due(now + StatementPace::kPauseMin));
}

TEST(StatementPace, WhatIsDemandedDoesNotWait) {
  StatementPace pace;
  Instant now{1h};
  for (int i = 0; i < 5; ++i) {
    pace.handle_joined(now);
    pace.demand_evaluation();
    EXPECT_TRUE(pace.is_evaluation_due(now));
    pace.handle_evaluated(now, 100'000);
    EXPECT_FALSE(pace.is_evaluation_owed()) << "it had all that was there";
  }
}

}  // namespace
}  // namespace ipop::engine
