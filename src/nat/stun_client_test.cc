#include "nat/stun_client.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/stun_testing.h"

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

Endpoint server(std::uint32_t n) { return {Ipv4{0xc6330000U + n}, 3478}; }
const Endpoint kUs{Ipv4{0xcb007107}, 40000};

struct Bench {
  explicit Bench(const StunClient::Options& options = {}) : client(rng, options) {}

  SeededRng rng{1};
  StunClient client;
  Instant now{1h};
  std::vector<std::pair<Instant, StunClient::SendTo>> sent;
  std::vector<StunClient::Learned> learned;
  std::vector<StunClient::Failed> failed;
  std::vector<std::size_t> finished;
  Instant wait = Instant::max();

  void start(std::vector<Endpoint> servers) {
    client.start(now, servers);
    drain();
  }
  void drain() {
    for (;;) {
      const auto output = client.poll_output();
      if (const auto* w = std::get_if<StunClient::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (const auto* s = std::get_if<StunClient::SendTo>(&output)) sent.emplace_back(now, *s);
      if (const auto* l = std::get_if<StunClient::Learned>(&output)) learned.push_back(*l);
      if (const auto* f = std::get_if<StunClient::Failed>(&output)) failed.push_back(*f);
      if (const auto* f = std::get_if<StunClient::Finished>(&output)) {
        finished.push_back(f->answers);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 1000) << "the deadline stands still";
      now = std::max(now, wait);
      client.handle_timeout(now);
      drain();
    }
    now = end;
  }
  /// The id of the last request to `to`.
  wire::StunTransaction asked(const Endpoint& to) const {
    wire::StunTransaction out;
    for (const auto& [at, s] : sent) {
      if (s.to == to) out = wire::stun_transaction(s.datagram).value();
    }
    return out;
  }
  void deliver(const Endpoint& from, const ByteVector& datagram) {
    client.handle_datagram(now, from, datagram);
    drain();
  }
  void answer(const Endpoint& from, const Endpoint& seen = kUs) {
    deliver(from, wire::stun_success({asked(from), seen, {}, {}}));
  }
  std::vector<Endpoint> destinations() const {
    std::vector<Endpoint> out;
    for (const auto& [at, s] : sent) out.push_back(s.to);
    return out;
  }
};

TEST(StunClient, LearnsTheReflexiveAddress) {
  Bench b;
  b.start({server(1)});
  ASSERT_EQ(b.sent.size(), 1U);
  EXPECT_TRUE(b.client.running());
  b.deliver(server(1), wire::stun_success({b.asked(server(1)), kUs, {}, server(9)}));
  ASSERT_EQ(b.learned.size(), 1U);
  EXPECT_EQ(b.learned[0].server, server(1));
  EXPECT_EQ(b.learned[0].reflexive, kUs);
  EXPECT_EQ(b.learned[0].other, server(9));
  EXPECT_EQ(b.finished, std::vector<std::size_t>{1});
  EXPECT_EQ(b.wait, Instant::max());
  EXPECT_FALSE(b.client.running());
}

TEST(StunClient, RetransmitsTheSameRequestAndGivesUp) {
  Bench b;
  const Instant begin = b.now;
  b.start({server(1)});
  b.run_for(5499ms);
  EXPECT_TRUE(b.failed.empty());
  std::vector<Duration> times;
  for (const auto& [at, s] : b.sent) {
    times.push_back(at - begin);
    EXPECT_EQ(s.datagram, b.sent[0].second.datagram);
  }
  EXPECT_EQ(times, (std::vector<Duration>{0ms, 500ms, 1500ms, 3500ms}));
  b.run_for(1ms);
  ASSERT_EQ(b.failed.size(), 1U);
  EXPECT_EQ(b.failed[0].reason, StunClient::Reason::Silent);
  EXPECT_EQ(b.finished, std::vector<std::size_t>{0});
  b.run_for(1h);
  EXPECT_EQ(b.sent.size(), 4U);
}

TEST(StunClient, AnAnswerToAnyOfTheSendsCounts) {
  Bench b;
  b.start({server(1)});
  b.run_for(4s);
  EXPECT_EQ(b.sent.size(), 4U);
  b.answer(server(1));
  EXPECT_EQ(b.learned.size(), 1U);
  EXPECT_TRUE(b.failed.empty());
}

TEST(StunClient, AsksTwoAtOnceAndTheNextWhenOneIsDone) {
  Bench b;
  b.start({server(1), server(2), server(3), server(4)});
  EXPECT_EQ(b.destinations(), (std::vector{server(1), server(2)}));
  b.answer(server(2));
  EXPECT_EQ(b.destinations(), (std::vector{server(1), server(2), server(3)}));
  b.answer(server(3));
  EXPECT_EQ(b.destinations().back(), server(4));
  EXPECT_TRUE(b.finished.empty());
  b.answer(server(4));  // the third: enough, though one is still silent
  EXPECT_EQ(b.finished, std::vector<std::size_t>{3});
  b.run_for(1min);
  EXPECT_EQ(b.sent.size(), 4U);
  EXPECT_TRUE(b.failed.empty());
}

TEST(StunClient, AsksOneAfterAnother) {
  Bench b({.at_once = 1, .answers_wanted = 2});
  b.start({server(1), server(2), server(3)});
  EXPECT_EQ(b.destinations(), std::vector{server(1)});
  b.run_for(6s);
  ASSERT_EQ(b.failed.size(), 1U);
  EXPECT_EQ(b.destinations().back(), server(2));
  b.answer(server(2));
  EXPECT_EQ(b.destinations().back(), server(3));
  b.answer(server(3));
  EXPECT_EQ(b.finished, std::vector<std::size_t>{2});
}

TEST(StunClient, WithoutServersTheRoundIsOver) {
  Bench b;
  b.start({});
  EXPECT_EQ(b.finished, std::vector<std::size_t>{0});
  b.start({Endpoint{}, Endpoint{Ipv4{1}, 0}, Endpoint{Ipv4{0xe0000001}, 3478}});
  EXPECT_EQ(b.finished, (std::vector<std::size_t>{0, 0}));
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.wait, Instant::max());
}

TEST(StunClient, AsksADoubleOnceAndNeverMoreThanItsLimit) {
  Bench b({.at_once = 2, .answers_wanted = 1000});
  std::vector<Endpoint> servers;
  for (std::uint32_t i = 0; i < 100; ++i) servers.push_back(server(i / 2));
  b.start(servers);
  b.run_for(10min);
  auto asked = b.destinations();
  std::ranges::sort(asked);
  const auto [first, last] = std::ranges::unique(asked);
  asked.erase(first, last);
  EXPECT_EQ(asked.size(), StunClient::kServersMax);
  EXPECT_EQ(b.sent.size(), 4 * StunClient::kServersMax);
  EXPECT_EQ(b.finished.size(), 1U);
}

TEST(StunClient, BelievesOnlyTheServerThatWasAskedAboutThisTransaction) {
  Bench b;
  b.start({server(1), server(2)});
  const auto id = b.asked(server(1));
  wire::StunTransaction other = id;
  other.bytes[11] ^= std::byte{1};
  b.deliver(server(3), wire::stun_success({id, kUs, {}, {}}));  // from elsewhere
  b.deliver(server(2), wire::stun_success({id, kUs, {}, {}}));  // another server's transaction
  b.deliver({server(1).address, 3479}, wire::stun_success({id, kUs, {}, {}}));  // another port
  b.deliver(server(1), wire::stun_success({other, kUs, {}, {}}));
  b.deliver(server(1), b.sent[0].second.datagram);                           // our own request
  b.deliver(server(1), wire::stun_message(0x0101, id, {}));                  // no address
  b.deliver(server(1), wire::stun_success({id, {kUs.address, 0}, {}, {}}));  // port 0
  EXPECT_EQ(b.client.ignored(), 7U);
  EXPECT_TRUE(b.learned.empty());
  EXPECT_TRUE(b.failed.empty());
  b.answer(server(1));  // and the real one still counts, once
  b.answer(server(1), {Ipv4{0xcb007108}, 1});
  ASSERT_EQ(b.learned.size(), 1U);
  EXPECT_EQ(b.learned[0].reflexive, kUs);
}

TEST(StunClient, ARefusalMovesOnAtOnce) {
  Bench b({.at_once = 1});
  b.start({server(1), server(2), server(3)});
  b.deliver(server(1), wire::stun_failure({b.asked(server(1)), 500}));
  b.deliver(server(2), wire::stun_message(0x0101, b.asked(server(2)), {{0x7fff, {}}}));
  EXPECT_EQ(b.destinations(), (std::vector{server(1), server(2), server(3)}));
  ASSERT_EQ(b.failed.size(), 2U);
  EXPECT_EQ(b.failed[0].reason, StunClient::Reason::Refused);
  EXPECT_EQ(b.failed[1].server, server(2));
}

TEST(StunClient, OwnsStunOnlyWhileATransactionIsOutstanding) {
  Bench b({.at_once = 2, .answers_wanted = 1});
  const auto datagram = wire::stun_success({{}, kUs, {}, {}});
  EXPECT_FALSE(b.client.owns(datagram));
  b.start({server(1), server(2)});
  EXPECT_TRUE(b.client.owns(datagram));
  ByteVector native = datagram;
  native[0] = std::byte{0xc0};
  EXPECT_FALSE(b.client.owns(native));
  EXPECT_FALSE(b.client.owns(Bytes(datagram).first(19)));
  EXPECT_FALSE(b.client.owns({}));
  b.answer(server(2));
  EXPECT_FALSE(b.client.owns(datagram));
}

TEST(StunClient, ANewRoundForgetsTheOld) {
  Bench b;
  b.start({server(1)});
  const auto old = b.asked(server(1));
  b.start({server(1)});
  EXPECT_NE(b.asked(server(1)), old);
  b.deliver(server(1), wire::stun_success({old, kUs, {}, {}}));
  EXPECT_TRUE(b.learned.empty());
  b.answer(server(1));
  EXPECT_EQ(b.learned.size(), 1U);
  EXPECT_EQ(b.finished.size(), 1U);
  b.start({server(1)});
  b.client.stop();
  b.drain();
  EXPECT_EQ(b.wait, Instant::max());
  b.run_for(1min);
  EXPECT_EQ(b.finished.size(), 1U);
}

TEST(StunClient, ALateOrRepeatedTimeoutSendsOnce) {
  Bench b;
  b.start({server(1)});
  b.client.handle_timeout(b.now);
  b.client.handle_timeout(b.now + 499ms);
  b.drain();
  EXPECT_EQ(b.sent.size(), 1U);
  b.now += 1h;  // asleep
  b.client.handle_timeout(b.now);
  b.client.handle_timeout(b.now);
  b.drain();
  EXPECT_EQ(b.sent.size(), 2U);
  EXPECT_EQ(b.wait, b.now + 1s);
}

}  // namespace
}  // namespace ipop::nat
