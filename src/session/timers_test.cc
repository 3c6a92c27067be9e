#include <gtest/gtest.h>

#include "session/testing.h"

// The timer table of docs/protocol.md in virtual time. The link has no delay: what is measured is
// when the machine acts.

namespace ipop::session::testing {
namespace {

class SessionTimers : public ::testing::Test {
 protected:
  SessionTimers() {
    a_.meet(b_);
    b_.meet(a_);
  }
  /// Runs both ends until `end`; without link_up_ everything is lost.
  void run(Duration end) {
    while (true) {
      for (const ByteVector& d : a_.take_outbox()) {
        if (link_up_) b_.receive(now_, d);
      }
      for (const ByteVector& d : b_.take_outbox()) {
        if (link_up_) a_.receive(now_, d);
      }
      const Duration next = std::min(a_.deadline(), b_.deadline()).time_since_epoch();
      if (next > end) break;
      ASSERT_LT(++steps_, 100'000U);
      now_ = std::max(now_, next);
      a_.tick(now_);
      b_.tick(now_);
    }
    now_ = end;
  }
  void connect() {
    a_.connect(now_);
    run(now_ + 1s);
    ASSERT_TRUE(a_.sending());
    ASSERT_EQ(a_.sending(), b_.sending());
  }

  TestEnd a_{{.seed = 1}};
  TestEnd b_{{.seed = 2}};
  bool link_up_ = true;
  Duration now_{};
  std::size_t steps_ = 0;
};

TEST_F(SessionTimers, RetriesAtTheListedTimesThenEveryFiveSeconds) {
  link_up_ = false;
  a_.connect(0s);
  run(60s);
  const std::vector<Duration> expected{250ms, 500ms, 1s, 2s, 4s, 5s, 5s, 5s, 5s};
  const auto& times = a_.initiation_times();
  ASSERT_GT(times.size(), expected.size());
  EXPECT_EQ(times[0], 0s);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_GE(times[i + 1] - times[i], expected[i]) << i;
    EXPECT_LE(times[i + 1] - times[i], expected[i] * 6 / 5) << i;
  }
  EXPECT_TRUE(a_.session().is_initiating());
  EXPECT_EQ(a_.indices().size(), kNativeProfile.pending_max);
  run(3600s);
  EXPECT_GT(a_.initiations_sent(), 600U) << "as long as somebody wants the session";
}

TEST_F(SessionTimers, JitterDiffersFromRetryToRetry) {
  link_up_ = false;
  a_.connect(0s);
  run(120s);
  std::set<Duration> gaps;
  const auto& times = a_.initiation_times();
  for (std::size_t i = 7; i < times.size(); ++i) gaps.insert(times[i] - times[i - 1]);
  EXPECT_GT(gaps.size(), 10U);
}

TEST_F(SessionTimers, EarlyLateAndRepeatedTimeoutsAreHarmless) {
  link_up_ = false;
  a_.connect(0s);
  a_.take_outbox();
  for (int i = 0; i < 100; ++i) a_.tick(249ms);
  EXPECT_TRUE(a_.take_outbox().empty());
  a_.tick(100s);
  a_.tick(100s);
  EXPECT_EQ(a_.take_outbox().size(), 1U) << "a late one catches up with a single initiation";
}

TEST_F(SessionTimers, ConnectAgainIsHarmless) {
  link_up_ = false;
  for (int i = 0; i < 10; ++i) a_.connect(0s);
  EXPECT_EQ(a_.initiations_sent(), 1U);
  link_up_ = true;
  run(2s);
  EXPECT_TRUE(a_.sending());
  const std::size_t sent = a_.initiations_sent();
  a_.connect(now_);
  run(100s);
  EXPECT_EQ(a_.initiations_sent(), sent);
}

TEST_F(SessionTimers, StopConnectingStops) {
  link_up_ = false;
  a_.connect(0s);
  run(1s);
  const std::size_t sent = a_.initiations_sent();
  a_.session().stop_connecting();
  EXPECT_FALSE(a_.session().is_initiating());
  run(100s);
  EXPECT_EQ(a_.initiations_sent(), sent);
  EXPECT_EQ(a_.indices().size(), 0U) << "pending initiations age out";
  EXPECT_EQ(a_.deadline(), Instant::max());
}

TEST_F(SessionTimers, HandshakeNowIsPutOffToOneASecond) {
  connect();
  for (int i = 0; i < 20; ++i) {
    a_.handshake_now(now_);
    run(now_ + 100ms);
  }
  EXPECT_LE(a_.initiations_sent(), 4U);
  EXPECT_GE(a_.initiations_sent(), 3U);
  run(now_ + 3s);
  EXPECT_EQ(a_.sending(), b_.sending());
}

TEST_F(SessionTimers, RekeysTwoMinutesAfterTheFirstIpPacket) {
  connect();
  run(50s);
  const auto first = a_.sending();
  ASSERT_TRUE(a_.send_ip(now_, 1));
  run(50s + 120s - 1ms);
  EXPECT_EQ(a_.initiations_sent(), 1U);
  EXPECT_EQ(a_.sending(), first);
  run(50s + 120s);
  EXPECT_EQ(a_.initiations_sent(), 2U);
  run(50s + 121s);
  EXPECT_NE(a_.sending(), first);
  EXPECT_EQ(a_.sending(), b_.sending());
  EXPECT_EQ(b_.initiations_sent(), 0U);
}

TEST_F(SessionTimers, TheResponderRekeysThreeSecondsLaterIfNobodyDid) {
  connect();
  ASSERT_TRUE(b_.send_ip(now_, 1));
  const Duration sent_at = now_;
  run(sent_at + 123s - 1ms);
  EXPECT_EQ(b_.initiations_sent(), 0U);
  run(sent_at + 123s);
  EXPECT_EQ(b_.initiations_sent(), 1U);
}

TEST_F(SessionTimers, RekeysHourlyWithoutTraffic) {
  connect();
  run(3599s);
  EXPECT_EQ(a_.initiations_sent(), 1U);
  run(3601s + 60s);
  EXPECT_EQ(a_.initiations_sent(), 2U);
  EXPECT_EQ(a_.sending(), b_.sending());
  EXPECT_EQ(b_.initiations_sent(), 0U) << "nobody there asked for a session";
}

TEST_F(SessionTimers, WithoutAWishAnIdleSessionEnds) {
  connect();
  a_.session().stop_connecting();
  run(3749s);
  EXPECT_TRUE(a_.sending());
  run(3750s);
  EXPECT_FALSE(a_.sending()) << "nothing is sent that the receiver might refuse";
  EXPECT_FALSE(b_.sending());
  EXPECT_EQ(a_.pair_count(), 1U) << "but received a little longer";
  run(3780s);
  EXPECT_EQ(a_.pair_count(), 0U);
  EXPECT_EQ(a_.indices().size(), 0U);
  EXPECT_EQ(a_.deadline(), Instant::max());
}

TEST_F(SessionTimers, APairCarriesDataForThreeMinutesAfterItsFirstIpPacket) {
  connect();
  a_.session().stop_connecting();
  ASSERT_TRUE(a_.send_ip(now_, 1));
  const Duration sent_at = now_;
  link_up_ = false;
  run(sent_at + 180s - 1ms);
  EXPECT_TRUE(a_.sending());
  EXPECT_TRUE(a_.session().is_initiating()) << "the rekey goes unanswered";
  run(sent_at + 180s);
  EXPECT_FALSE(a_.sending());
  run(sent_at + 179s + 540s);
  EXPECT_EQ(a_.pair_count(), 1U);
  run(sent_at + 180s + 540s);
  EXPECT_EQ(a_.pair_count(), 0U);
  EXPECT_FALSE(a_.session().is_initiating()) << "nobody asked for more";
}

TEST_F(SessionTimers, AWantedSessionThatExpiredComesBack) {
  connect();
  ASSERT_TRUE(a_.send_ip(now_, 1));
  link_up_ = false;
  run(now_ + 1000s);
  EXPECT_FALSE(a_.sending());
  EXPECT_TRUE(a_.session().is_initiating());
  link_up_ = true;
  run(now_ + 7s);
  EXPECT_TRUE(a_.sending());
  EXPECT_EQ(a_.sending(), b_.sending());
}

TEST_F(SessionTimers, AReplacedPairIsDroppedAfterNineMinutes) {
  connect();
  a_.handshake_now(now_);
  run(now_ + 1s);
  const Duration replaced = now_;
  EXPECT_EQ(a_.pair_count(), 2U);
  EXPECT_EQ(b_.pair_count(), 2U);
  run(replaced + 530s);
  EXPECT_EQ(a_.pair_count(), 2U);
  run(replaced + 540s);
  EXPECT_EQ(a_.pair_count(), 1U);
  EXPECT_EQ(b_.pair_count(), 1U);
}

TEST_F(SessionTimers, AnUnconfirmedPairIsDroppedAfterThirtySeconds) {
  a_.connect(0s);
  ASSERT_TRUE(b_.receive(0s, a_.take_outbox().at(0)));
  link_up_ = false;
  a_.session().stop_connecting();
  run(30s - 1ms);
  EXPECT_EQ(b_.pair_count(), 1U);
  run(30s);
  EXPECT_EQ(b_.pair_count(), 0U);
  EXPECT_EQ(b_.indices().size(), 0U);
}

TEST_F(SessionTimers, UnconfirmedPairsDisplaceOnlyEachOther) {
  connect();
  const auto used = b_.sending();
  link_up_ = false;
  for (int i = 1; i <= 10; ++i) {
    const Duration t = now_ + 2s * i;
    a_.handshake_now(t);
    for (const ByteVector& d : a_.take_outbox()) b_.receive(t, d);
    b_.take_outbox();
    EXPECT_LE(b_.pair_count(), 1 + kUnconfirmedMax);
  }
  EXPECT_EQ(b_.pair_count(), 1 + kUnconfirmedMax);
  EXPECT_EQ(b_.sending(), used);
}

TEST_F(SessionTimers, ARekeyLimitMakesAHandshakeAtOnce) {
  connect();
  run(10s);
  const auto first = a_.sending();
  a_.session().handle_rekey_limit(a_.time(now_), first->initiator);
  a_.tick(now_);
  EXPECT_EQ(a_.initiations_sent(), 2U);
  run(11s);
  EXPECT_NE(a_.sending(), first);
  EXPECT_EQ(a_.sending(), b_.sending());
}

TEST_F(SessionTimers, NothingIsSentBeforeItIsProven) {
  a_.connect(0s);
  ASSERT_TRUE(b_.receive(0s, a_.take_outbox().at(0)));
  EXPECT_FALSE(b_.sending()) << "a responder before confirmation";
  ASSERT_TRUE(a_.receive(0s, b_.take_outbox().at(0)));
  EXPECT_FALSE(a_.sending()) << "an initiator before PROOF";
  run(1s);
  EXPECT_TRUE(a_.sending());
  EXPECT_TRUE(b_.sending());
}

TEST_F(SessionTimers, ResetDropsEverythingAndWaitsForConnect) {
  connect();
  a_.handshake_now(now_);
  a_.reset(now_);
  EXPECT_FALSE(a_.sending());
  EXPECT_EQ(a_.pair_count(), 0U);
  EXPECT_EQ(a_.indices().size(), 0U);
  EXPECT_EQ(a_.deadline(), Instant::max());
  a_.take_outbox();
  a_.connect(now_);
  run(now_ + 2s);
  EXPECT_TRUE(a_.sending());
  EXPECT_EQ(a_.sending(), b_.sending());
}

TEST_F(SessionTimers, EventsForUnknownPairsAreIgnored) {
  connect();
  const auto before = a_.sending();
  const SessionIndex unknown{before->initiator.value ^ before->responder.value ^ 1U};
  a_.session().handle_received(a_.time(now_), unknown);
  a_.session().handle_proven(a_.time(now_), unknown);
  a_.session().handle_ip_sent(a_.time(now_), unknown);
  a_.session().handle_rekey_limit(a_.time(now_), unknown);
  a_.tick(now_);
  EXPECT_EQ(a_.sending(), before);
  EXPECT_EQ(a_.initiations_sent(), 1U);
}

/// A profile whose attempts end, as stock WireGuard's do.
TEST(SessionAttempt, GivesUpWhereTheProfileSaysSo) {
  Profile profile = kNativeProfile;
  profile.timers.attempt_time = 90s;
  profile.timers.retries = {5s, 5s, 5s, 5s, 5s};
  profile.timers.retry_jitter = 1;
  profile.timers.retry_jitter_max = 333ms;
  TestEnd a({.seed = 1});
  TestEnd b({.seed = 2});
  a.meet(b);
  SeededRng rng(1);
  IndexTable table(rng);
  Session session({.profile = &profile,
                   .local = &a.local(),
                   .remote = b.local().keys.public_key,
                   .owner = PeerHandle{1},
                   .indices = &table,
                   .rng = &rng});
  session.connect(at(0s));
  int initiations = 0;
  Duration gave_up_at{};
  Duration now{};
  while (true) {
    const Session::Output output = session.poll_output();
    if (std::holds_alternative<Session::SendInitiation>(output)) ++initiations;
    if (std::holds_alternative<Session::GaveUp>(output)) gave_up_at = now;
    if (const auto* wait = std::get_if<Session::WaitUntil>(&output)) {
      if (wait->at == Instant::max()) break;
      now = wait->at.time_since_epoch();
      session.handle_timeout(at(now));
    }
  }
  EXPECT_EQ(gave_up_at, 90s);
  EXPECT_GE(initiations, 17);
  EXPECT_LE(initiations, 18);
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace ipop::session::testing
