#include <gtest/gtest.h>

#include "dataplane/worker_testing.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::FakeTun;
using test::FakeUdp;
using test::ip_packet;
using test::kNetwork;
using test::Side;
using test::TwoNodes;
using test::WorkerTest;

TEST_F(WorkerTest, CarriesPacketsFromTunToTun) {
  std::vector<ByteVector> want;
  for (std::size_t i = 0; i < 200; ++i) {
    want.push_back(packet(8 + i * 6));
    alice_.tun.to_read.push_back({want.back()});
  }
  std::size_t packets = 0;
  while (const std::size_t n = alice_.worker.run_once(at_second(1)).packets) packets += n;
  EXPECT_EQ(packets, 200U);
  EXPECT_EQ(alice_.udp.batches, (std::vector<std::size_t>{44, 44, 44, 44, 24}))
      << "one send a batch";
  EXPECT_EQ(alice_.udp.sent[0].peer, nodes_.bob.endpoint);
  EXPECT_EQ(alice_.take<IpSentEvent>().size(), 1U);
  carry();
  while (!bob_.worker.run_once(at_second(2)).is_idle()) {}
  EXPECT_EQ(bob_.tun.written, want) << "all, in order, unchanged";
  const auto received = bob_.take<ReceivedEvent>();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].session, nodes_.bob.index);
  EXPECT_EQ(received[0].from, nodes_.alice.endpoint);
  EXPECT_EQ(alice_.dropped_in_all() + bob_.dropped_in_all(), 0U);
}

// A large packet is sent while the small ones before it still wait; they must not be overtaken.
TEST_F(WorkerTest, LargeAndSmallPacketsOfAFlowKeepTheirOrder) {
  bob_.tun.takes = {.checksum = true, .tcp = true, .udp = true};
  const auto ip = nodes_.alice_to_bob();
  const auto large = test::large_packet({.ip = ip, .payload_size = 50000, .segment_size = 1300});
  std::vector<ByteVector> want;
  for (const bool is_large : {false, false, true, true, false, true, false}) {
    // Of the same ports as the large ones.
    ByteVector segment = to_vector(Bytes(large.bytes).subspan(20, 20));
    segment.resize(100 + want.size());
    auto tcp = ip;
    tcp.protocol = 6;
    alice_.tun.to_read.push_back(is_large ? FakeTun::Readable{large.bytes, large.left}
                                          : FakeTun::Readable{ip_packet(tcp, segment), {}});
    want.push_back(alice_.tun.to_read.back().bytes);
  }
  while (!alice_.worker.run_once(at_second(1)).is_idle()) {}
  EXPECT_EQ(alice_.udp.batches, (std::vector<std::size_t>{2, 1, 1, 1, 1, 1}));
  carry();
  while (!bob_.worker.run_once(at_second(1)).is_idle()) {}
  EXPECT_EQ(bob_.tun.written, want);
}

TEST_F(WorkerTest, NothingToDo) {
  const WorkDone done = alice_.worker.run_once(at_second(1));
  EXPECT_TRUE(done.is_idle());
  EXPECT_FALSE(done.events);
  EXPECT_TRUE(alice_.udp.batches.empty()) << "no empty send";
}

// What is left in a device calls the thread again at once, for ever.
TEST_F(WorkerTest, LeavesNothingInTheDevicesBeforeTheFirstSnapshot) {
  Side side;
  side.worker.attach(kNetwork, &side.tun);
  side.tun.to_read.push_back({packet(10)});
  side.udp.to_receive.push_back({to_vector(as_bytes("hello")), nodes_.bob.endpoint});
  EXPECT_EQ(side.worker.run_once(at_second(1)).packets, 2U);
  EXPECT_EQ(side.drops.read(Drop::NoRoute), 1U);
  const auto event = side.events.pop();
  EXPECT_TRUE(event && std::holds_alternative<DatagramEvent>(*event));
  side.publish(nodes_.alice.snapshot);
  side.tun.to_read.push_back({packet(10)});
  EXPECT_EQ(side.worker.run_once(at_second(1)).packets, 1U);
  EXPECT_EQ(side.udp.sent.size(), 1U);
}

TEST_F(WorkerTest, IsIdleBetweenBatches) {
  alice_.tun.to_read.push_back({packet(10)});
  (void)alice_.worker.run_once(at_second(1));
  alice_.publish(nodes_.alice.snapshot);
  EXPECT_EQ(alice_.snapshots.collect(), 0U);
}

TEST_F(WorkerTest, OuterEcnFollowsTheInnerAndComesBack) {
  auto options = nodes_.alice_to_bob();
  options.traffic_class = 2;
  alice_.tun.to_read.push_back({ip_packet(options, ByteVector(9))});
  (void)alice_.worker.run_once(at_second(1));
  ASSERT_EQ(alice_.udp.sent.size(), 1U);
  EXPECT_EQ(alice_.udp.sent[0].ecn, 2);
  alice_.udp.sent[0].ecn = 3;  // a router on the way is congested
  carry();
  (void)bob_.worker.run_once(at_second(1));
  ASSERT_EQ(bob_.tun.written.size(), 1U);
  EXPECT_EQ(std::to_integer<int>(bob_.tun.written[0][1]) & 3, 3);
}

TEST_F(WorkerTest, DatagramsAndFramesGoToControl) {
  const Endpoint stranger = *Endpoint::parse("198.51.100.7:7");
  bob_.udp.to_receive.push_back({to_vector(as_bytes("\xc0 handshake")), stranger});
  bob_.udp.to_receive.push_back(
      {*nodes_.alice.keypair->seal_control(*from_hex("0102")), nodes_.alice.endpoint});
  bob_.udp.to_receive.push_back({*nodes_.alice.keypair->seal_control({}), nodes_.alice.endpoint});
  const WorkDone done = bob_.worker.run_once(at_second(1));
  EXPECT_EQ(done.packets, 3U);
  EXPECT_TRUE(done.events);
  auto event = bob_.events.pop();
  ASSERT_TRUE(event && std::holds_alternative<DatagramEvent>(*event));
  EXPECT_EQ(std::get<DatagramEvent>(*event).from, stranger);
  EXPECT_EQ(as_text(std::get<DatagramEvent>(*event).datagram), "\xc0 handshake");
  event = bob_.events.pop();
  ASSERT_TRUE(event && std::holds_alternative<ReceivedEvent>(*event))
      << "the report comes before what was received";
  const auto frames = bob_.take<FrameEvent>();
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0].session, nodes_.bob.index);
  EXPECT_EQ(to_hex(frames[0].plaintext), "0102");
  EXPECT_TRUE(frames[1].plaintext.empty());
}

TEST_F(WorkerTest, GarbageIsCountedAndWrittenNowhere) {
  SeededRng rng(1);
  for (int i = 0; i < 64; ++i) {
    ByteVector bytes(60);
    rng.fill(bytes);
    bytes[0] = std::byte{0xc4};
    bytes[2] = bytes[3] = std::byte{0};
    bob_.udp.to_receive.push_back({bytes, nodes_.alice.endpoint});
  }
  constexpr std::size_t kBatch = Worker<FakeTun, FakeUdp>::kUdpBatch;
  for (std::size_t i = 0; i < 64 / kBatch; ++i) {
    const WorkDone done = bob_.worker.run_once(at_second(1));
    EXPECT_EQ(done.packets, kBatch);
    EXPECT_FALSE(done.events) << "garbage does not wake control";
  }
  EXPECT_TRUE(bob_.tun.written.empty());
  EXPECT_EQ(bob_.drops.read(Drop::UnknownSession), 64U);
}

TEST_F(WorkerTest, AFullQueueDropsAndCounts) {
  const Endpoint stranger = *Endpoint::parse("198.51.100.7:7");
  for (int i = 0; i < 1000; ++i) {
    bob_.udp.to_receive.push_back({to_vector(as_bytes("\xc0 flood")), stranger});
  }
  while (!bob_.worker.run_once(at_second(1)).is_idle()) {}
  const std::size_t level = EventQueue::level_of(EventQueue::Kind::Datagram);
  EXPECT_EQ(bob_.drops.read(Drop::QueueFull), 1000 - level);
  EXPECT_EQ(bob_.take<DatagramEvent>().size(), level);

  bob_.udp.to_receive.push_back({ByteVector(3000, std::byte{0xc0}), stranger});
  (void)bob_.worker.run_once(at_second(1));
  EXPECT_EQ(bob_.drops.read(Drop::TooBig), 1U) << "no message of ours is that long";
}

TEST_F(WorkerTest, PacketsWithoutASessionGoToControl) {
  Snapshot snapshot = nodes_.alice.snapshot;
  snapshot.peers[0].send = nullptr;
  alice_.publish(snapshot);
  const ByteVector original = packet(700);
  alice_.tun.to_read.push_back({original});
  EXPECT_TRUE(alice_.worker.run_once(at_second(1)).events);
  const auto unrouted = alice_.take<UnroutedEvent>();
  ASSERT_EQ(unrouted.size(), 1U);
  EXPECT_EQ(unrouted[0].peer, snapshot.peers[0].peer);
  EXPECT_EQ(unrouted[0].packet, original);
  EXPECT_TRUE(alice_.udp.sent.empty());
}

TEST_F(WorkerTest, TooBigIsAnsweredAtTheTunItCameFrom) {
  alice_.tun.to_read.push_back({packet(1390)});
  (void)alice_.worker.run_once(at_second(1));
  ASSERT_EQ(alice_.tun.written.size(), 1U);
  EXPECT_EQ(test::get16(alice_.tun.written[0], 20), 0x0304U);
  EXPECT_EQ(alice_.drops.read(Drop::TooBig), 1U);
  EXPECT_TRUE(alice_.udp.sent.empty());
}

TEST_F(WorkerTest, WhatTheDevicesRefuseIsCounted) {
  for (int i = 0; i < 10; ++i) alice_.tun.to_read.push_back({packet(10)});
  alice_.udp.accepts = 7;
  alice_.udp.too_big = {nodes_.bob.endpoint};
  EXPECT_TRUE(alice_.worker.run_once(at_second(1)).events);
  EXPECT_EQ(alice_.drops.read(Drop::SendFailed), 3U);
  const auto too_big = alice_.take<TooBigEvent>();
  ASSERT_EQ(too_big.size(), 1U);
  EXPECT_EQ(too_big[0].to, nodes_.bob.endpoint);

  carry();
  bob_.tun.refuses = true;
  while (!bob_.worker.run_once(at_second(1)).is_idle()) {}
  EXPECT_EQ(bob_.drops.read(Drop::SendFailed), 7U);
}

TEST_F(WorkerTest, AMovedPeerIsReportedOnceABatch) {
  const Endpoint elsewhere = *Endpoint::parse("203.0.113.9:9");
  for (int i = 0; i < 40; ++i) {
    bob_.udp.to_receive.push_back({*nodes_.alice.keypair->seal_control({}), elsewhere});
  }
  (void)bob_.worker.run_once(at_second(1));
  const auto received = bob_.take<ReceivedEvent>();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].from, elsewhere);
}

TEST_F(WorkerTest, LimitsAreReported) {
  const TwoNodes strict({.limits = {.rekey = 4, .reject = 1000}});
  alice_.publish(strict.alice.snapshot);
  bob_.publish(strict.bob.snapshot);
  for (int i = 0; i < 10; ++i) alice_.tun.to_read.push_back({packet(20)});
  (void)alice_.worker.run_once(at_second(1));
  const auto sent = alice_.take<LimitEvent>();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].session, strict.alice.index);
  carry();
  (void)bob_.worker.run_once(at_second(1));
  const auto received = bob_.take<LimitEvent>();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].session, strict.bob.index);
}

TEST_F(WorkerTest, ServesSeveralNetworksAndForgetsOne) {
  FakeTun second;
  EXPECT_FALSE(alice_.worker.attach(kNetwork, &second)) << "served already";
  EXPECT_TRUE(alice_.worker.attach(NetworkSlot{7}, &second));
  Snapshot snapshot = nodes_.alice.snapshot;
  snapshot.networks.push_back(snapshot.networks[0]);
  snapshot.networks[1].slot = NetworkSlot{7};
  alice_.publish(snapshot);
  alice_.tun.to_read.push_back({packet(1)});
  second.to_read.push_back({packet(2)});
  EXPECT_EQ(alice_.worker.run_once(at_second(1)).packets, 2U);
  EXPECT_EQ(alice_.udp.sent.size(), 2U);

  alice_.worker.detach(kNetwork);
  alice_.worker.detach(NetworkSlot{99});
  alice_.tun.to_read.push_back({packet(3)});
  second.to_read.push_back({packet(4)});
  EXPECT_EQ(alice_.worker.run_once(at_second(1)).packets, 1U);
  EXPECT_EQ(alice_.tun.to_read.size(), 1U);

  // A packet for a network whose interface is gone.
  bob_.worker.detach(kNetwork);
  carry();
  (void)bob_.worker.run_once(at_second(1));
  EXPECT_EQ(bob_.drops.read(Drop::SendFailed), 3U);
}

TEST_F(WorkerTest, TakesSoManyTunsAndNoMore) {
  using AWorker = Worker<FakeTun, FakeUdp>;
  FakeTun tun;
  std::uint32_t slot = 100;
  for (std::size_t i = 1; i < AWorker::kTunsMax; ++i) {
    EXPECT_TRUE(alice_.worker.attach(NetworkSlot{slot++}, &tun));
  }
  EXPECT_FALSE(alice_.worker.attach(NetworkSlot{slot}, &tun));
  alice_.worker.detach(kNetwork);
  EXPECT_TRUE(alice_.worker.attach(NetworkSlot{slot}, &tun));
}

}  // namespace
}  // namespace ipop::dataplane
