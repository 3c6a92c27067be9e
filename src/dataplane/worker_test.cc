#include "dataplane/worker.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "crypto/backends.h"
#include "crypto/testing.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::ip_packet;
using test::kNetwork;
using test::TwoNodes;

struct FakeTun {
  struct Readable {
    ByteVector bytes;
    Offload left{};
  };
  struct Written {
    ByteVector bytes;
    Offload offload;
    std::size_t parts = 0;
    std::size_t header_size = 0;
  };
  std::deque<Readable> to_read;
  std::vector<ByteVector> written;
  std::vector<Written> writes;
  TunOffloads takes{};
  bool refuses = false;

  TunOffloads offloads() const { return takes; }
  std::size_t read(std::span<Packet> packets, std::span<Offload> left) {
    std::size_t n = 0;
    for (; n < packets.size() && !to_read.empty(); ++n) {
      copy_bytes(packets[n].read_area(), to_read.front().bytes);
      packets[n].resize(to_read.front().bytes.size());
      left[n] = to_read.front().left;
      to_read.pop_front();
    }
    return n;
  }
  bool write(const OutgoingPacket& packet) {
    if (refuses) return false;
    ByteVector joined;
    for (const Bytes part : packet.parts) append(joined, part);
    written.push_back(joined);
    writes.push_back({joined, packet.offload, packet.parts.size(), packet.header_size});
    return true;
  }
};

struct FakeUdp {
  struct Datagram {
    ByteVector bytes;
    Endpoint peer;
    std::uint8_t ecn = 0;
    std::uint16_t segment_size = 0;
  };
  std::deque<Datagram> to_receive;
  std::vector<Datagram> sent;
  std::size_t accepts = SIZE_MAX;  ///< of one batch
  std::deque<Endpoint> too_big;
  std::vector<std::size_t> batches;

  std::size_t receive(std::span<Packet> packets, std::span<ReceivedMeta> meta) {
    std::size_t n = 0;
    for (; n < std::min(packets.size(), meta.size()) && !to_receive.empty(); ++n) {
      const Datagram& next = to_receive.front();
      copy_bytes(packets[n].read_area(), next.bytes);
      packets[n].resize(next.bytes.size());
      meta[n] = {next.peer, next.ecn, next.segment_size};
      to_receive.pop_front();
    }
    return n;
  }
  std::size_t send(std::span<const OutgoingDatagrams> batch) {
    batches.push_back(batch.size());
    const std::size_t n = std::min(batch.size(), accepts);
    for (const OutgoingDatagrams& d : batch.first(n)) {
      sent.push_back({to_vector(d.bytes), d.to, d.ecn, d.segment_size});
    }
    return n;
  }
  std::optional<Endpoint> take_too_big() {
    if (too_big.empty()) return std::nullopt;
    const Endpoint out = too_big.front();
    too_big.pop_front();
    return out;
  }
};

/// One side: its devices, and the worker between them.
struct Side {
  FakeTun tun;
  FakeUdp udp;
  SnapshotSlot snapshots{1};
  Handover handover{1};
  EventQueue events;
  DropCounters drops;
  Worker<FakeTun, FakeUdp> worker{{.index = 0,
                                   .handover = &handover,
                                   .snapshots = &snapshots,
                                   .events = &events,
                                   .drops = &drops,
                                   .udp = &udp}};

  void publish(const Snapshot& snapshot) {
    snapshots.publish(std::make_unique<Snapshot>(snapshot), {});
  }
  template <class E>
  std::vector<E> take() {
    std::vector<E> out;
    while (auto event = events.pop()) {
      if (auto* wanted = std::get_if<E>(&*event)) out.push_back(std::move(*wanted));
    }
    return out;
  }
  std::uint64_t dropped_in_all() const {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < kDropCount; ++i) n += drops.read(static_cast<Drop>(i));
    return n;
  }
};

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    EXPECT_TRUE(alice_.worker.attach(kNetwork, &alice_.tun));
    EXPECT_TRUE(bob_.worker.attach(kNetwork, &bob_.tun));
    alice_.publish(nodes_.alice.snapshot);
    bob_.publish(nodes_.bob.snapshot);
  }

  ByteVector packet(std::size_t size, bool is_v6 = false) const {
    return ip_packet(nodes_.alice_to_bob(is_v6), ByteVector(size, std::byte{0x42}));
  }
  /// Moves what alice sent to bob.
  void carry() {
    for (auto& datagram : alice_.udp.sent) {
      bob_.udp.to_receive.push_back(
          {datagram.bytes, nodes_.alice.endpoint, datagram.ecn, datagram.segment_size});
    }
    alice_.udp.sent.clear();
  }

  TwoNodes nodes_;
  Side alice_;
  Side bob_;
};

TEST_F(WorkerTest, CarriesPacketsFromTunToTun) {
  std::vector<ByteVector> want;
  for (std::size_t i = 0; i < 200; ++i) {
    want.push_back(packet(i * 6, i % 2 == 1));
    alice_.tun.to_read.push_back({want.back()});
  }
  std::size_t packets = 0;
  while (const std::size_t n = alice_.worker.run_once(at_second(1)).packets) packets += n;
  EXPECT_EQ(packets, 200U);
  EXPECT_EQ(alice_.udp.batches, (std::vector<std::size_t>{32, 32, 32, 32, 32, 32, 8}))
      << "one send a batch";
  EXPECT_EQ(alice_.udp.sent[0].peer, nodes_.bob.endpoint);
  EXPECT_EQ(alice_.take<IpSentEvent>().size(), 1U);
  carry();
  while (bob_.worker.run_once(at_second(2)).packets != 0) {}
  EXPECT_EQ(bob_.tun.written, want) << "all, in order, unchanged";
  const auto received = bob_.take<ReceivedEvent>();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].session, nodes_.bob.index);
  EXPECT_EQ(received[0].from, nodes_.alice.endpoint);
  EXPECT_EQ(alice_.dropped_in_all() + bob_.dropped_in_all(), 0U);
}

TEST_F(WorkerTest, NothingToDo) {
  const WorkDone done = alice_.worker.run_once(at_second(1));
  EXPECT_EQ(done.packets, 0U);
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
  for (int i = 0; i < 2; ++i) {
    const WorkDone done = bob_.worker.run_once(at_second(1));
    EXPECT_EQ(done.packets, 32U);
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
  while (bob_.worker.run_once(at_second(1)).packets != 0) {}
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
  (void)bob_.worker.run_once(at_second(1));
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

// One packet of 60 KB from alice's kernel arrives as one at bob's.
TEST_F(WorkerTest, ALargePacketStaysOneFromKernelToKernel) {
  bob_.tun.takes = {.checksum = true, .tcp = true, .udp = true};
  for (const bool is_v6 : {false, true}) {
    for (const bool is_tcp : {true, false}) {
      const auto large = test::large_packet({.ip = nodes_.alice_to_bob(is_v6),
                                             .is_tcp = is_tcp,
                                             .payload_size = 60000,
                                             .segment_size = 1300});
      alice_.tun.to_read.push_back({large.bytes, large.left});
      (void)alice_.worker.run_once(at_second(1));
      ASSERT_EQ(alice_.udp.sent.size(), 1U) << "one send";
      const std::size_t header = large.bytes.size() - large.payload.size();
      EXPECT_EQ(alice_.udp.sent[0].segment_size, 1300 + header + wire::kDataOverhead);
      carry();
      (void)bob_.worker.run_once(at_second(1));
      ASSERT_EQ(bob_.tun.writes.size(), 1U);
      EXPECT_EQ(to_hex(bob_.tun.writes[0].bytes), to_hex(large.bytes));
      EXPECT_TRUE(bob_.tun.writes[0].offload == large.left);
      EXPECT_EQ(bob_.tun.writes[0].header_size, header);
      bob_.tun.writes.clear();
    }
  }
  EXPECT_EQ(alice_.dropped_in_all() + bob_.dropped_in_all(), 0U);
}

TEST_F(WorkerTest, SegmentsOfAnySizeFitTheirSends) {
  constexpr std::uint16_t kSizes[] = {7, 100, 536, 1340};
  for (const std::uint16_t segment_size : kSizes) {
    const auto large = test::large_packet(
        {.ip = nodes_.alice_to_bob(), .payload_size = 30000, .segment_size = segment_size});
    alice_.tun.to_read.push_back({large.bytes, large.left});
  }
  (void)alice_.worker.run_once(at_second(1));
  for (const auto& sent : alice_.udp.sent) {
    EXPECT_LE(sent.bytes.size(), kRunBytesMax);
    EXPECT_LE(sent.bytes.size(), kRunSegmentsMax * sent.segment_size);
  }
  carry();
  while (bob_.worker.run_once(at_second(1)).packets != 0) {}
  std::size_t payload = 0;
  for (const auto& written : bob_.tun.written) payload += written.size() - 40;
  EXPECT_EQ(payload, 4 * 30000U);
}

// Whatever one of the datagrams that arrive together is, the others are delivered.
/// Turns one bit of a datagram: of its text, its tag, or its counter.
void forge(MutableBytes datagram, std::size_t how) {
  const std::size_t places[] = {wire::kDataHeaderSize, datagram.size() - 1, datagram.size() / 2,
                                15};
  datagram[places[how % std::size(places)]] ^= std::byte{0x10};
}

// A library may have written plaintext before it knows of a forgery. That must concern the forged
// datagram only, wherever it lies among those that arrived in one buffer, and also where the others
// leave as one.
TEST(WorkerForgery, HarmsNoOtherDatagramOfItsBatch) {
  constexpr std::size_t kCount = 44;
  constexpr std::size_t kSize = 1300;
  for (const auto& [backend, suite] : crypto::test::ways()) {
    for (const bool joins : {false, true}) {
      SCOPED_TRACE(testing::Message() << crypto::backend_name(backend) << joins);
      const TwoNodes nodes({.suite = suite, .backend = backend});
      Side alice;
      Side bob;
      ASSERT_TRUE(alice.worker.attach(kNetwork, &alice.tun));
      ASSERT_TRUE(bob.worker.attach(kNetwork, &bob.tun));
      alice.publish(nodes.alice.snapshot);
      bob.publish(nodes.bob.snapshot);
      bob.tun.takes = {.checksum = joins, .tcp = joins};
      const auto large = test::large_packet(
          {.ip = nodes.alice_to_bob(), .payload_size = kCount * kSize, .segment_size = kSize});
      for (std::size_t forged = 0; forged < kCount; ++forged) {
        alice.tun.to_read.push_back({large.bytes, large.left});
        (void)alice.worker.run_once(at_second(1));
        ASSERT_EQ(alice.udp.sent.size(), 1U);
        auto sent = std::exchange(alice.udp.sent, {})[0];
        const MutableBytes victim =
            MutableBytes(sent.bytes).subspan(forged * sent.segment_size, sent.segment_size);
        const ByteVector genuine = to_vector(victim);
        forge(victim, forged);
        bob.udp.to_receive.push_back(
            {sent.bytes, nodes.alice.endpoint, sent.ecn, sent.segment_size});
        bob.tun.written.clear();
        (void)bob.worker.run_once(at_second(1));

        ByteVector want = to_vector(large.payload);
        const auto gap = want.begin() + static_cast<std::ptrdiff_t>(forged * kSize);
        want.erase(gap, gap + kSize);
        ByteVector got;
        for (const ByteVector& packet : bob.tun.written) append(got, Bytes(packet).subspan(40));
        EXPECT_TRUE(equal_bytes(got, want)) << forged;
        if (joins) {
          EXPECT_LE(bob.tun.written.size(), 2U) << "before and behind it";
        } else {
          EXPECT_EQ(bob.tun.written.size(), kCount - 1);
        }
        EXPECT_EQ(bob.drops.read(Drop::BadTag), forged + 1);
        bob.udp.to_receive.push_back({genuine, nodes.alice.endpoint});
        (void)bob.worker.run_once(at_second(1));
        EXPECT_TRUE(equal_bytes(Bytes(bob.tun.written.back()).subspan(40),
                                Bytes(large.payload).subspan(forged * kSize, kSize)))
            << "a forgery does not use its counter up";
      }
      EXPECT_EQ(bob.dropped_in_all(), kCount);
    }
  }
}

TEST_F(WorkerTest, ALargePacketThatIsTooBigIsAnsweredOnce) {
  const auto large = test::large_packet(
      {.ip = nodes_.alice_to_bob(), .payload_size = 30000, .segment_size = 1350});
  alice_.tun.to_read.push_back({large.bytes, large.left});
  (void)alice_.worker.run_once(at_second(1));
  ASSERT_EQ(alice_.tun.written.size(), 1U);
  EXPECT_EQ(test::get16(alice_.tun.written[0], 20), 0x0304U);
  EXPECT_EQ(test::get16(alice_.tun.written[0], 26), 1380U);
  EXPECT_EQ(test::get16(alice_.tun.written[0], 30), 1390U) << "it quotes the first segment";
  EXPECT_TRUE(alice_.udp.sent.empty());
}

TEST_F(WorkerTest, ALargePacketWithoutASessionGoesToControlInPieces) {
  Snapshot snapshot = nodes_.alice.snapshot;
  snapshot.peers[0].send = nullptr;
  alice_.publish(snapshot);
  const auto large =
      test::large_packet({.ip = nodes_.alice_to_bob(), .payload_size = 3000, .segment_size = 1000});
  alice_.tun.to_read.push_back({large.bytes, large.left});
  (void)alice_.worker.run_once(at_second(1));
  const auto unrouted = alice_.take<UnroutedEvent>();
  ASSERT_EQ(unrouted.size(), 3U);
  for (const UnroutedEvent& event : unrouted) {
    EXPECT_EQ(event.packet.size(), 1040U);
    EXPECT_EQ(test::slow_transport_sum(nodes_.alice.ip4, nodes_.bob.ip4, 6,
                                       Bytes(event.packet).subspan(20)),
              0xffff)
        << "control sends whole checksums";
  }
}

// The kernel leaves the checksums of tunnels inside the packet to us too: nobody behind us would
// know where they are.
TEST_F(WorkerTest, ChecksumsThatOnlyOurKernelKnowsAreFinishedHere) {
  const ByteVector original = packet(400);
  Offload left{.checksum_partial = true, .checksum_start = 100, .checksum_offset = 6};
  alice_.tun.to_read.push_back({original, left});
  left.checksum_start = 420;
  alice_.tun.to_read.push_back({original, left});
  (void)alice_.worker.run_once(at_second(1));
  EXPECT_EQ(alice_.drops.read(Drop::BadInner), 1U) << "a place outside the packet";
  carry();
  (void)bob_.worker.run_once(at_second(1));
  ASSERT_EQ(bob_.tun.written.size(), 1U);
  ByteVector want = original;
  test::set16(want, 106, 0xffffU - test::slow_sum(Bytes(original).subspan(100)));
  EXPECT_EQ(to_hex(bob_.tun.written[0]), to_hex(want));
}

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
