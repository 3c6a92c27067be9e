#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/inner_packet.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

using test::at_second;
using test::ip_packet;
using test::kNetwork;
using test::packet_of;
using test::PacketOptions;
using test::TwoNodes;
using test::v4;
using test::v6;

std::optional<Drop> dropped(const InboundVerdict& verdict) {
  const auto* drop = std::get_if<Dropped>(&verdict.action);
  return drop == nullptr ? std::nullopt : std::optional(drop->reason);
}

TEST(Inbound, WritesToTheNetworksTun) {
  for (const bool is_v6 : {false, true}) {
    TwoNodes nodes;
    const ByteVector original =
        ip_packet(nodes.alice_to_bob(is_v6), to_vector(as_bytes("hello bob")));
    std::unique_ptr<Packet> packet;
    const auto verdict = nodes.deliver(original, packet);
    ASSERT_TRUE(std::holds_alternative<WriteToTun>(verdict.action));
    EXPECT_EQ(std::get<WriteToTun>(verdict.action).network, kNetwork);
    EXPECT_EQ(to_hex(packet->data()), to_hex(original));
    EXPECT_EQ(nodes.bob.words.rx_bytes.load(), original.size());
  }
}

TEST(Inbound, TrimsToTheInnerLength) {
  TwoNodes nodes;
  const ByteVector original = ip_packet(nodes.alice_to_bob(), ByteVector(5));
  ByteVector padded = original;
  padded.resize(original.size() + 11, std::byte{0xcc});
  std::unique_ptr<Packet> packet;
  ASSERT_TRUE(std::holds_alternative<WriteToTun>(nodes.deliver(padded, packet).action));
  EXPECT_EQ(to_hex(packet->data()), to_hex(original));
}

// What an authenticated member could put into a packet to speak as, or to, somebody else.
TEST(Inbound, SpoofMatrix) {
  TwoNodes nodes;
  const auto& alice = nodes.alice;
  const auto& bob = nodes.bob;
  const ByteVector body(24);
  const auto with = [&](const IpAddress& source, const IpAddress& destination) {
    return ip_packet({.source = source, .destination = destination}, body);
  };
  const struct {
    const char* name;
    ByteVector plaintext;
    Drop want;
  } cases[] = {
      {"bob's own source", with(bob.ip4, bob.ip4), Drop::SpoofedSource},
      {"another member's source", with(v4("10.83.0.3"), bob.ip4), Drop::SpoofedSource},
      {"source one bit off", with(v4("10.83.0.0"), bob.ip4), Drop::SpoofedSource},
      {"source of the Internet", with(v4("8.8.8.8"), bob.ip4), Drop::SpoofedSource},
      {"source 0.0.0.0", with(v4("0.0.0.0"), bob.ip4), Drop::SpoofedSource},
      {"loopback source", with(v4("127.0.0.1"), bob.ip4), Drop::SpoofedSource},
      {"multicast source", with(v4("224.0.0.1"), bob.ip4), Drop::SpoofedSource},
      {"broadcast source", with(v4("10.83.255.255"), bob.ip4), Drop::SpoofedSource},
      {"v6: bob's own source", with(bob.ip6, bob.ip6), Drop::SpoofedSource},
      {"v6: another member's", with(v6("fd00::3"), bob.ip6), Drop::SpoofedSource},
      {"v6: unspecified", with(v6("::"), bob.ip6), Drop::SpoofedSource},
      {"v6: loopback", with(v6("::1"), bob.ip6), Drop::SpoofedSource},
      {"v6: link-local", with(v6("fe80::1"), bob.ip6), Drop::SpoofedSource},
      {"v6: mapped alice", with(v6("::ffff:10.83.0.1"), bob.ip6), Drop::SpoofedSource},
      {"to another member", with(alice.ip4, v4("10.83.0.3")), Drop::BadInnerDestination},
      {"back to alice", with(alice.ip4, alice.ip4), Drop::BadInnerDestination},
      {"to the Internet", with(alice.ip4, v4("8.8.8.8")), Drop::BadInnerDestination},
      {"to loopback", with(alice.ip4, v4("127.0.0.1")), Drop::BadInnerDestination},
      {"to the broadcast", with(alice.ip4, v4("10.83.255.255")), Drop::BadInnerDestination},
      {"to 255.255.255.255", with(alice.ip4, v4("255.255.255.255")), Drop::BadInnerDestination},
      {"to a group", with(alice.ip4, v4("224.0.0.251")), Drop::BadInnerDestination},
      {"v6 to another member", with(alice.ip6, v6("fd00::3")), Drop::BadInnerDestination},
      {"v6 to loopback", with(alice.ip6, v6("::1")), Drop::BadInnerDestination},
      {"v6 to all nodes", with(alice.ip6, v6("ff02::1")), Drop::BadInnerDestination},
      {"v6 to a link-local", with(alice.ip6, v6("fe80::2")), Drop::BadInnerDestination},
      {"version 5", *from_hex("55"), Drop::BadPayload},
      {"version 15", *from_hex("ff00"), Drop::BadPayload},
      {"version 8", *from_hex("80"), Drop::BadPayload},
      {"one byte of IPv4", *from_hex("45"), Drop::BadPayload},
      {"one byte of IPv6", *from_hex("60"), Drop::BadPayload},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    std::unique_ptr<Packet> packet;
    EXPECT_EQ(dropped(nodes.deliver(c.plaintext, packet)), c.want);
  }
}

TEST(Inbound, WrongInnerLengthsAreRefused) {
  TwoNodes nodes;
  std::unique_ptr<Packet> packet;
  for (const bool is_v6 : {false, true}) {
    const ByteVector good = ip_packet(nodes.alice_to_bob(is_v6), ByteVector(12));
    for (std::size_t size = 1; size < good.size(); ++size) {
      EXPECT_EQ(dropped(nodes.deliver(Bytes(good).first(size), packet)), Drop::BadPayload);
    }
    ByteVector longer = good;
    test::set16(longer, is_v6 ? 4 : 2, static_cast<unsigned>(good.size() + 1));
    EXPECT_EQ(dropped(nodes.deliver(longer, packet)), Drop::BadPayload);
  }
}

// Every single header byte changed to every value: either the packet still is alice's to bob and
// parses, or it is dropped.
TEST(Inbound, EveryHeaderByteMutated) {
  TwoNodes nodes({.suite = crypto::Suite::ChaCha20Poly1305});
  std::unique_ptr<Packet> packet;
  for (const bool is_v6 : {false, true}) {
    const PacketOptions options = nodes.alice_to_bob(is_v6);
    const ByteVector good = ip_packet(options, test::udp_datagram(options, ByteVector(8)));
    const std::size_t header = is_v6 ? 40 : 20;
    const std::size_t first_address = is_v6 ? 8 : 12;
    for (std::size_t at = 0; at < header; ++at) {
      for (unsigned value = 0; value < 256; ++value) {
        ByteVector bad = good;
        bad[at] = static_cast<std::byte>(value);
        const auto verdict = nodes.deliver(bad, packet);
        if (at >= first_address) {
          ASSERT_EQ(std::holds_alternative<WriteToTun>(verdict.action), bad[at] == good[at]);
        } else if (std::holds_alternative<WriteToTun>(verdict.action)) {
          const auto inner = parse_inner(packet->data());
          ASSERT_TRUE(inner.has_value());
          ASSERT_EQ(inner->source, options.source);
          ASSERT_EQ(inner->destination, options.destination);
          ASSERT_EQ(inner->size, packet->size());
        }
      }
    }
  }
}

TEST(Inbound, AMemberWithoutIpv4HasNoIpv4Source) {
  TwoNodes nodes;
  nodes.bob.snapshot.sessions[nodes.bob.index].source4.reset();
  nodes.bob.snapshot.networks[0].routes.erase(nodes.alice.ip4);
  std::unique_ptr<Packet> packet;
  EXPECT_EQ(dropped(nodes.deliver(ip_packet(nodes.alice_to_bob(), {}), packet)),
            Drop::SpoofedSource);
}

TEST(Inbound, NothingButFramesBeforeProof) {
  TwoNodes nodes({.proven = false});
  std::unique_ptr<Packet> packet;
  for (const bool is_v6 : {false, true}) {
    EXPECT_EQ(dropped(nodes.deliver(ip_packet(nodes.alice_to_bob(is_v6), {}), packet)),
              Drop::NotProven);
  }
  EXPECT_TRUE(
      std::holds_alternative<ControlFrame>(nodes.deliver(*from_hex("0301"), packet).action));
  EXPECT_TRUE(std::holds_alternative<ControlFrame>(nodes.deliver({}, packet).action));
}

TEST(Inbound, FramesAndKeepalives) {
  TwoNodes nodes;
  std::unique_ptr<Packet> packet;
  for (unsigned first = 0; first < 256; ++first) {
    const ByteVector plaintext = {static_cast<std::byte>(first), std::byte{7}};
    const auto verdict = nodes.deliver(plaintext, packet);
    if (first < 0x40 && first != 0x10) {
      ASSERT_TRUE(std::holds_alternative<ControlFrame>(verdict.action)) << first;
      EXPECT_EQ(std::get<ControlFrame>(verdict.action).session, nodes.bob.index);
      EXPECT_TRUE(equal_bytes(packet->data(), plaintext));
    } else {
      EXPECT_EQ(dropped(verdict), Drop::BadPayload) << first;
    }
  }
  const auto verdict = nodes.deliver({}, packet);
  ASSERT_TRUE(std::holds_alternative<ControlFrame>(verdict.action));
  EXPECT_EQ(packet->size(), 0U);
}

TEST(Inbound, ReplayedAndChangedDatagrams) {
  TwoNodes nodes;
  const ByteVector original = ip_packet(nodes.alice_to_bob(), ByteVector(30));
  const auto sealed = packet_of(original);
  ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *sealed).has_value());
  const ByteVector datagram = to_vector(sealed->data());
  const auto receive = [&](Bytes bytes) {
    const auto packet = packet_of(bytes);
    return test::receive(nodes.bob.snapshot, at_second(1), nodes.alice.endpoint, Ecn::NotEct,
                         *packet);
  };
  for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
    ByteVector bad = datagram;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto verdict = receive(bad);
    EXPECT_FALSE(verdict.report.has_value()) << bit;
    if (bit < 8) {
      EXPECT_TRUE(std::holds_alternative<ToEngine>(verdict.action)) << bit;
    } else if (bit / 8 == 2 || bit / 8 == 3) {
      // The one defined flag is under the tag; the others may not be set at all.
      EXPECT_EQ(dropped(verdict), bit == 16 ? Drop::BadTag : Drop::BadHeader) << bit;
    } else if (std::to_integer<unsigned>(bad[1]) > kWorkersMax) {
      EXPECT_EQ(dropped(verdict), Drop::UnknownSession) << bit;
    } else if (bit / 8 >= 4 && bit / 8 < 8) {
      EXPECT_EQ(dropped(verdict), Drop::UnknownSession) << bit;
    } else {
      EXPECT_EQ(dropped(verdict), Drop::BadTag) << bit;
    }
  }
  EXPECT_EQ(nodes.bob.words.rx_bytes.load(), 0U);
  EXPECT_EQ(nodes.bob.keypair->words().last_received.load(), INT64_MIN);
  EXPECT_TRUE(std::holds_alternative<WriteToTun>(receive(datagram).action));
  EXPECT_EQ(dropped(receive(datagram)), Drop::Replayed);
  EXPECT_EQ(dropped(receive(datagram)), Drop::Replayed);
  EXPECT_EQ(nodes.bob.words.rx_bytes.load(), original.size());
}

TEST(Inbound, GarbageNeverReachesTheTun) {
  TwoNodes nodes;
  SeededRng rng(5);
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes(rng.below(200));
    rng.fill(bytes);
    // Half of it looks like DATA, and half of that for a session that exists.
    if (i % 2 == 0 && bytes.size() >= 8) {
      bytes[0] = std::byte{0xc4};
      bytes[2] = bytes[3] = std::byte{0};
      if (i % 4 == 0) {
        for (std::size_t b = 0; b < 4; ++b) {
          bytes[4 + b] = static_cast<std::byte>(nodes.bob.index.value >> (8 * b));
        }
      }
    }
    const ByteVector before = bytes;
    const auto packet = packet_of(bytes);
    const auto verdict =
        test::receive(nodes.bob.snapshot, at_second(1), nodes.alice.endpoint, Ecn::NotEct, *packet);
    ASSERT_FALSE(std::holds_alternative<WriteToTun>(verdict.action));
    ASSERT_FALSE(std::holds_alternative<ControlFrame>(verdict.action));
    ASSERT_FALSE(verdict.report.has_value());
    const bool is_data = wire::is_data(bytes);
    ASSERT_EQ(std::holds_alternative<ToEngine>(verdict.action), !bytes.empty() && !is_data);
    if (!is_data) { ASSERT_TRUE(equal_bytes(packet->data(), before)) << "unchanged"; }
  }
  EXPECT_EQ(nodes.bob.keypair->words().last_received.load(), INT64_MIN);
}

TEST(Inbound, ReportsTheFirstPacketAndEveryOtherAddress) {
  TwoNodes nodes;
  const Endpoint elsewhere = *Endpoint::parse("203.0.113.9:9");
  const struct {
    Endpoint from;
    bool reported;
  } packets[] = {{nodes.alice.endpoint, true},
                 {nodes.alice.endpoint, false},
                 {elsewhere, true},
                 {elsewhere, true},
                 {nodes.alice.endpoint, false}};
  for (const auto& p : packets) {
    const auto packet = packet_of({});
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    const auto verdict =
        test::receive(nodes.bob.snapshot, at_second(7), p.from, Ecn::NotEct, *packet);
    EXPECT_EQ(verdict.report.has_value(), p.reported);
    if (verdict.report) { EXPECT_EQ(*verdict.report, nodes.bob.index); }
  }
  EXPECT_EQ(nodes.bob.keypair->words().last_received.load(),
            at_second(7).time_since_epoch().count());
}

TEST(Inbound, BlockLimitsOfTheReceiver) {
  TwoNodes nodes;
  TwoNodes strict({.limits = {.rekey = 10, .reject = 20}});
  int limit_reports = 0;
  std::optional<Drop> last;
  for (int i = 0; i < 8; ++i) {
    // Same keys on both pairs of nodes; only the strict one's limits are low. 4 blocks each.
    const auto packet = packet_of(ip_packet(nodes.alice_to_bob(), ByteVector(28)));
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    const auto verdict = test::receive(strict.bob.snapshot, at_second(1), nodes.alice.endpoint,
                                       Ecn::NotEct, *packet);
    EXPECT_EQ(std::holds_alternative<WriteToTun>(verdict.action), i < 5) << i;
    limit_reports += verdict.rekey_limit.has_value() ? 1 : 0;
    last = dropped(verdict);
  }
  EXPECT_EQ(limit_reports, 1);
  EXPECT_EQ(last, Drop::KeyExpired);
}

TEST(Inbound, MergesEcnMarks) {
  for (const bool is_v6 : {false, true}) {
    for (unsigned inner = 0; inner < 4; ++inner) {
      for (unsigned outer = 0; outer < 4; ++outer) {
        TwoNodes nodes;
        PacketOptions options = nodes.alice_to_bob(is_v6);
        options.traffic_class = 0xb8 + inner;
        std::unique_ptr<Packet> packet;
        const auto verdict =
            nodes.deliver(ip_packet(options, ByteVector(4)), packet, static_cast<Ecn>(outer));
        const auto want = merge_ecn(static_cast<Ecn>(inner), static_cast<Ecn>(outer));
        if (!want) {
          EXPECT_EQ(dropped(verdict), Drop::EcnNotCapable);
          continue;
        }
        ASSERT_TRUE(std::holds_alternative<WriteToTun>(verdict.action));
        options.traffic_class = 0xb8 + static_cast<unsigned>(*want);
        EXPECT_EQ(to_hex(packet->data()), to_hex(ip_packet(options, ByteVector(4))));
      }
    }
  }
}

TEST(Inbound, ClampsTheMssToTheWayBack) {
  for (const std::uint16_t route_mtu : {std::uint16_t{1280}, std::uint16_t{0}}) {
    TwoNodes nodes;
    nodes.bob.snapshot.peers[0].mtu = route_mtu;
    PacketOptions options = nodes.alice_to_bob(true);
    options.protocol = 6;
    std::unique_ptr<Packet> packet;
    const auto verdict = nodes.deliver(
        ip_packet(options, test::tcp_segment(options, test::kTcpSyn, *from_hex("020405b4"))),
        packet);
    ASSERT_TRUE(std::holds_alternative<WriteToTun>(verdict.action));
    EXPECT_EQ(test::get16(packet->data(), 62), (route_mtu == 0 ? 1400U : 1280U) - 60);
    EXPECT_EQ(test::slow_transport_sum(options.source, options.destination, 6,
                                       packet->data().subspan(40)),
              0xffff);
  }
}

TEST(Inbound, APartialChecksumIsTheReadersToFinish) {
  TwoNodes nodes;
  const PacketOptions options = nodes.alice_to_bob();
  const ByteVector whole = ip_packet(options, test::udp_datagram(options, ByteVector(40)));
  ByteVector partial = whole;
  test::set16(partial, 26, 0x1234);
  std::unique_ptr<Packet> packet;
  auto verdict = nodes.deliver(partial, packet, Ecn::NotEct, wire::kDataFlagCsumPartial);
  ASSERT_TRUE(std::holds_alternative<WriteToTun>(verdict.action));
  EXPECT_TRUE(std::get<WriteToTun>(verdict.action).checksum_partial);
  const InnerPacket inner = std::get<WriteToTun>(verdict.action).inner;
  ASSERT_TRUE(complete_checksum(packet->data(), inner).has_value());
  EXPECT_EQ(to_hex(packet->data()), to_hex(whole));

  verdict = nodes.deliver(whole, packet);
  ASSERT_TRUE(std::holds_alternative<WriteToTun>(verdict.action));
  EXPECT_FALSE(std::get<WriteToTun>(verdict.action).checksum_partial);

  PacketOptions fragment = options;
  fragment.fragment = 0x2000;
  PacketOptions icmp = options;
  icmp.protocol = 1;
  const ByteVector bad[] = {ip_packet(fragment, ByteVector(40)),
                            ip_packet(icmp, ByteVector(40)),
                            ip_packet(options, ByteVector(7)),
                            *from_hex("0102"),
                            {}};
  for (const ByteVector& plaintext : bad) {
    verdict = nodes.deliver(plaintext, packet, Ecn::NotEct, wire::kDataFlagCsumPartial);
    EXPECT_EQ(dropped(verdict), Drop::BadPayload) << to_hex(plaintext);
  }
}

TEST(Inbound, SessionOfANetworkThatIsGone) {
  TwoNodes nodes;
  nodes.bob.snapshot.networks.clear();
  std::unique_ptr<Packet> packet;
  EXPECT_EQ(dropped(nodes.deliver(ip_packet(nodes.alice_to_bob(), {}), packet)),
            Drop::BadInnerDestination);
}

}  // namespace
}  // namespace ipop::dataplane
