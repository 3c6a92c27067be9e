#include <gtest/gtest.h>

#include "session/testing.h"

// WireGuard's timers in virtual time, on the coarse events that the packet path gives: the first
// packet after a second of silence, and words for the rest.

namespace ipop::session::testing {
namespace {

class StockTimers : public ::testing::Test {
 protected:
  StockTimers() {
    a_.meet(b_);
    b_.meet(a_);
  }
  /// Runs both ends until `end`; datagrams take no time; `to_a_`, `to_b_` = false lose them.
  void run(Duration end) {
    while (true) {
      bool worked = true;
      while (worked) {
        worked = false;
        for (const ByteVector& d : a_.take_outbox()) worked |= to_b_ && b_.receive(now_, d);
        for (const ByteVector& d : b_.take_outbox()) worked |= to_a_ && a_.receive(now_, d);
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
  /// One packet each interval until `end`; false when there is no session to carry one.
  bool flow(TestEnd& from, Duration interval, Duration end) {
    bool sent = true;
    while (now_ < end) {
      sent &= from.send_ip(now_, ++number_);
      run(now_ + interval);
    }
    return sent;
  }

  TestEnd a_{{.seed = 1, .profile = &kStockProfile}};
  TestEnd b_{{.seed = 2, .profile = &kStockProfile}};
  bool to_a_ = true;
  bool to_b_ = true;
  Duration now_{};
  std::uint32_t number_ = 0;
  std::size_t steps_ = 0;
};

TEST_F(StockTimers, RetriesEveryFiveSecondsForNinety) {
  to_b_ = false;
  a_.connect(0s);
  run(300s);
  const auto& times = a_.initiation_times();
  ASSERT_GE(times.size(), 17U);
  ASSERT_LE(times.size(), 19U);
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_GE(times[i] - times[i - 1], 5s);
    EXPECT_LE(times[i] - times[i - 1], 5333ms);
  }
  EXPECT_LE(times.back(), 90s);
  EXPECT_EQ(a_.give_up_times(), std::vector<Duration>{90s});
  EXPECT_EQ(a_.deadline(), Instant::max());
  a_.connect(now_);
  EXPECT_EQ(a_.initiation_times().back(), now_) << "the next packet that waits begins anew";
}

TEST_F(StockTimers, APacketThatWaitsRenewsTheAttemptAndDoesNotHurryIt) {
  to_b_ = false;
  a_.connect(0s);
  for (int second = 1; second <= 200; ++second) {
    run(1s * second);
    a_.connect(now_);
  }
  EXPECT_TRUE(a_.give_up_times().empty());
  const auto& times = a_.initiation_times();
  for (std::size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 1], 5s);
}

TEST_F(StockTimers, SilentSessionStaysSilentAndEnds) {
  connect();
  const std::size_t sent = a_.initiations_sent();
  run(1000s);
  EXPECT_EQ(a_.initiations_sent(), sent);
  EXPECT_EQ(b_.initiations_sent(), 0U);
  EXPECT_EQ(a_.keepalive_times().size(), 1U) << "the one that confirmed";
  EXPECT_TRUE(b_.keepalive_times().empty());
  EXPECT_EQ(a_.pair_count() + b_.pair_count(), 0U);
  EXPECT_FALSE(a_.send_ip(now_, 1));
}

TEST_F(StockTimers, PairIsRefusedAfter180Seconds) {
  connect();
  const Duration made = now_ - 1s;
  run(made + 180s - 1ms);
  to_b_ = false;  // the rekey that follows is another matter
  EXPECT_TRUE(b_.send_ip(now_, 1));
  run(now_);
  EXPECT_TRUE(a_.received().contains(1));
  run(made + 180s);
  EXPECT_FALSE(a_.send_ip(now_, 2));
  EXPECT_FALSE(b_.send_ip(now_, 3));
  EXPECT_EQ(a_.pair_count() + b_.pair_count(), 0U);
}

TEST_F(StockTimers, PassiveKeepaliveAfterTenSecondsOfSilence) {
  connect();
  a_.send_ip(now_, 1);
  const Duration sent = now_;
  run(sent + 60s);
  EXPECT_EQ(b_.keepalive_times(), std::vector<Duration>{sent + 10s});
  EXPECT_EQ(a_.keepalive_times().size(), 1U) << "a keepalive is not answered";
}

TEST_F(StockTimers, AnotherKeepaliveForWhatArrivedMeanwhile) {
  connect();
  const Duration sent = now_;
  a_.send_ip(now_, 1);
  run(sent + 5s);
  a_.send_ip(now_, 2);
  run(sent + 60s);
  EXPECT_EQ(b_.keepalive_times(), (std::vector<Duration>{sent + 10s, sent + 20s}));
}

TEST_F(StockTimers, AnAnswerTakesTheKeepalivesPlace) {
  connect();
  a_.send_ip(now_, 1);
  run(now_ + 3s);
  b_.send_ip(now_, 2);
  run(now_ + 60s);
  EXPECT_TRUE(b_.keepalive_times().empty());
  EXPECT_EQ(a_.keepalive_times().size(), 2U) << "the answer itself was not answered";
}

TEST_F(StockTimers, OneWayFlowIsAcknowledgedEveryTenSeconds) {
  connect();
  const Duration began = now_;
  ASSERT_TRUE(flow(a_, 100ms, began + 60s));
  const auto& times = b_.keepalive_times();
  ASSERT_GE(times.size(), 5U);
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_GE(times[i], began + 10s * static_cast<int>(i + 1));
    EXPECT_LE(times[i], began + 10s * static_cast<int>(i + 1) + 1s);
  }
  EXPECT_EQ(a_.initiations_sent(), 1U);
}

TEST_F(StockTimers, NoAnswerForFifteenSecondsMakesAHandshake) {
  connect();
  to_b_ = false;
  const Duration sent = now_;
  a_.send_ip(now_, 1);
  run(sent + 14s);
  EXPECT_EQ(a_.initiations_sent(), 1U);
  run(sent + 15s + 334ms);
  EXPECT_EQ(a_.initiations_sent(), 2U);
  to_b_ = true;
  run(sent + 30s);
  EXPECT_EQ(a_.sending(), b_.sending());
  EXPECT_EQ(a_.pairs_made(), 2U);
}

TEST_F(StockTimers, ADeadPeerIsNoticedInTheMiddleOfAFlow) {
  connect();
  for (int i = 0; i < 200; ++i) {  // both ways, no pause that would make an event
    a_.send_ip(now_, ++number_);
    b_.send_ip(now_, ++number_);
    run(now_ + 100ms);
  }
  to_a_ = false;
  const Duration died = now_;
  ASSERT_TRUE(flow(a_, 100ms, died + 30s));
  ASSERT_EQ(a_.initiation_times().size() >= 2, true);
  EXPECT_GE(a_.initiation_times()[1], died + 15s);
  EXPECT_LE(a_.initiation_times()[1], died + 16s);
}

TEST_F(StockTimers, OnlyTheInitiatorRekeysAndOnlyWhenItSends) {
  connect();
  const Duration made = now_ - 1s;
  run(made + 119s);
  EXPECT_EQ(a_.initiations_sent(), 1U);
  run(made + 125s);
  EXPECT_EQ(a_.initiations_sent(), 1U) << "nothing was sent";
  b_.send_ip(now_, 1);
  EXPECT_EQ(b_.initiations_sent(), 0U);
  a_.send_ip(now_, 2);
  run(now_ + 1s);
  EXPECT_EQ(a_.initiations_sent(), 2U);
  EXPECT_EQ(b_.initiations_sent(), 0U);
  EXPECT_EQ(a_.sending(), b_.sending());
}

TEST_F(StockTimers, RekeysUnderTrafficWithoutAGap) {
  connect();
  const Duration made = now_ - 1s;
  ASSERT_TRUE(flow(a_, 250ms, made + 590s)) << "some pair always carries";
  const auto& times = a_.initiation_times();
  ASSERT_EQ(times.size(), 5U) << "at about 120, 240, 360 and 480 s";
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_GE(times[i] - times[i - 1], 120s);
    EXPECT_LE(times[i] - times[i - 1], 122s);
  }
  EXPECT_EQ(b_.received().size(), number_);
  EXPECT_LE(b_.pair_count(), 3U);
}

TEST_F(StockTimers, ReceivingAloneRekeysAt165Seconds) {
  connect();
  const Duration made = now_ - 1s;
  // b sends to a; a's keepalives are what it sends, so they are where it would rekey sooner: keep
  // it from any by answering nothing before 165 s but the packet at 164 s.
  run(made + 164s);
  b_.send_ip(now_, 1);
  run(made + 164s + 500ms);
  EXPECT_EQ(a_.initiations_sent(), 1U);
  b_.send_ip(now_, 2);
  run(made + 165s + 500ms);
  b_.send_ip(now_, 3);
  run(made + 167s);
  EXPECT_EQ(a_.initiations_sent(), 2U);
  EXPECT_EQ(a_.sending(), b_.sending());
}

TEST_F(StockTimers, EarlyLateAndRepeatedTimeoutsAreHarmless) {
  connect();
  a_.send_ip(now_, 1);
  run(now_);
  for (int i = 0; i < 100; ++i) b_.tick(now_ + 9s);
  EXPECT_TRUE(b_.keepalive_times().empty());
  b_.tick(now_ + 100s);
  b_.tick(now_ + 100s);
  EXPECT_EQ(b_.keepalive_times().size(), 1U);
}

}  // namespace
}  // namespace ipop::session::testing
