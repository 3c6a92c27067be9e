#include "nat/spread.h"

#include <gtest/gtest.h>

#include <map>

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

const Endpoint kPeer{Ipv4{0x05060708}, 40000};
constexpr SocketId kFirst{7};

struct Bench {
  Spread spread;
  Instant now{100h};
  std::map<SocketId, bool> is_open;  ///< of all that ever were
  std::vector<std::pair<Instant, SocketId>> calls;
  std::vector<std::pair<Instant, std::size_t>> called;

  std::size_t open() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(is_open, [](const auto& s) { return s.second; }));
  }
  /// Lets time pass; nothing is called from a socket that is not open.
  void run(Duration limit) {
    const Instant end = now + limit;
    for (;;) {
      const auto output = spread.poll_output();
      if (const auto* wait = std::get_if<Spread::WaitUntil>(&output)) {
        if (wait->at > end) break;
        now = std::max(now, wait->at);
        spread.handle_timeout(now);
      } else if (const auto* opened = std::get_if<Spread::Open>(&output)) {
        EXPECT_TRUE(is_open.emplace(opened->socket, true).second);
      } else if (const auto* call = std::get_if<Spread::Call>(&output)) {
        EXPECT_TRUE(is_open.at(call->socket));
        EXPECT_EQ(call->to, kPeer);
        calls.emplace_back(now, call->socket);
      } else if (const auto* all = std::get_if<Spread::Called>(&output)) {
        called.emplace_back(now, all->sockets);
      } else {
        bool& was_open = is_open.at(std::get<Spread::Close>(output).socket);
        EXPECT_TRUE(was_open);
        was_open = false;
      }
    }
    now = end;
  }
};

TEST(Spread, CallsFromEachSocketOnceAndTellsThenAndClosesAll) {
  Bench bench;
  EXPECT_EQ(bench.spread.grants(bench.now, 10000), Spread::kSocketsMax);
  bench.spread.start(bench.now, kPeer, kFirst, 256);
  EXPECT_TRUE(bench.spread.running());
  EXPECT_EQ(bench.spread.grants(bench.now, 1), 0U);
  const Duration told = bench.spread.lasts();
  bench.run(1s);
  EXPECT_EQ(bench.open(), 256U);
  ASSERT_EQ(bench.calls.size(), 256U);
  for (std::size_t i = 0; i < 256; ++i) EXPECT_EQ(bench.calls[i].second.value, 7 + i);
  ASSERT_EQ(bench.called.size(), 1U);
  EXPECT_EQ(bench.called[0].second, 256U);
  EXPECT_EQ(bench.called[0].first, bench.calls.back().first);
  bench.run(told - 2s);
  EXPECT_TRUE(bench.spread.running());
  bench.run(1s);
  EXPECT_FALSE(bench.spread.running());
  EXPECT_EQ(bench.open(), 0U);
}

TEST(Spread, KeepsToItsPaceAndToTheBudget) {
  Bench bench;
  std::uint32_t first = 1;
  std::size_t runs = 0;
  for (; bench.spread.grants(bench.now, 256) != 0; ++runs) {
    ASSERT_LE(runs, 8U);
    const std::size_t count = bench.spread.grants(bench.now, 256);
    bench.spread.start(bench.now, kPeer, SocketId{first}, count);
    first += static_cast<std::uint32_t>(count);
    bench.run(1min);
  }
  EXPECT_EQ(bench.calls.size(), ProbeBudget::kProbesMax);
  for (std::size_t i = 500; i < bench.calls.size(); ++i) {
    EXPECT_GE(bench.calls[i].first - bench.calls[i - 500].first, 1s - Spread::kInterval);
  }
  EXPECT_EQ(bench.open(), 0U);
  bench.run(1h);
  EXPECT_EQ(bench.spread.grants(bench.now, 256), 256U);
}

TEST(Spread, TheOneThatIsUsedStaysAndTheOthersCloseSoon) {
  Bench bench;
  bench.spread.start(bench.now, kPeer, kFirst, 64);
  bench.run(1s);
  const SocketId used{kFirst.value + 40};
  EXPECT_TRUE(bench.spread.owns(used));
  EXPECT_FALSE(bench.spread.owns(SocketId{kFirst.value + 64}));
  EXPECT_FALSE(bench.spread.owns(SocketId{kFirst.value - 1}));
  bench.spread.use(bench.now, SocketId{kFirst.value + 3});
  bench.run(1s);
  bench.spread.use(bench.now, used);
  bench.run(Spread::kSettle - 100ms);
  EXPECT_EQ(bench.open(), 64U) << "the peer may come by any of them yet";
  bench.run(1s);
  EXPECT_FALSE(bench.spread.running());
  EXPECT_EQ(bench.open(), 1U);
  EXPECT_TRUE(bench.is_open.at(used));
}

TEST(Spread, WhoIsReachedIsNotCalledOn) {
  Bench bench;
  bench.spread.start(bench.now, kPeer, kFirst, 256);
  bench.run(100ms);
  const std::size_t so_far = bench.calls.size();
  ASSERT_LT(so_far, 100U);
  bench.spread.use(bench.now, kFirst);
  bench.run(1min);
  EXPECT_EQ(bench.calls.size(), so_far);
  EXPECT_TRUE(bench.called.empty());
  EXPECT_EQ(bench.open(), 1U);
}

TEST(Spread, WhoIsGoneLeavesNothing) {
  Bench bench;
  bench.spread.stop();
  bench.run(1s);
  bench.spread.start(bench.now, kPeer, kFirst, 256);
  bench.spread.stop();  // before anything was carried out
  bench.run(1min);
  EXPECT_TRUE(bench.calls.empty());
  EXPECT_EQ(bench.open(), 0U);
  bench.spread.start(bench.now, kPeer, SocketId{1000}, 16);
  bench.run(1s);
  bench.spread.use(bench.now, SocketId{1003});
  bench.spread.stop();
  bench.run(1min);
  EXPECT_EQ(bench.open(), 1U) << "its owner closes it";
}

}  // namespace
}  // namespace ipop::nat
