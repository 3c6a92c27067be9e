#include "dataplane/snapshot.h"

#include <gtest/gtest.h>

#include <thread>

#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

/// A snapshot whose one peer's words carry `number`, so that a reader can tell what it holds.
std::unique_ptr<Snapshot> numbered(std::uint64_t number, PeerWords& words) {
  words.rx_bytes = number;
  words.tx_bytes = number;
  auto out = std::make_unique<Snapshot>();
  out->peers.push_back({.peer = PeerHandle{static_cast<std::uint32_t>(number)}, .words = &words});
  return out;
}

TEST(Snapshot, FindsNetworksBySlot) {
  const test::TwoNodes nodes;
  EXPECT_NE(nodes.alice.snapshot.network(test::kNetwork), nullptr);
  EXPECT_EQ(nodes.alice.snapshot.network(NetworkSlot{0}), nullptr);
}

TEST(SnapshotSlot, EmptyBeforeTheFirstPublish) {
  SnapshotSlot slot(1);
  const Snapshot* snapshot = slot.enter(0);
  ASSERT_NE(snapshot, nullptr);
  EXPECT_TRUE(snapshot->networks.empty() && snapshot->peers.empty() && snapshot->sessions.empty());
  slot.leave(0);
}

TEST(SnapshotSlot, FreesWhenEveryWorkerHasPassed) {
  PeerWords words;
  SnapshotSlot slot(2);
  slot.publish(numbered(1, words), {});
  EXPECT_EQ(slot.collect(), 0U);

  const Snapshot* first = slot.enter(0);
  slot.publish(numbered(2, words), {});
  EXPECT_EQ(slot.collect(), 1U) << "worker 0 may still read the first";
  EXPECT_EQ(first->peers[0].peer, PeerHandle{1});
  EXPECT_EQ(slot.enter(1)->peers[0].peer, PeerHandle{2});
  slot.publish(numbered(3, words), {});
  EXPECT_EQ(slot.collect(), 2U);

  slot.leave(0);
  EXPECT_EQ(slot.collect(), 1U) << "worker 1 still has the second";
  EXPECT_EQ(slot.enter(0)->peers[0].peer, PeerHandle{3});
  EXPECT_EQ(slot.enter(1)->peers[0].peer, PeerHandle{3}) << "entering again is passing, too";
  EXPECT_EQ(slot.collect(), 0U);
  slot.leave(0);
  slot.leave(1);
}

TEST(SnapshotSlot, AStalledWorkerHoldsBackOnlyWhatItMaySee) {
  PeerWords words;
  SnapshotSlot slot(2);
  slot.publish(numbered(1, words), {});
  slot.publish(numbered(2, words), {});
  EXPECT_EQ(slot.collect(), 0U) << "idle workers hold nothing";
  (void)slot.enter(0);
  for (std::uint64_t n = 3; n <= 10; ++n) slot.publish(numbered(n, words), {});
  EXPECT_EQ(slot.collect(), 8U);
  (void)slot.enter(1);
  slot.leave(1);
  EXPECT_EQ(slot.collect(), 8U);
  slot.leave(0);
  EXPECT_EQ(slot.collect(), 0U);
}

TEST(SnapshotSlot, GarbageLivesAsLongAsTheSnapshotThatNamesIt) {
  SnapshotSlot slot(1);
  auto words = std::make_unique<PeerWords>();
  slot.publish(numbered(1, *words), {});
  const Snapshot* seen = slot.enter(0);
  Garbage garbage;
  garbage.peers.push_back(std::move(words));
  slot.publish(std::make_unique<Snapshot>(), std::move(garbage));
  EXPECT_EQ(seen->peers[0].words->rx_bytes.load(), 1U) << "the address sanitizer watches this";
  slot.leave(0);
  EXPECT_EQ(slot.collect(), 0U);
}

TEST(SnapshotSlotDeathTest, OutlivesItsWorkers) {
  EXPECT_DEATH(
      {
        SnapshotSlot slot(1);
        (void)slot.enter(0);
      },
      "");
}

// Three workers read without pause while control publishes as fast as it can; each generation's
// words are the garbage of the next one. Sanitizers notice a use after free, a double free, a leak
// and a race; independently of them, no worker may ever say that it holds a freed generation.
TEST(SnapshotSlot, Stress) {
  constexpr std::size_t kWorkers = 3;
  constexpr std::uint64_t kGenerations = 3000;
  SnapshotSlot slot(kWorkers);
  std::array<std::atomic<std::uint64_t>, kWorkers> holding{};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> torn{0};

  auto words = std::make_unique<PeerWords>();
  slot.publish(numbered(1, *words), {});
  std::vector<std::jthread> workers;
  for (std::size_t w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      std::uint64_t last = 0;
      while (!stop) {
        const Snapshot* snapshot = slot.enter(w);
        const std::uint64_t number = snapshot->peers[0].peer.value;
        holding[w] = number;
        const PeerWords& mine = *snapshot->peers[0].words;
        if (mine.rx_bytes != number || mine.tx_bytes != number || number < last) ++torn;
        last = number;
        ++batches;
        holding[w] = 0;
        // Every fourth batch goes straight on to the next one.
        if (number % 4 != 0) slot.leave(w);
      }
      slot.leave(w);
    });
  }
  std::uint64_t early = 0;
  std::size_t waiting_max = 0;
  for (std::uint64_t n = 2; n <= kGenerations; ++n) {
    auto next_words = std::make_unique<PeerWords>();
    auto next = numbered(n, *next_words);
    Garbage garbage;
    garbage.peers.push_back(std::move(words));
    words = std::move(next_words);
    slot.publish(std::move(next), std::move(garbage));
    const std::size_t waiting = slot.collect();
    waiting_max = std::max(waiting_max, waiting);
    for (const auto& held : holding) {
      const std::uint64_t number = held;
      if (number != 0 && number < n - waiting) ++early;
    }
    if (n % 16 == 0) std::this_thread::yield();
  }
  while (batches < 10 * kWorkers) std::this_thread::yield();
  stop = true;
  workers.clear();
  EXPECT_EQ(torn, 0U);
  EXPECT_EQ(early, 0U);
  EXPECT_EQ(slot.collect(), 0U);
}

}  // namespace
}  // namespace ipop::dataplane
