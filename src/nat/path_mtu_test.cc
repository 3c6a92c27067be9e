#include "nat/path_mtu.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kLimit = 1420;

/// A search, its clock, and a path that drops what is larger than `size_max` without a word.
struct Bench {
  explicit Bench(std::uint64_t seed = 1) : rng(seed) {}

  SeededRng rng;
  PathMtu search{rng, kLimit};
  Instant now{1h};

  // The path.
  std::uint16_t size_max = 1500;
  Duration round_trip = 20ms;
  Duration jitter{};
  double loss = 0;        ///< each way
  double large_loss = 0;  ///< of probes of a kilobyte or more: a limit on the rate
  bool answers = true;
  std::uint16_t kernel_max = 65535;  ///< larger ones are refused by our own kernel, which says so

  // The owner.
  bool flows = false;  ///< IP packets go out all the time

  // What was seen.
  std::vector<std::uint16_t> sizes;  ///< of the probes that were sent
  std::size_t dropped = 0;           ///< by the path, for their size
  std::size_t lost = 0;              ///< by chance
  std::size_t bounds_due = 0;
  std::size_t changes = 0;
  std::uint16_t lowest = kLimit;
  Instant wait = Instant::max();

  void drain() {
    for (;;) {
      const auto output = search.poll_output();
      if (const auto* w = std::get_if<PathMtu::WaitUntil>(&output)) {
        wait = w->at;
        lowest = std::min(lowest, search.mtu());
        return;
      }
      if (const auto* p = std::get_if<PathMtu::SendProbe>(&output)) send(*p);
      if (std::holds_alternative<PathMtu::Changed>(output)) ++changes;
      if (std::holds_alternative<PathMtu::BoundDue>(output)) ++bounds_due;
    }
  }
  /// Packets begin to go.
  void use() {
    flows = true;
    sent_at_ = now;
    search.handle_sent(now, now);
    drain();
  }
  void rest() { flows = false; }
  void move() {
    search.reset(now, last_sent());
    drain();
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 100'000) << "the deadline stands still";
      const Instant answer = answers_.empty() ? Instant::max() : answers_.begin()->first;
      const Instant next = std::min(answer, wait);
      if (next > end) break;
      now = std::max(now, next);
      if (answer <= now) {
        const PathMtu::Token token = answers_.begin()->second;
        answers_.erase(answers_.begin());
        search.handle_answer(now, token);
      } else {
        search.handle_sent(now, last_sent());
        search.handle_timeout(now);
      }
      drain();
    }
    now = end;
  }
  std::size_t count(std::uint16_t size) const {
    return static_cast<std::size_t>(std::count(sizes.begin(), sizes.end(), size));
  }
  std::size_t bytes() const {
    std::size_t out = 0;
    for (const std::uint16_t size : sizes) out += size;
    return out;
  }
  Instant last_sent() const { return flows ? now : sent_at_; }

 private:
  bool chance(double p) { return rng.below(1'000'000) < static_cast<std::uint64_t>(p * 1'000'000); }
  void send(const PathMtu::SendProbe& probe) {
    sizes.push_back(probe.size);
    if (probe.size > kernel_max) {
      search.set_bound(kernel_max);
    } else if (probe.size > size_max) {
      ++dropped;
    } else if (chance(loss) || chance(loss) || (probe.size > 1000 && chance(large_loss))) {
      ++lost;
    } else if (answers) {
      Duration took = round_trip;
      if (jitter.count() > 0) {
        took += Duration(
            static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(jitter.count()))));
      }
      answers_.emplace(now + took, probe.token);
    }
  }

  std::multimap<Instant, PathMtu::Token> answers_;
  Instant sent_at_ = Instant::min();
};

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

/// Loss of one packet in twenty, both ways, is no black hole; and one behind it is found all the
/// same. A hundred hours of traffic altogether.
TEST(PathMtu, LossIsNotTakenForSize) {
  std::size_t lost = 0, fell = 0, searches = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Bench b(seed);
    b.loss = 0.05;
    b.use();
    b.run_for(1h);
    lost += b.lost;
    fell += b.changes;
    searches += b.count(kLimit);
    EXPECT_GE(b.lowest, PathMtu::kBase) << seed;
  }
  EXPECT_GT(lost, 1000U);
  EXPECT_GT(searches, 100U * 100U);
  EXPECT_LT(fell, searches / 200) << "of the searches, by chance";

  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Bench b(seed);
    b.loss = 0.05;
    b.size_max = static_cast<std::uint16_t>(1163 + seed);
    b.use();
    b.run_for(20s);
    EXPECT_LE(b.search.mtu(), b.size_max) << seed;
  }
}

/// Half of what is large is dropped for half a minute, as by a relay above its limit: the size may
/// fall, and comes back.
TEST(PathMtu, ALimitOnTheRateIsNotTakenForSizeForLong) {
  std::size_t lost = 0, small = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Bench b(seed);
    b.large_loss = 0.5;
    b.use();
    b.run_for(30s);
    lost += b.lost;
    small += b.search.mtu() < kLimit ? 1U : 0U;
    b.large_loss = 0;
    b.run_for(3min);
    EXPECT_EQ(b.search.mtu(), kLimit) << seed;
  }
  EXPECT_GT(lost, 200U);
  EXPECT_LT(small, 200U / 3);
}

/// Answers overtake each other, and come after the round they belong to.
TEST(PathMtu, ReorderingIsNotTakenForSize) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Bench b(seed);
    b.round_trip = 5ms;
    b.jitter = 200ms;
    b.use();
    b.run_for(1h);
    EXPECT_EQ(b.search.mtu(), kLimit) << seed;
    Bench hole(seed);
    hole.round_trip = 5ms;
    hole.jitter = 200ms;
    hole.size_max = 1333;
    hole.use();
    hole.run_for(10s);
    EXPECT_LE(hole.search.mtu(), 1333) << seed;
    EXPECT_GE(hole.search.mtu(), PathMtu::kBase) << seed;
  }
}

/// The slow model: whatever the limits of the path and the kernel do, some time after they last
/// changed the size in use passes, and is the largest that does but for a step.
TEST(PathMtu, FollowsWhateverHappens) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Bench b(seed);
    b.use();
    for (int k = 0; k < 12; ++k) {
      b.size_max = static_cast<std::uint16_t>(PathMtu::kFloor + b.rng.below(400));
      switch (b.rng.below(4)) {
        case 0:
          b.move();
          break;
        case 1:
          b.search.set_bound(static_cast<std::uint16_t>(PathMtu::kFloor + b.rng.below(400)));
          b.drain();
          break;
        case 2:
          b.rest();
          b.run_for(30s);
          b.use();
          break;
        default:
          break;
      }
      b.loss = b.rng.below(2) == 0 ? 0.05 : 0;
      b.run_for(std::chrono::milliseconds(b.rng.below(5000)));
      b.loss = 0;
      // A raise, the confirmations of what came of it, and another raise.
      b.search.set_bound(kLimit);
      b.drain();
      b.run_for(25min);
      const std::uint16_t best = std::min(b.size_max, kLimit);
      ASSERT_LE(b.search.mtu(), best) << seed << " " << k;
      ASSERT_LT(best - b.search.mtu(), PathMtu::kStep) << seed << " " << k;
    }
  }
}

}  // namespace
}  // namespace ipop::nat
