// Packets of stock WireGuard: framing, padding, what may be inside, and the words that its timers
// run on.
#include <gtest/gtest.h>

#include <fstream>

#include "dataplane/activity.h"
#include "dataplane/inner_packet.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

using std::chrono::milliseconds;
using test::at_second;
using test::ip_packet;
using test::kNetwork;
using test::Node;
using test::packet_of;
using test::PacketOptions;
using test::TwoNodes;

TwoNodes stock_nodes(std::uint16_t mtu = 1380) {
  return TwoNodes(
      {.suite = crypto::Suite::ChaCha20Poly1305, .mtu = mtu, .framing = wire::Framing::Stock});
}

/// A value of docs/protocol.md, made by a program that shares no code with this one.
ByteVector vector_named(const std::string& name) {
  std::ifstream page(std::string(IPOP_DOCS) + "/protocol.md");
  std::string line;
  while (std::getline(page, line)) {
    if (line.starts_with(name + " ")) return *from_hex(line.substr(name.size() + 1));
  }
  ADD_FAILURE() << name;
  return {};
}

session::TransportKeys vector_keys(const char* send, const char* receive) {
  return {*crypto::Secret<32>::from(vector_named(send)),
          *crypto::Secret<32>::from(vector_named(receive))};
}

constexpr SessionIndex kInitiator{0x11223344};
constexpr SessionIndex kResponder{0x55667788};

TEST(StockPackets, AreThoseOfThePage) {
  Keypair initiator({.local = kInitiator,
                     .remote = kResponder,
                     .suite = crypto::Suite::ChaCha20Poly1305,
                     .framing = wire::Framing::Stock},
                    vector_keys("stock_key_to_responder", "stock_key_to_initiator"));
  const auto keepalive = initiator.seal_control({});
  ASSERT_TRUE(keepalive);
  EXPECT_EQ(to_hex(*keepalive), to_hex(vector_named("stock_data_keepalive")));

  const auto packet = packet_of(vector_named("stock_data_to_initiator"));
  const auto header = test::open(initiator, *packet);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->counter, Counter{0x0102030405060708});
  EXPECT_EQ(to_hex(packet->data()), "45000015000040004011000000000000");
}

TEST(StockPackets, FramingsDoNotMix) {
  for (const auto framing : {wire::Framing::Native, wire::Framing::Stock}) {
    TwoNodes nodes({.suite = crypto::Suite::ChaCha20Poly1305, .framing = framing});
    const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), ByteVector(12)));
    ASSERT_TRUE(nodes.alice.keypair->seal(kControlSender, 0, *packet));
    EXPECT_EQ(packet->data()[0], framing == wire::Framing::Stock ? std::byte{4} : std::byte{0xc4});
    packet->data()[0] ^= std::byte{0xc0};
    const auto opened = test::open(*nodes.bob.keypair, *packet);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::NotFound);
    packet->data()[0] ^= std::byte{0xc0};
    EXPECT_TRUE(test::open(*nodes.bob.keypair, *packet));
  }
}

TEST(StockPackets, ArePaddedToSixteenWhereThePathHasRoom) {
  constexpr std::uint16_t kMtu = 1380;  // not a multiple of 16
  for (const std::size_t size : {28U, 32U, 33U, 1376U, 1377U, 1379U, 1380U}) {
    TwoNodes nodes = stock_nodes(kMtu);
    const ByteVector original =
        ip_packet(nodes.alice_to_bob(), ByteVector(size - 20, std::byte{7}));
    ASSERT_EQ(original.size(), size);
    auto packet = packet_of(original);
    const auto verdict = outbound(nodes.alice.snapshot, kNetwork, 1, at_second(1), {}, *packet);
    ASSERT_TRUE(std::holds_alternative<SendDatagram>(verdict));
    const std::size_t padded = packet->size() - wire::kDataOverhead;
    EXPECT_EQ(padded, std::min<std::size_t>((size + 15) / 16 * 16, kMtu)) << size;
    ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet));
    for (std::size_t i = size; i < padded; ++i) EXPECT_EQ(packet->data()[i], std::byte{0});

    packet = packet_of(original);
    ASSERT_TRUE(std::holds_alternative<SendDatagram>(
        outbound(nodes.alice.snapshot, kNetwork, 1, at_second(1), {}, *packet)));
    const auto arrived =
        test::receive(nodes.bob.snapshot, at_second(1), nodes.alice.endpoint, Ecn::NotEct, *packet);
    ASSERT_TRUE(std::holds_alternative<WriteToTun>(arrived.action));
    EXPECT_EQ(to_hex(packet->data()), to_hex(original));
  }
}

// What the kernel left to us, splitting and checksums, is done before a stock peer sees it.
TEST(StockPackets, LargePacketsLeaveInWholeOnes) {
  for (const bool is_tcp : {true, false}) {
    TwoNodes nodes = stock_nodes();
    const auto large = test::large_packet(
        {.ip = nodes.alice_to_bob(), .is_tcp = is_tcp, .payload_size = 5000, .segment_size = 1201});
    const auto packet = packet_of(large.bytes);
    const auto verdict =
        outbound(nodes.alice.snapshot, kNetwork, 1, at_second(1), large.left, *packet);
    const auto* many = std::get_if<SendSegments>(&verdict);
    ASSERT_NE(many, nullptr);
    const auto run_packet = std::make_unique_for_overwrite<Packet>();
    const SealedRun run = seal_segments(*many, 1, 0, *run_packet);
    ASSERT_EQ(run.segments, 5U);
    EXPECT_EQ((run.datagram_size - wire::kDataOverhead) % 16, 0U);
    ByteVector payload;
    Bytes rest = run_packet->data();
    while (!rest.empty()) {
      const Bytes datagram = rest.first(std::min<std::size_t>(run.datagram_size, rest.size()));
      rest = rest.subspan(datagram.size());
      const auto arrived = packet_of(datagram);
      const auto in = test::receive(nodes.bob.snapshot, at_second(1), nodes.alice.endpoint,
                                    Ecn::NotEct, *arrived);
      const auto* to_tun = std::get_if<WriteToTun>(&in.action);
      ASSERT_NE(to_tun, nullptr);
      EXPECT_FALSE(to_tun->checksum_partial);
      const InnerPacket& inner = to_tun->inner;
      const Bytes segment = arrived->data().subspan(inner.transport);
      EXPECT_EQ(test::slow_transport_sum(inner.source, inner.destination, inner.protocol, segment),
                0xffff);
      append(payload, segment.subspan(is_tcp ? 20 : 8));
    }
    EXPECT_EQ(to_hex(payload), to_hex(large.payload));
  }
}

TEST(StockPackets, UnfinishedChecksumIsFinished) {
  TwoNodes nodes = stock_nodes();
  const PacketOptions options = nodes.alice_to_bob();
  ByteVector bytes = ip_packet(options, test::udp_datagram(options, ByteVector(30)));
  const auto inner = *parse_inner(bytes);
  const Offload left = *checksum_place(bytes, inner);
  write_partial_checksum(bytes, inner, left);
  const auto packet = packet_of(bytes);
  ASSERT_TRUE(std::holds_alternative<SendDatagram>(
      outbound(nodes.alice.snapshot, kNetwork, 1, at_second(1), left, *packet)));
  ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet));
  const Bytes segment = packet->data().subspan(inner.transport, inner.size - inner.transport);
  EXPECT_EQ(test::slow_transport_sum(options.source, options.destination, 17, segment), 0xffff);
}

TEST(StockPackets, SendersShareOneCounter) {
  TwoNodes nodes = stock_nodes();
  for (const std::uint64_t expected : {0U, 1U, 2U}) {
    const auto sender = static_cast<SenderId>(expected);
    const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), ByteVector(12)));
    ASSERT_TRUE(nodes.alice.keypair->seal(sender, 0, *packet));
    const auto header = test::open(*nodes.bob.keypair, *packet);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->counter, Counter{expected});
    EXPECT_EQ(header->queue, 0);
  }
}

TEST(StockPackets, HoldNoControlFrames) {
  TwoNodes nodes = stock_nodes();
  std::unique_ptr<Packet> packet;
  for (unsigned first = 0; first < 0x40; ++first) {
    const auto verdict = nodes.deliver(ByteVector(16, static_cast<std::byte>(first)), packet);
    const auto* dropped = std::get_if<Dropped>(&verdict.action);
    ASSERT_NE(dropped, nullptr) << first;
    EXPECT_EQ(dropped->reason, Drop::BadPayload);
  }
  const auto keepalive = nodes.deliver({}, packet);
  EXPECT_TRUE(std::holds_alternative<ControlFrame>(keepalive.action));
  EXPECT_EQ(packet->size(), 0U);
}

TEST(StockPackets, ReceptionIsReportedAtFirstAndAfterAPause) {
  TwoNodes nodes = stock_nodes();
  const struct {
    int at_ms;
    bool reported;
  } steps[] = {{0, true}, {999, false}, {1500, false}, {2499, false}, {3499, true}, {3500, false}};
  for (const auto& step : steps) {
    const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), ByteVector(4)));
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet));
    const auto verdict = test::receive(nodes.bob.snapshot, Instant(milliseconds(step.at_ms)),
                                       nodes.alice.endpoint, Ecn::NotEct, *packet);
    EXPECT_EQ(verdict.report.has_value(), step.reported) << step.at_ms;
  }
}

TEST(StockPackets, WordsTellWhatIsOutstanding) {
  TwoNodes nodes = stock_nodes();
  const auto activity = [](const Node& node) {
    session::Activity out;
    merge_activity(node.keypair->words(), out);
    return out;
  };
  const auto pass = [&](Node& from, Node& to, int second, bool ip) {
    auto packet = packet_of({});
    if (ip) {
      packet = packet_of(ip_packet({.source = from.ip4, .destination = to.ip4}, ByteVector(4)));
      ASSERT_TRUE(std::holds_alternative<SendDatagram>(
          outbound(from.snapshot, kNetwork, 1, at_second(second), {}, *packet)));
    } else {
      ASSERT_TRUE(from.keypair->seal(1, 0, *packet));
      note_stock_sent(from.keypair->words());
    }
    test::receive(to.snapshot, at_second(second), from.endpoint, Ecn::NotEct, *packet);
  };
  pass(nodes.alice, nodes.bob, 1, true);
  pass(nodes.alice, nodes.bob, 2, true);
  EXPECT_EQ(activity(nodes.alice).unanswered_since, at_second(1));
  EXPECT_EQ(activity(nodes.alice).last_ip_sent, at_second(2));
  EXPECT_EQ(activity(nodes.bob).unacknowledged_since, at_second(1));
  EXPECT_EQ(activity(nodes.bob).last_ip_received, at_second(2));
  pass(nodes.bob, nodes.alice, 3, false);
  EXPECT_EQ(activity(nodes.alice).unanswered_since, Instant::max()) << "a keepalive is an answer";
  EXPECT_EQ(activity(nodes.alice).unacknowledged_since, Instant::max()) << "and asks for none";
  EXPECT_EQ(activity(nodes.bob).unacknowledged_since, Instant::max());
  pass(nodes.alice, nodes.bob, 4, true);
  pass(nodes.bob, nodes.alice, 5, true);
  EXPECT_EQ(activity(nodes.alice).unanswered_since, Instant::max());
  EXPECT_EQ(activity(nodes.alice).unacknowledged_since, at_second(5));
  EXPECT_EQ(activity(nodes.bob).unanswered_since, at_second(5));
  EXPECT_EQ(activity(nodes.bob).unacknowledged_since, Instant::max());
}

TEST(StockPackets, NativePairsNoteNothingToAcknowledge) {
  TwoNodes nodes;
  std::unique_ptr<Packet> packet;
  nodes.deliver(ip_packet(nodes.alice_to_bob(), ByteVector(4)), packet);
  session::Activity out;
  merge_activity(nodes.bob.keypair->words(), out);
  EXPECT_EQ(out.unacknowledged_since, Instant::max());
}

TEST(StockWords, ANewerPairSaysSinceWhen) {
  for (const bool sent : {false, true}) {
    KeypairWords older;
    KeypairWords newer;
    for (const auto& [words, second] : {std::pair{&older, 3}, std::pair{&newer, 11}}) {
      if (sent) {
        note_control_ip_sent(*words, at_second(second));
      } else {
        note_stock_received(*words, at_second(second), true);
      }
    }
    for (const bool swapped : {false, true}) {
      session::Activity out;
      merge_activity(swapped ? newer : older, out);
      merge_activity(swapped ? older : newer, out);
      EXPECT_EQ(out.unanswered_since, sent ? at_second(11) : Instant::max());
      EXPECT_EQ(out.unacknowledged_since, sent ? Instant::max() : at_second(11));
    }
  }
}

}  // namespace
}  // namespace ipop::dataplane
