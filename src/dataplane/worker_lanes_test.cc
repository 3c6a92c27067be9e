// Several workers: each sends on its lane and opens its lanes only.
#include <gtest/gtest.h>

#include "dataplane/worker_testing.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::FakeTun;
using test::FakeUdp;
using test::kNetwork;
using test::WorkerTest;

/// Bob with two workers, as control makes them.
struct TwoWorkers {
  struct One {
    FakeTun tun;
    FakeUdp udp;
    EventQueue events;
    DropCounters drops;
    std::unique_ptr<Worker<FakeTun, FakeUdp>> worker;
  };
  SnapshotSlot snapshots{2};
  Handover handover{2};
  std::array<One, 2> all;

  explicit TwoWorkers(const Snapshot& snapshot) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      One& one = all[i];
      one.worker = std::make_unique<Worker<FakeTun, FakeUdp>>(
          Worker<FakeTun, FakeUdp>::Options{.index = i,
                                            .handover = &handover,
                                            .snapshots = &snapshots,
                                            .events = &one.events,
                                            .drops = &one.drops,
                                            .udp = &one.udp});
      EXPECT_TRUE(one.worker->attach(kNetwork, &one.tun));
    }
    snapshots.publish(std::make_unique<Snapshot>(snapshot), {});
  }
};

TEST_F(WorkerTest, EveryWorkerSendsOnItsLane) {
  TwoWorkers alice(nodes_.alice.snapshot);
  for (std::size_t i = 0; i < 2; ++i) {
    alice.all[i].tun.to_read.push_back({packet(10)});
    (void)alice.all[i].worker->run_once(at_second(1));
    ASSERT_EQ(alice.all[i].udp.sent.size(), 1U);
    EXPECT_EQ(std::to_integer<std::size_t>(alice.all[i].udp.sent[0].bytes[1]), i + 1);
  }
}

// Lanes 0 and 1 belong to the first worker, lane 2 to the second, wherever they arrive.
TEST_F(WorkerTest, ALaneIsOpenedByItsOwnerOnly) {
  for (const std::size_t arrives : {0U, 1U}) {
    for (const SenderId lane : {SenderId{1}, SenderId{2}}) {
      TwoWorkers bob(nodes_.bob.snapshot);
      const auto datagram = test::packet_of(packet(100));
      ASSERT_TRUE(nodes_.alice.keypair->seal(lane, 0, *datagram).has_value());
      const std::size_t owner = lane - 1U;
      bob.all[arrives].udp.to_receive.push_back(
          {to_vector(datagram->data()), nodes_.alice.endpoint, 1});
      const WorkDone done = bob.all[arrives].worker->run_once(at_second(1));
      EXPECT_EQ(done.handed, owner == arrives ? 0U : 1U << owner);
      EXPECT_EQ(bob.all[1 - owner].tun.written.size(), 0U);
      (void)bob.all[owner].worker->run_once(at_second(1));
      ASSERT_EQ(bob.all[owner].tun.written.size(), 1U);
      EXPECT_EQ(bob.all[owner].tun.written[0], packet(100));
      EXPECT_EQ(bob.all[owner].worker->run_once(at_second(1)).packets, 0U) << "once";
    }
  }
}

TEST_F(WorkerTest, AFullHandoverDropsAndCounts) {
  TwoWorkers bob(nodes_.bob.snapshot);
  ByteVector run;
  for (std::size_t i = 0; i < HandoverQueue::kSlots + 10; ++i) {
    const auto datagram = test::packet_of(packet(100));
    ASSERT_TRUE(nodes_.alice.keypair->seal(2, 0, *datagram).has_value());
    append(run, datagram->data());
  }
  const auto size = static_cast<std::uint16_t>(run.size() / (HandoverQueue::kSlots + 10));
  bob.all[0].udp.to_receive.push_back({run, nodes_.alice.endpoint, 0, size});
  (void)bob.all[0].worker->run_once(at_second(1));
  EXPECT_EQ(bob.all[0].drops.read(Drop::QueueFull), 10U);
  (void)bob.all[1].worker->run_once(at_second(1));
  EXPECT_EQ(bob.all[1].tun.written.size(), HandoverQueue::kSlots);
}

}  // namespace
}  // namespace ipop::dataplane
