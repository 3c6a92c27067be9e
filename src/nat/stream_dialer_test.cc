#include "nat/stream_dialer.h"

#include <gtest/gtest.h>

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

const Endpoint kBob{Ipv4{0xc6336407}, 443};

Endpoint endpoint(std::uint32_t n) { return {Ipv4{0xcb007100 + n}, 443}; }

class StreamDialerTest : public testing::Test {
 protected:
  struct Seen {
    std::vector<Endpoint> opened;
    std::vector<Endpoint> closed;
    Instant next;
  };
  Seen drain() {
    Seen out;
    for (;;) {
      const auto output = dialer_.poll_output();
      if (const auto* open = std::get_if<StreamDialer::Open>(&output)) {
        out.opened.push_back(open->to);
      } else if (const auto* close = std::get_if<StreamDialer::Close>(&output)) {
        out.closed.push_back(close->to);
      } else {
        out.next = std::get<StreamDialer::WaitUntil>(output).at;
        return out;
      }
    }
  }

  void want(Instant now, const std::vector<Endpoint>& any_of) { dialer_.want(now, any_of); }

  SeededRng rng_{7};
  StreamDialer dialer_{rng_};
  Instant now_ = Instant(Duration(1h));
};

TEST_F(StreamDialerTest, DialsWhatIsWantedAndClosesWhatIsNot) {
  EXPECT_EQ(drain().next, Instant::max());
  want(now_, {kBob});
  EXPECT_EQ(drain().opened, std::vector{kBob});
  dialer_.handle_up(now_, kBob);
  dialer_.handle_proven(kBob);
  EXPECT_TRUE(dialer_.is_up(kBob));
  want(now_ += 20s, {kBob});
  EXPECT_EQ(drain().next, now_ + StreamDialer::kWantedFor);
  dialer_.handle_timeout(now_ += 29s);
  EXPECT_TRUE(drain().closed.empty());
  dialer_.handle_timeout(now_ += 1s);
  const Seen seen = drain();
  EXPECT_EQ(seen.closed, std::vector{kBob});
  EXPECT_EQ(seen.next, Instant::max());
  EXPECT_FALSE(dialer_.is_up(kBob));
}

TEST_F(StreamDialerTest, PausesLongerEachTimeItFails) {
  Duration last{};
  for (int i = 0; i < 6; ++i) {
    want(now_, {kBob});
    dialer_.handle_timeout(now_);
    ASSERT_EQ(drain().opened, std::vector{kBob}) << i;
    dialer_.handle_down(now_, kBob);
    want(now_, {kBob});
    const Seen seen = drain();
    EXPECT_TRUE(seen.opened.empty());
    const Duration pause = seen.next - now_;
    EXPECT_GT(pause, last);
    last = pause;
    now_ = seen.next;
  }
  EXPECT_GE(last, StreamDialer::kPauseMin * 30);
}

/// Forgetting the pause with the wish would make a member that is wanted now and then dial at once.
TEST_F(StreamDialerTest, RemembersThePauseOfWhatIsWantedNoMore) {
  for (int i = 0; i < 10; ++i) {
    want(now_, {kBob});
    drain();
    dialer_.handle_down(now_, kBob);
    if (i < 9) now_ += StreamDialer::kPauseMax * 2;
  }
  dialer_.handle_timeout(now_ += 40s);
  EXPECT_TRUE(drain().opened.empty());
  want(now_, {kBob});
  EXPECT_TRUE(drain().opened.empty());
}

TEST_F(StreamDialerTest, ALineThatLastedIsDialledAgainSoon) {
  want(now_, {kBob});
  drain();
  for (int i = 0; i < 3; ++i) {
    dialer_.handle_down(now_, kBob);
    want(now_, {kBob});
    now_ = drain().next;
    dialer_.handle_timeout(now_);
    drain();
  }
  dialer_.handle_up(now_, kBob);
  dialer_.handle_proven(kBob);
  want(now_ += StreamDialer::kGood, {kBob});
  dialer_.handle_down(now_, kBob);
  EXPECT_LE(drain().next, now_ + StreamDialer::kPauseMin * 6 / 5);
}

TEST_F(StreamDialerTest, HasSoManyAtOnceAndNotMore) {
  std::size_t opened = 0;
  for (std::uint32_t i = 0; i < 2 * StreamDialer::kKnownMax; ++i) {
    want(now_, {endpoint(i)});
    opened += drain().opened.size();
  }
  EXPECT_EQ(opened, StreamDialer::kOpenMax);
  // The place of one that fails is taken by one that waits.
  dialer_.handle_down(now_, endpoint(0));
  const Seen seen = drain();
  ASSERT_EQ(seen.opened.size(), 1U);
  EXPECT_NE(seen.opened.front(), endpoint(0));
  EXPECT_GT(seen.next, now_);
}

/// Four addresses of one member that lead nowhere: each has its turn, one at a time.
TEST_F(StreamDialerTest, DialsOneAddressOfAMemberAtATime) {
  const std::vector<Endpoint> all{endpoint(1), endpoint(2), endpoint(3), endpoint(4)};
  std::vector<Endpoint> dialled;
  for (std::size_t i = 0; i < all.size(); ++i) {
    want(now_, all);
    want(now_, all);
    const Seen seen = drain();
    ASSERT_EQ(seen.opened.size(), 1U) << i;
    dialled.push_back(seen.opened.front());
    dialer_.handle_down(now_ += 10s, dialled.back());
  }
  EXPECT_EQ(dialled, all);
  // While one leads there, no other.
  want(now_, all);
  const Endpoint one = drain().opened.at(0);
  dialer_.handle_up(now_, one);
  dialer_.handle_proven(one);
  for (int i = 0; i < 20; ++i) {
    want(now_ += 5s, all);
    dialer_.handle_timeout(now_);
    const Seen seen = drain();
    EXPECT_TRUE(seen.opened.empty() && seen.closed.empty()) << i;
  }
}

/// TLS answers there, but the member never does.
TEST_F(StreamDialerTest, WhereTheMemberIsNotProvenIsAFailure) {
  Duration last{};
  for (int i = 0; i < 5; ++i) {
    want(now_, {kBob});
    dialer_.handle_timeout(now_);
    ASSERT_EQ(drain().opened, std::vector{kBob}) << i;
    dialer_.handle_up(now_, kBob);
    EXPECT_EQ(drain().next, now_ + StreamDialer::kGreet);
    want(now_ += StreamDialer::kGreet, {kBob});
    dialer_.handle_timeout(now_);
    const Seen seen = drain();
    EXPECT_EQ(seen.closed, std::vector{kBob});
    EXPECT_GT(seen.next - now_, last);
    last = seen.next - now_;
    now_ = seen.next;
  }
}

/// A new address has no precedence over one that waits to be retried.
TEST_F(StreamDialerTest, NewAddressesWaitTheirTurn) {
  want(now_, {kBob});
  drain();
  dialer_.handle_down(now_, kBob);
  want(now_, {kBob});
  for (std::uint32_t i = 0; i < StreamDialer::kOpenMax; ++i) want(now_, {endpoint(i)});
  drain();
  now_ += 5s;
  want(now_, {endpoint(100)});
  EXPECT_TRUE(drain().opened.empty());
  dialer_.handle_down(now_, endpoint(0));
  EXPECT_EQ(drain().opened, std::vector{kBob});
}

TEST_F(StreamDialerTest, WhatIsWantedNoMoreWhileItIsDialledKeepsItsPause) {
  want(now_, {kBob});
  drain();
  dialer_.handle_timeout(now_ += StreamDialer::kWantedFor);
  EXPECT_EQ(drain().closed, std::vector{kBob});
  want(now_, {kBob});
  EXPECT_TRUE(drain().opened.empty());
}

TEST_F(StreamDialerTest, HarmlessEventsChangeNothing) {
  dialer_.handle_up(now_, kBob);
  dialer_.handle_proven(kBob);
  dialer_.handle_down(now_, kBob);
  dialer_.handle_timeout(now_);
  want(now_, {});
  const Seen seen = drain();
  EXPECT_TRUE(seen.opened.empty() && seen.closed.empty());
  EXPECT_EQ(seen.next, Instant::max());
}

}  // namespace
}  // namespace ipop::nat
