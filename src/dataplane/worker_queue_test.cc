// More than can be sealed: what waits where, and whose turn it is.
#include <gtest/gtest.h>

#include "dataplane/worker_testing.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::FakeTun;
using test::WorkerTest;

class WorkerQueueTest : public WorkerTest {
 protected:
  void SetUp() override {
    WorkerTest::SetUp();
    large_ = test::large_packet(
        {.ip = nodes_.alice_to_bob(), .payload_size = 60000, .segment_size = 1300});
    for (std::size_t i = 0; i < kLarge; ++i)
      alice_.tun.to_read.push_back({large_.bytes, large_.left});
  }
  std::size_t large_sent() const {
    std::size_t n = 0;
    for (const auto& sent : alice_.udp.sent) n += sent.segment_size != 0 ? 1U : 0U;
    return n;
  }

  static constexpr std::size_t kLarge = SendQueue::kBytesMax / 60000 + 4;
  test::LargePacket large_;
};

// Each batch of what our own computer sends is a wait for what comes from the peers.
TEST_F(WorkerQueueTest, ABatchToPeersIsBoundedInBytes) {
  const WorkDone done = alice_.worker.run_once(at_second(1));
  EXPECT_EQ(large_sent(), 3U) << "the one that passes 128 KiB is the last";
  EXPECT_TRUE(done.waiting) << "nobody may sleep on what waits";
  EXPECT_FALSE(done.is_idle());
}

TEST_F(WorkerQueueTest, WhatWaitsIsSentThoughNothingMoreComes) {
  std::size_t rounds = 0;
  while (alice_.worker.run_once(at_second(1)).waiting) ++rounds;
  EXPECT_TRUE(alice_.tun.to_read.empty());
  EXPECT_GE(rounds, 1U);
  EXPECT_EQ(large_sent(), kLarge);
  EXPECT_TRUE(alice_.worker.run_once(at_second(1)).is_idle());
}

TEST_F(WorkerQueueTest, WhatFindsNoRoomStaysInTheKernel) {
  (void)alice_.worker.run_once(at_second(1));
  const std::size_t waiting = kLarge - alice_.tun.to_read.size() - large_sent();
  EXPECT_LE(waiting * large_.bytes.size(), SendQueue::kBytesMax + large_.bytes.size());
  EXPECT_GE(waiting * large_.bytes.size(), SendQueue::kBytesMax - large_.bytes.size());
  EXPECT_EQ(alice_.drops.read(Drop::Congested), 1U) << "and whoever sends too much hears of it";
}

// The flood of one may not keep the others from being read.
TEST_F(WorkerQueueTest, NoNetworkStarvesAnother) {
  FakeTun second;
  EXPECT_TRUE(alice_.worker.attach(NetworkSlot{7}, &second));
  Snapshot snapshot = nodes_.alice.snapshot;
  snapshot.networks.push_back(snapshot.networks[0]);
  snapshot.networks[1].slot = NetworkSlot{7};
  alice_.publish(snapshot);
  alice_.tun.to_read.clear();
  for (std::size_t i = 0; i < 1000; ++i) {
    alice_.tun.to_read.push_back({packet(64)});
    second.to_read.push_back({packet(64)});
  }
  for (int i = 0; i < 10; ++i) (void)alice_.worker.run_once(at_second(1));
  EXPECT_LT(alice_.tun.to_read.size(), 850U);
  EXPECT_LT(second.to_read.size(), 850U);
}

// Each read is a system call, also where nothing is there.
TEST_F(WorkerQueueTest, AfterADroppedPacketNothingIsReadAgain) {
  alice_.tun.to_read.clear();
  Snapshot snapshot = nodes_.alice.snapshot;
  snapshot.networks[0].routes.clear();
  alice_.publish(snapshot);
  for (std::size_t i = 0; i < 40; ++i) alice_.tun.to_read.push_back({packet(64)});
  (void)alice_.worker.run_once(at_second(1));
  EXPECT_EQ(alice_.drops.read(Drop::NoRoute), 40U);
  EXPECT_EQ(alice_.tun.reads, 41U);
}

// As much as the loss of all of them would.
TEST_F(WorkerQueueTest, WhoSendsTooMuchLosesOneOfTheManyThatAPacketStandsFor) {
  (void)alice_.worker.run_once(at_second(1));
  ASSERT_FALSE(alice_.udp.sent.empty());
  const auto& first = alice_.udp.sent[0];
  const std::size_t segments = (first.bytes.size() + first.segment_size - 1) / first.segment_size;
  EXPECT_EQ(segments, 60000 / 1300U) << "of 47";
  carry();
  while (!bob_.worker.run_once(at_second(1)).is_idle()) {}
  ASSERT_FALSE(bob_.tun.written.empty());
  const ByteVector& arrived = bob_.tun.written[0];
  const Bytes payload = Bytes(large_.payload).subspan(1300);
  EXPECT_TRUE(equal_bytes(Bytes(arrived).subspan(40), payload.first(arrived.size() - 40)))
      << "from the second on";
}

TEST_F(WorkerQueueTest, ASmallPacketOvertakesADownload) {
  alice_.tun.to_read.resize(10);
  (void)alice_.worker.run_once(at_second(1));
  alice_.udp.sent.clear();
  alice_.tun.to_read.push_back({packet(64)});
  (void)alice_.worker.run_once(at_second(1));
  ASSERT_GT(alice_.udp.sent.size(), 1U);
  EXPECT_EQ(alice_.udp.sent[0].segment_size, 0) << "before all that was there already";
}

}  // namespace
}  // namespace ipop::dataplane
