#include "nat/keepalive.h"

#include <gtest/gtest.h>

#include <map>

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

const Endpoint kHelper{Ipv4{0xc6120001}, 7000};

/// A NAT that forgets the spare socket's mapping after `forgets`, and a helper beyond it.
struct Bench {
  explicit Bench(Duration nat_forgets) : forgets(nat_forgets) {}

  Duration forgets;
  bool helps = true;
  int lose_late = 0;         ///< so many late answers get lost on the way
  Duration late_after{};     ///< a helper that does not keep to the time
  Duration disturb_every{};  ///< a helper that keeps the mapping alive
  SeededRng rng{1};
  Keepalive keepalive{rng};
  Instant now{100h};
  Instant wait = Instant::max();
  Instant used = Instant::min();  ///< the mapping, by a packet of either direction
  int exchanges = 0;              ///< answered since the mapping is new
  std::size_t probes = 0;
  std::size_t tests = 0;
  std::vector<Duration> intervals;
  struct Packet {
    Keepalive::Token token;
    bool late;
  };
  std::multimap<Instant, Packet> coming;

  void start() {
    keepalive.set_helper(now, kHelper);
    drain();
  }
  void drain() {
    for (;;) {
      const auto output = keepalive.poll_output();
      if (const auto* w = std::get_if<Keepalive::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (const auto* i = std::get_if<Keepalive::IntervalChanged>(&output)) {
        intervals.push_back(i->interval);
      }
      if (const auto* p = std::get_if<Keepalive::SendProbe>(&output)) sent(*p);
    }
  }
  void sent(const Keepalive::SendProbe& probe) {
    ++probes;
    tests += probe.fresh ? 1U : 0U;
    EXPECT_EQ(probe.to, kHelper);
    if (probe.fresh || now >= used + forgets) exchanges = 0;
    if (probe.later) { EXPECT_GE(exchanges, 3) << "it ages a mapping unlike the live ones"; }
    used = now;
    if (!helps) return;
    coming.emplace(now + 20ms, Packet{probe.token, false});
    if (!probe.later) return;
    if (lose_late > 0) {
      --lose_late;
      return;
    }
    coming.emplace(now + (late_after > 0s ? late_after : *probe.later) + 20ms,
                   Packet{probe.token, true});
    if (disturb_every == 0s) return;
    for (Duration t = disturb_every; t < *probe.later; t += disturb_every) {
      coming.emplace(now + t, Packet{{}, false});
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 100000) << "the deadline stands still";
      const Instant packet = coming.empty() ? Instant::max() : coming.begin()->first;
      const Instant next = std::min(packet, wait);
      if (next > end) break;
      now = std::max(now, next);
      if (packet <= wait) {
        const Packet p = coming.begin()->second;
        coming.erase(coming.begin());
        if (now < used + forgets) {
          used = now;
          ++exchanges;
          keepalive.handle_answer(now, p.token, p.late);
        }
      } else {
        keepalive.handle_timeout(now);
      }
      drain();
    }
    now = end;
  }
};

TEST(Keepalive, ClimbsToTheHighestRungThatTheNatAllows) {
  struct Case {
    Duration forgets;
    Duration interval;
  };
  for (const Case& c : {Case{28s, 25s}, Case{45s, 25s}, Case{51s, 45s}, Case{64s, 45s},
                        Case{66s, 60s}, Case{114s, 60s}, Case{120s, 110s}, Case{1h, 110s}}) {
    Bench b(c.forgets);
    EXPECT_EQ(b.keepalive.interval(), 25s);
    b.start();
    b.run_for(1h);
    EXPECT_EQ(b.keepalive.interval(), c.interval) << c.forgets.count();
    b.run_for(72h);
    EXPECT_EQ(b.keepalive.interval(), c.interval) << c.forgets.count();
    EXPECT_LE(b.tests, 20U) << "what was refuted is left alone";
  }
}

TEST(Keepalive, NeedsTwoProofsForARung) {
  Bench b(1h);
  b.start();
  b.run_for(1min);
  EXPECT_EQ(b.tests, 1U);
  EXPECT_TRUE(b.intervals.empty());
  b.run_for(3min);
  EXPECT_EQ(b.tests, 2U);
  EXPECT_EQ(b.intervals, std::vector<Duration>{45s});
  b.run_for(1h);
  EXPECT_EQ(b.intervals, (std::vector<Duration>{45s, 60s, 110s}));
  EXPECT_EQ(b.wait, Instant::max()) << "at the top there is nothing to learn";
}

TEST(Keepalive, ALostPacketIsNoRefutation) {
  Bench b(1h);
  b.lose_late = 1;
  b.start();
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 110s);
}

TEST(Keepalive, TestsNothingWithoutAHelper) {
  Bench b(1h);
  b.drain();
  EXPECT_EQ(b.wait, Instant::max());
  b.keepalive.handle_timeout(b.now);
  b.drain();
  EXPECT_EQ(b.probes, 0U);
}

TEST(Keepalive, AHelperThatIsGoneSaysNothingAboutTheNat) {
  Bench b(1h);
  b.helps = false;
  b.start();
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 25s);
  EXPECT_LE(b.probes, 100U);
  b.helps = true;
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 110s);
}

TEST(Keepalive, AHelperThatGoesWhileTheMappingAgesRefutesNothing) {
  Bench b(1h);
  b.start();
  for (int i = 0; i < 5; ++i) {
    b.run_for(10s);
    b.helps = false;
    b.coming.clear();
    b.run_for(5min);
    b.helps = true;
  }
  EXPECT_EQ(b.keepalive.interval(), 25s);
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 110s);
}

TEST(Keepalive, AHelperCannotProveByAnsweringEarlyOrKeepingTheMappingAlive) {
  Bench early(40s);
  early.late_after = 20s;
  early.start();
  early.run_for(24h);
  EXPECT_TRUE(early.intervals.empty());
  Bench busy(40s);
  busy.disturb_every = 15s;
  busy.start();
  busy.run_for(24h);
  EXPECT_GT(busy.tests, 2U);
  EXPECT_TRUE(busy.intervals.empty());
}

TEST(Keepalive, OtherPacketsAtTheSpareSocketEndTheTest) {
  Bench b(1h);
  b.start();
  for (int i = 0; i < 100; ++i) {
    b.run_for(20s);
    b.keepalive.handle_disturbance(b.now);
    b.drain();
  }
  EXPECT_TRUE(b.intervals.empty());
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 110s);
}

TEST(Keepalive, ALossGoesDownAtOnceAndWaitsLongerEachTime) {
  Bench b(1h);
  b.start();
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 110s);
  b.intervals.clear();
  b.keepalive.handle_idle_loss(b.now);
  b.drain();
  EXPECT_EQ(b.intervals, std::vector<Duration>{60s});
  b.run_for(59min);
  EXPECT_EQ(b.keepalive.interval(), 60s);
  b.run_for(30min);
  EXPECT_EQ(b.keepalive.interval(), 110s);
  b.keepalive.handle_idle_loss(b.now);
  b.drain();
  b.run_for(119min);
  EXPECT_EQ(b.keepalive.interval(), 60s);
  for (int i = 0; i < 10; ++i) b.keepalive.handle_idle_loss(b.now);
  b.drain();
  EXPECT_EQ(b.keepalive.interval(), 10s);
  EXPECT_LE(b.wait, b.now + 24h);
}

TEST(Keepalive, AnotherNetworkStartsAtTheBeginning) {
  Bench b(1h);
  b.start();
  b.run_for(1h);
  b.forgets = 28s;
  b.keepalive.handle_network_changed(b.now);
  b.drain();
  EXPECT_EQ(b.keepalive.interval(), 25s);
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 25s);
}

TEST(Keepalive, AnotherHelperDropsTheTest) {
  Bench b(1h);
  b.start();
  b.run_for(10s);
  b.keepalive.set_helper(b.now, std::nullopt);
  b.drain();
  EXPECT_EQ(b.wait, Instant::max());
  b.run_for(1h);
  EXPECT_EQ(b.tests, 1U);
  b.start();
  b.run_for(1h);
  EXPECT_EQ(b.keepalive.interval(), 110s);
}

}  // namespace
}  // namespace ipop::nat
