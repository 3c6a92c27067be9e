// Packets that stand for many, through a worker: as one from kernel to kernel, and what may go
// wrong.
#include <gtest/gtest.h>

#include "crypto/backends.h"
#include "crypto/testing.h"
#include "dataplane/worker_testing.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::kNetwork;
using test::Side;
using test::TwoNodes;
using test::WorkerTest;

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
  while (!alice_.worker.run_once(at_second(1)).is_idle()) {}
  for (const auto& sent : alice_.udp.sent) {
    EXPECT_LE(sent.bytes.size(), kRunBytesMax);
    EXPECT_LE(sent.bytes.size(), kRunSegmentsMax * sent.segment_size);
  }
  carry();
  while (!bob_.worker.run_once(at_second(1)).is_idle()) {}
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

}  // namespace
}  // namespace ipop::dataplane
