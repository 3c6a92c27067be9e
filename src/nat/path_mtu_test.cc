#include "nat/path_mtu_testing.h"

namespace ipop::nat {
namespace {

using Bench = PathMtuBench;

TEST(PathMtu, AnOrdinaryPathIsConfirmedByOneProbeAndNothingChanges) {
  Bench b;
  EXPECT_EQ(b.search.mtu(), kLimit);
  b.use();
  b.run_for(21ms);
  EXPECT_EQ(b.sizes, (std::vector<std::uint16_t>{PathMtu::kBareProbe, kLimit}));
  b.run_for(10s);
  EXPECT_EQ(b.sizes.size(), 2U);
  EXPECT_EQ(b.changes, 0U);
  EXPECT_EQ(b.search.mtu(), kLimit);
}

TEST(PathMtu, ARestingPathCostsNothing) {
  Bench b;
  b.drain();
  EXPECT_EQ(b.wait, Instant::max());
  b.move();
  b.run_for(24h);
  EXPECT_TRUE(b.sizes.empty());
  b.use();
  b.rest();
  b.run_for(24h);
  EXPECT_EQ(b.sizes.size(), 2U);
  EXPECT_EQ(b.wait, Instant::max());
}

TEST(PathMtu, WhatWasSentLongAgoBeginsNoSearch) {
  Bench b;
  b.search.handle_sent(b.now, b.now - 2s);
  b.search.suspect(b.now, b.now - 2s);
  b.search.reset(b.now, b.now - 2s);
  b.drain();
  EXPECT_TRUE(b.sizes.empty());
  EXPECT_EQ(b.wait, Instant::max());
}

/// Every limit there is, against what the path takes: found to within a step, never above it, in
/// seconds, and with few probes. Below the floor nothing is known but the floor.
TEST(PathMtu, FindsTheSizeOfEveryBlackHole) {
  for (std::uint16_t size = 1100; size <= 1430; ++size) {
    Bench b(size);
    b.size_max = size;
    b.use();
    const Instant begun = b.now;
    while (b.search.mtu() > std::max(size, PathMtu::kFloor) && b.now < begun + 1min) b.run_for(1ms);
    EXPECT_LE(b.now - begun, 500ms) << size;
    b.run_for(5s);
    if (size < PathMtu::kFloor) {
      EXPECT_EQ(b.search.mtu(), PathMtu::kFloor) << size;
    } else {
      EXPECT_LE(b.search.mtu(), size);
      EXPECT_LT(std::min(size, kLimit) - b.search.mtu(), PathMtu::kStep) << size;
    }
    EXPECT_EQ(b.dropped == 0, size >= kLimit) << size;
    EXPECT_LE(b.sizes.size(), 50U) << size;
    EXPECT_LE(b.bytes(), 45'000U) << size;
  }
}

/// Three rounds, each of the round trip and as much again: the bound on how long connections hang.
TEST(PathMtu, ABlackHoleIsLeftAfterThreeRounds) {
  for (const Duration round_trip : {1ms, 20ms, 100ms, 300ms}) {
    Bench b;
    b.size_max = 1340;
    b.round_trip = round_trip;
    b.use();
    const Duration round = round_trip + std::max<Duration>(round_trip, PathMtu::kGrace);
    b.run_for(3 * round);
    EXPECT_LE(b.search.mtu(), 1340) << round_trip / 1ms;
    EXPECT_GE(b.search.mtu(), PathMtu::kBase) << round_trip / 1ms;
    EXPECT_EQ(b.count(kLimit), 3U);
  }
}

TEST(PathMtu, ASlowPathIsOnlySlow) {
  Bench b;
  b.round_trip = 2500ms;  // longer than the first rounds last
  b.use();
  b.run_for(10s);
  EXPECT_EQ(b.search.mtu(), kLimit);
  EXPECT_EQ(b.changes, 0U);
}

TEST(PathMtu, WhoNeverAnswersIsLeftAlone) {
  Bench b;
  b.answers = false;  // an older version
  b.size_max = 1300;
  b.use();
  b.run_for(9min);
  EXPECT_EQ(b.search.mtu(), kLimit);
  EXPECT_EQ(b.sizes.size(), 6U);
  EXPECT_GT(b.dropped, 0U);
}

TEST(PathMtu, ADeadPathLosesNoSize) {
  Bench b;
  b.use();
  b.run_for(1s);
  b.size_max = 0;
  b.run_for(5min);
  EXPECT_GT(b.dropped, 20U);
  EXPECT_EQ(b.search.mtu(), kLimit);
  EXPECT_EQ(b.changes, 0U);
}

/// The limit falls while packets go: noticed by the next confirmation, or at once on suspicion.
TEST(PathMtu, ALimitThatFallsIsNoticed) {
  Bench b;
  b.use();
  b.run_for(1s);
  b.size_max = 1350;
  b.run_for(PathMtu::kConfirm + 1s);
  EXPECT_LE(b.search.mtu(), 1350);
  EXPECT_GT(b.search.mtu(), 1350 - PathMtu::kStep);

  Bench quick;
  quick.use();
  quick.run_for(PathMtu::kSuspectPause);
  quick.size_max = 1350;
  quick.search.suspect(quick.now, quick.now);
  quick.drain();
  quick.run_for(300ms);
  EXPECT_LE(quick.search.mtu(), 1350);
  EXPECT_GT(quick.dropped, 0U);
}

/// One end only talks, the other only listens.
TEST(PathMtu, SuspicionsDoNotPileUp) {
  Bench b;
  b.use();
  const auto suspect_for = [&b](Duration time) {
    const std::size_t before = b.count(kLimit);
    for (const Instant end = b.now + time; b.now < end;) {
      b.run_for(500ms);
      b.search.suspect(b.now, b.now);
      b.drain();
    }
    return b.count(kLimit) - before;
  };
  EXPECT_LE(suspect_for(1min), 7U);
  EXPECT_LE(suspect_for(10min), 30U) << "hardly more than without any";
  // Later they count again as the first one did.
  b.run_for(2min);
  b.size_max = 1350;
  b.search.suspect(b.now, b.now);
  b.drain();
  b.run_for(300ms);
  EXPECT_LE(b.search.mtu(), 1350);
}

TEST(PathMtu, ALimitThatRisesIsFoundInAboutTenMinutes) {
  Bench b;
  b.size_max = 1300;
  b.use();
  b.run_for(1h);
  EXPECT_LE(b.search.mtu(), 1300);
  b.size_max = 1500;
  b.run_for(PathMtu::kRaiseMax + PathMtu::kConfirm + 1s);
  EXPECT_EQ(b.search.mtu(), kLimit);
  EXPECT_GT(b.bounds_due, 0U) << "the kernel is asked again as well";

  Bench part;
  part.size_max = 1300;
  part.use();
  part.run_for(5s);
  part.size_max = 1390;
  part.run_for(11min);
  EXPECT_LE(part.search.mtu(), 1390);
  EXPECT_GT(part.search.mtu(), 1390 - PathMtu::kStep);
}

/// A size that was given up by bad luck is back within a minute or so.
TEST(PathMtu, SoonAfterAFallItIsTriedAgain) {
  Bench b;
  b.use();
  b.run_for(1s);
  b.size_max = 1300;
  b.run_for(30s);
  EXPECT_LE(b.search.mtu(), 1300);
  b.size_max = 1500;
  b.run_for(PathMtu::kRaiseMin + PathMtu::kConfirm + 1s);
  EXPECT_EQ(b.search.mtu(), kLimit);
}

/// While a larger size is tried, the one in use stays.
TEST(PathMtu, ATestOfLargerSizesCostsNothing) {
  Bench b;
  b.size_max = 1300;
  b.use();
  b.run_for(5s);
  const std::uint16_t found = b.search.mtu();
  b.changes = 0;
  b.run_for(1h);
  EXPECT_EQ(b.search.mtu(), found);
  EXPECT_EQ(b.changes, 0U);
  EXPECT_GT(b.count(kLimit), 3U * 5U) << "it was tried";
  EXPECT_LT(b.count(kLimit), 3U * 15U);
}

TEST(PathMtu, AnotherPathStartsAfresh) {
  Bench b;
  b.size_max = 1300;
  b.use();
  b.run_for(5s);
  EXPECT_LE(b.search.mtu(), 1300);
  b.size_max = 1500;
  b.move();
  EXPECT_EQ(b.search.mtu(), kLimit);
  b.run_for(100ms);
  EXPECT_EQ(b.search.mtu(), kLimit);
  b.size_max = 1340;
  b.move();
  b.run_for(1s);
  EXPECT_LE(b.search.mtu(), 1340);
}

TEST(PathMtu, AnswersFromThePathBeforeDoNotCount) {
  Bench b;
  b.round_trip = 200ms;
  b.use();
  b.run_for(100ms);
  b.size_max = 1300;
  b.move();  // the first path's answer is still under way
  b.run_for(5s);
  EXPECT_LE(b.search.mtu(), 1300);
}

TEST(PathMtu, TheKernelsWordBoundsIt) {
  Bench b;
  EXPECT_TRUE(b.search.set_bound(1400));
  EXPECT_EQ(b.search.mtu(), 1400);
  EXPECT_FALSE(b.search.set_bound(1400));
  b.use();
  b.run_for(1s);
  EXPECT_EQ(b.sizes.back(), 1400);
  EXPECT_TRUE(b.search.set_bound(1200));
  EXPECT_EQ(b.search.mtu(), 1200);
  EXPECT_TRUE(b.search.set_bound(0)) << "not known any more";
  b.drain();
  b.run_for(1s);
  EXPECT_EQ(b.search.mtu(), kLimit) << "tried at once, since packets go";
  EXPECT_FALSE(b.search.set_bound(9000));
}

/// The sender's kernel refuses the probe: no waiting for an answer that cannot come.
TEST(PathMtu, AProbeThatTheKernelRefusesIsLostAtOnce) {
  for (const std::uint16_t kernel : std::vector<std::uint16_t>{1400, 1300, 1200, 600}) {
    Bench b;
    b.kernel_max = kernel;
    b.use();
    EXPECT_EQ(b.search.mtu(), kernel);
    b.run_for(b.round_trip);
    EXPECT_EQ(b.search.mtu(), kernel);
    b.run_for(1s);
    EXPECT_EQ(b.search.mtu(), kernel);
    EXPECT_EQ(b.count(kLimit), 1U);
    EXPECT_EQ(b.count(kernel), 1U);
  }
}

TEST(PathMtu, AnAbsurdBoundIsTakenAsItIs) {
  for (const std::uint16_t bound : std::vector<std::uint16_t>{1, 8, 9, 10}) {
    Bench b;
    b.search.set_bound(bound);
    b.use();
    b.run_for(1min);
    EXPECT_EQ(b.search.mtu(), bound);
    for (const std::uint16_t size : b.sizes) EXPECT_GE(size, PathMtu::kBareProbe);
  }
}

TEST(PathMtu, AnAbsurdBoundMayComeDuringASearch) {
  for (const std::uint16_t bound : std::vector<std::uint16_t>{1, 8, 9}) {
    Bench b;
    b.size_max = 100;  // nothing but bare probes is answered for a while
    b.use();
    b.run_for(10ms);
    b.search.set_bound(bound);
    b.run_for(1min);
    for (const std::uint16_t size : b.sizes) EXPECT_GE(size, PathMtu::kBareProbe);
    EXPECT_LE(b.search.mtu(), bound);
  }
}

TEST(PathMtu, WhatIsNoAnswerChangesNothing) {
  Bench b;
  b.size_max = 1300;
  b.use();
  for (int i = 0; i < 1000; ++i) {
    PathMtu::Token token{};
    b.rng.fill(token);
    b.search.handle_answer(b.now, token);
    b.search.handle_answer(b.now, PathMtu::Token{});
  }
  b.drain();
  b.run_for(5s);
  EXPECT_LE(b.search.mtu(), 1300);
}

}  // namespace
}  // namespace ipop::nat
