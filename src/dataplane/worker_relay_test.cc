// Three nodes in one process: alice's packets reach bob through the relay's worker.
#include <gtest/gtest.h>

#include "dataplane/three_nodes.h"
#include "dataplane/worker_testing.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::FakeTun;
using test::FakeUdp;
using test::kNetwork;
using test::Side;
using test::ThreeNodes;
using test::ThreeNodesOptions;

class RelayWorkers {
 public:
  explicit RelayWorkers(const ThreeNodesOptions& options = {}) : nodes(options) {
    for (auto [side, person] : {std::pair{&alice, &nodes.alice}, std::pair{&relay, &nodes.relay},
                                std::pair{&bob, &nodes.bob}}) {
      EXPECT_TRUE(side->worker.attach(kNetwork, &side->tun));
      side->publish(person->snapshot);
    }
  }
  /// Moves what one sent to the other, as the kernel would: a run stays a run.
  static void carry(Side& from, const Endpoint& at, Side& to) {
    for (auto& d : from.udp.sent) {
      to.udp.to_receive.push_back({d.bytes, at, d.ecn, d.segment_size});
    }
    from.udp.sent.clear();
  }
  void run_all() {
    (void)alice.worker.run_once(at_second(1));
    carry(alice, nodes.alice.endpoint, relay);
    (void)relay.worker.run_once(at_second(1));
    carry(relay, nodes.relay.endpoint, bob);
    (void)bob.worker.run_once(at_second(1));
  }

  ThreeNodes nodes;
  Side alice;
  Side relay;
  Side bob;
};

TEST(WorkerRelay, CarriesPacketsFromTunToTun) {
  RelayWorkers w;
  for (std::size_t size : {10U, 500U, 1000U}) w.alice.tun.to_read.push_back({w.nodes.packet(size)});
  w.run_all();
  ASSERT_EQ(w.bob.tun.written.size(), 3U);
  EXPECT_EQ(w.bob.tun.written[1], w.nodes.packet(500));
  EXPECT_TRUE(w.relay.tun.written.empty());
  EXPECT_EQ(w.alice.dropped_in_all() + w.relay.dropped_in_all() + w.bob.dropped_in_all(), 0U);
  // What control hears: alice's first packet at each session, by which way.
  const auto at_relay = w.relay.take<ReceivedEvent>();
  ASSERT_EQ(at_relay.size(), 1U);
  EXPECT_EQ(at_relay[0].from, w.nodes.alice.endpoint);
  const auto at_bob = w.bob.take<ReceivedEvent>();
  ASSERT_EQ(at_bob.size(), 2U);
  EXPECT_EQ(at_bob[0].from, w.nodes.relay.endpoint);
  EXPECT_EQ(at_bob[1].from, Way::relay(ThreeNodes::kRelay, ThreeNodes::kFromBob));
}

/// Both legs are TLS connections: alice's and bob's UDP is blocked.
TEST(WorkerRelay, CarriesWhatComesAndGoesByTls) {
  RelayWorkers w;
  const auto by_tls = [](Snapshot& snapshot) {
    for (PeerRoute& peer : snapshot.peers) {
      if (peer.way && peer.way->is_direct()) peer.way = Way::stream(peer.way->endpoint());
    }
  };
  by_tls(w.nodes.alice.snapshot);
  by_tls(w.nodes.relay.snapshot);
  w.alice.publish(w.nodes.alice.snapshot);
  w.relay.publish(w.nodes.relay.snapshot);
  w.alice.tun.to_read.push_back({w.nodes.packet(500)});
  const auto large = test::large_packet(
      {.ip = w.nodes.alice_to_bob(), .payload_size = 3600, .segment_size = 1200});
  w.alice.tun.to_read.push_back({large.bytes, large.left});
  const auto move = [](Side& from, const Endpoint& as, Side& to) {
    std::size_t n = 0;
    while (const auto next = from.streams.front()) {
      EXPECT_LT(next->datagram.size(), 1420U) << "one segment each";
      (void)to.worker.take(at_second(1), Way::stream(as), next->datagram);
      from.streams.pop();
      ++n;
    }
    return n;
  };
  const WorkDone done = w.alice.worker.run_once(at_second(1));
  EXPECT_TRUE(done.streamed);
  EXPECT_TRUE(w.alice.udp.sent.empty());
  EXPECT_EQ(move(w.alice, w.nodes.alice.endpoint, w.relay), 4U);
  EXPECT_TRUE(w.relay.udp.sent.empty());
  EXPECT_EQ(move(w.relay, w.nodes.relay.endpoint, w.bob), 4U);
  ASSERT_FALSE(w.bob.tun.written.empty());
  EXPECT_EQ(w.bob.tun.written[0], w.nodes.packet(500));
  EXPECT_EQ(w.alice.dropped_in_all() + w.relay.dropped_in_all() + w.bob.dropped_in_all(), 0U);
}

TEST(WorkerRelay, WhatTheTlsConnectionsThreadDoesNotTakeIsLost) {
  RelayWorkers w;
  for (PeerRoute& peer : w.nodes.alice.snapshot.peers) {
    if (peer.way && peer.way->is_direct()) peer.way = Way::stream(peer.way->endpoint());
  }
  w.alice.publish(w.nodes.alice.snapshot);
  for (std::size_t i = 0; i < StreamQueue::kSlots + 10; ++i) {
    w.alice.tun.to_read.push_back({w.nodes.packet(100)});
    (void)w.alice.worker.run_once(at_second(1));
  }
  EXPECT_EQ(w.alice.drops.read(Drop::SendFailed), 10U);
}

TEST(WorkerRelay, ARunLeavesAliceAndTheRelayAsOne) {
  RelayWorkers w;
  const auto large = test::large_packet(
      {.ip = w.nodes.alice_to_bob(), .payload_size = 12'000, .segment_size = 1200});
  w.alice.tun.to_read.push_back({large.bytes, large.left});
  const std::size_t header = large.bytes.size() - large.payload.size();
  const std::size_t datagram = 1200 + header + wire::kDataOverhead + 37;
  (void)w.alice.worker.run_once(at_second(1));
  ASSERT_EQ(w.alice.udp.sent.size(), 1U);
  EXPECT_EQ(w.alice.udp.sent[0].segment_size, datagram);
  EXPECT_EQ(w.alice.udp.sent[0].peer, w.nodes.relay.endpoint);
  const std::size_t size = w.alice.udp.sent[0].bytes.size();
  RelayWorkers::carry(w.alice, w.nodes.alice.endpoint, w.relay);
  (void)w.relay.worker.run_once(at_second(1));
  ASSERT_EQ(w.relay.udp.sent.size(), 1U);
  EXPECT_EQ(w.relay.udp.sent[0].segment_size, datagram);
  EXPECT_EQ(w.relay.udp.sent[0].bytes.size(), size);
  EXPECT_EQ(w.relay.udp.sent[0].peer, w.nodes.bob.endpoint);
  w.bob.tun.takes = {.checksum = true, .tcp = true, .udp = true};
  RelayWorkers::carry(w.relay, w.nodes.relay.endpoint, w.bob);
  (void)w.bob.worker.run_once(at_second(1));
  ASSERT_EQ(w.bob.tun.written.size(), 1U) << "and comes out as one";
  EXPECT_EQ(to_hex(w.bob.tun.written[0]), to_hex(large.bytes));
}

TEST(WorkerRelay, WhatIsInBetweenForTheRelayItselfCutsTheRun) {
  RelayWorkers w;
  ByteVector run;
  std::size_t size = 0;
  const ByteVector payload(500, std::byte{0xc4});
  for (int i = 0; i < 6; ++i) {
    // The third has a label that nobody knows.
    const auto label = i == 2 ? RelayLabel{9} : ThreeNodes::kFromAlice;
    const auto sealed =
        w.nodes.alice_relay.lower->seal_control(wire::relayed_payload(label, payload));
    size = sealed->size();
    append(run, *sealed);
  }
  w.relay.udp.to_receive.push_back(
      {run, w.nodes.alice.endpoint, 0, static_cast<std::uint16_t>(size)});
  (void)w.relay.worker.run_once(at_second(1));
  ASSERT_EQ(w.relay.udp.sent.size(), 2U);
  EXPECT_EQ(w.relay.udp.sent[0].bytes.size(), 2 * size);
  EXPECT_EQ(w.relay.udp.sent[1].bytes.size(), 3 * size);
  EXPECT_EQ(w.relay.drops.read(Drop::UnknownLabel), 1U);
}

TEST(WorkerRelay, MoreRunsThanOneBatchOfSendsAllLeave) {
  RelayWorkers w;
  const std::size_t packets = Worker<FakeTun, FakeUdp>::kUdpBatch;
  for (std::size_t i = 0; i < packets; ++i) {
    ByteVector three;
    for (const RelayLabel label :
         {ThreeNodes::kFromAlice, RelayLabel{9}, ThreeNodes::kFromAlice}) {  // two sends
      append(three, *w.nodes.alice_relay.lower->seal_control(
                        wire::relayed_payload(label, ByteVector(100))));
    }
    w.relay.udp.to_receive.push_back({three, w.nodes.alice.endpoint, 0, 100 + 37});
  }
  (void)w.relay.worker.run_once(at_second(1));
  EXPECT_EQ(w.relay.udp.sent.size(), 2 * packets);
  EXPECT_EQ(w.relay.drops.read(Drop::UnknownLabel), packets);
}

TEST(WorkerRelay, DropsAreCounted) {
  RelayWorkers w({.limit = 1'000'000});
  const auto send = [&](Bytes plaintext) {
    w.relay.udp.to_receive.push_back(
        {*w.nodes.alice_relay.lower->seal_control(plaintext), w.nodes.alice.endpoint});
    (void)w.relay.worker.run_once(at_second(1));
  };
  for (int i = 0; i < 100; ++i) {
    send(wire::relayed_payload(ThreeNodes::kFromAlice, ByteVector(1000)));
  }
  EXPECT_EQ(w.relay.udp.sent.size() + w.relay.drops.read(Drop::RelayOverLimit), 100U);
  EXPECT_NEAR(static_cast<double>(w.relay.udp.sent.size()), 12, 1);  // 12.5 kB in 100 ms
  send(wire::relayed_payload(RelayLabel{77}, ByteVector(100)));
  EXPECT_EQ(w.relay.drops.read(Drop::UnknownLabel), 1U);
}

TEST(WorkerRelay, ASessionWithoutProofIsNotCarried) {
  RelayWorkers w({.proven = false});
  w.alice.tun.to_read.push_back({w.nodes.packet(10)});
  w.run_all();
  EXPECT_EQ(w.relay.drops.read(Drop::NotProven), 1U);
  EXPECT_TRUE(w.relay.udp.sent.empty());
}

// The lane of what is inside belongs to another worker than the lane around it.
TEST(WorkerRelay, AnInnerLaneIsOpenedByItsOwnerOnly) {
  ThreeNodes nodes;
  struct One {
    FakeTun tun;
    FakeUdp udp;
    EventQueue events;
    DropCounters drops;
    std::unique_ptr<Worker<FakeTun, FakeUdp>> worker;
  };
  SnapshotSlot snapshots{2};
  Handover handover{2};
  std::array<One, 2> bob;
  for (std::size_t i = 0; i < bob.size(); ++i) {
    bob[i].worker = std::make_unique<Worker<FakeTun, FakeUdp>>(
        Worker<FakeTun, FakeUdp>::Options{.index = i,
                                          .handover = &handover,
                                          .snapshots = &snapshots,
                                          .events = &bob[i].events,
                                          .drops = &bob[i].drops,
                                          .udp = &bob[i].udp});
    EXPECT_TRUE(bob[i].worker->attach(kNetwork, &bob[i].tun));
  }
  snapshots.publish(std::make_unique<Snapshot>(nodes.bob.snapshot), {});

  const auto inner = test::packet_of(nodes.packet(100));
  ASSERT_TRUE(nodes.alice_bob.lower->seal(2, 0, *inner));
  const auto outer = test::packet_of(wire::relayed_payload(ThreeNodes::kToBob, inner->data()));
  ASSERT_TRUE(nodes.bob_relay.upper->seal(1, 0, *outer));
  bob[0].udp.to_receive.push_back({to_vector(outer->data()), nodes.relay.endpoint});
  const WorkDone done = bob[0].worker->run_once(at_second(1));
  EXPECT_EQ(done.handed, 2U);
  EXPECT_TRUE(bob[0].tun.written.empty());
  (void)bob[1].worker->run_once(at_second(1));
  ASSERT_EQ(bob[1].tun.written.size(), 1U);
  EXPECT_EQ(bob[1].tun.written[0], nodes.packet(100));
  const auto event = bob[1].events.pop();
  ASSERT_TRUE(event && std::holds_alternative<ReceivedEvent>(*event));
  EXPECT_EQ(std::get<ReceivedEvent>(*event).from,
            Way::relay(ThreeNodes::kRelay, ThreeNodes::kFromBob))
      << "its way went with it";
}

}  // namespace
}  // namespace ipop::dataplane
