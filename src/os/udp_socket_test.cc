#include "os/udp_socket.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "os/netlink.h"
#include "os/test_support.h"

namespace ipop::os {
namespace {

constexpr int kLoopback = 1;  // its index in every namespace
// <linux/if_tun.h>, which does not go together with <net/if.h>.
constexpr short kTapFlags = 0x1002;  // IFF_TAP | IFF_NO_PI
constexpr unsigned long kTunSetInterface = 0x400454ca;

Endpoint local4(std::uint16_t port) { return {*Ipv4::parse("127.0.0.1"), port}; }
Endpoint local6(std::uint16_t port) { return {*Ipv6::parse("::1"), port}; }

struct Received {
  ByteVector bytes;
  ReceivedMeta meta;
};

/// Receives until `count` have come.
std::vector<Received> receive(UdpSocket& socket, std::size_t count) {
  const auto packets = std::make_unique<std::array<Packet, 80>>();
  std::array<ReceivedMeta, 80> meta;
  std::vector<Received> out;
  while (out.size() < count && wait_readable(socket.fd())) {
    const std::size_t n = socket.receive(
        std::span(*packets).first(std::min<std::size_t>(count - out.size(), 80)), meta);
    for (std::size_t i = 0; i < n; ++i) out.push_back({to_vector((*packets)[i].data()), meta[i]});
  }
  EXPECT_EQ(out.size(), count);
  return out;
}

TEST(UdpSocket, BothFamiliesOverOneSocket) {
  const TestNamespace ns;
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->port(), 0);
  EXPECT_FALSE(a->ipv4_only());
  for (const bool v6 : {false, true}) {
    const OutgoingDatagrams out{as_bytes("hello"), v6 ? local6(b->port()) : local4(b->port()), 0};
    EXPECT_EQ(a->send(std::span(&out, 1)), 1U);
    const auto got = receive(*b, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(as_text(got[0].bytes), "hello");
    EXPECT_EQ(got[0].meta.from, v6 ? local6(a->port()) : local4(a->port()));
    EXPECT_EQ(got[0].meta.ecn, 0);
  }
  EXPECT_EQ(a->send_failures(), 0U);
}

TEST(UdpSocket, CarriesEcnBothWays) {
  const TestNamespace ns;
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  auto four = UdpSocket::open_ipv4(0);
  ASSERT_TRUE(a && b && four);
  for (UdpSocket* to : {&*b, &*four}) {
    std::vector<OutgoingDatagrams> batch;
    for (std::uint8_t ecn = 0; ecn < 4; ++ecn) {
      batch.push_back({as_bytes("4"), local4(to->port()), ecn});
      if (!to->ipv4_only()) batch.push_back({as_bytes("6"), local6(to->port()), ecn});
    }
    EXPECT_EQ(a->send(batch), batch.size());
    const auto got = receive(*to, batch.size());
    ASSERT_EQ(got.size(), batch.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].meta.ecn, batch[i].ecn) << i;
      EXPECT_TRUE(equal_bytes(got[i].bytes, batch[i].bytes));
    }
  }
}

TEST(UdpSocket, BatchesLongerThanTheArraysKeepOrder) {
  const TestNamespace ns;
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  ASSERT_TRUE(a && b);
  SeededRng rng(1);
  std::vector<ByteVector> payloads(200);
  std::vector<OutgoingDatagrams> batch;
  for (ByteVector& payload : payloads) {
    payload.resize(rng.below(1400));  // also empty ones
    rng.fill(payload);
    batch.push_back({payload, local6(b->port()), 0});
  }
  EXPECT_EQ(a->send(batch), batch.size());
  const auto got = receive(*b, batch.size());
  ASSERT_EQ(got.size(), batch.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].bytes, payloads[i]) << i;
}

TEST(UdpSocket, LargestDatagram) {
  const TestNamespace ns;
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  const ByteVector large(65507, std::byte{7});
  const OutgoingDatagrams out{large, local4(b->port()), 0};
  EXPECT_EQ(a->send(std::span(&out, 1)), 1U);
  EXPECT_EQ(receive(*b, 1).at(0).bytes, large);
}

TEST(UdpSocket, WouldBlockIsZero) {
  const TestNamespace ns;
  auto a = UdpSocket::open(0);
  const auto packets = std::make_unique<std::array<Packet, 2>>();
  std::array<ReceivedMeta, 2> meta;
  EXPECT_EQ(a->receive(*packets, meta), 0U);
  EXPECT_EQ(a->receive(*packets, {}), 0U);
  EXPECT_EQ(a->receive({}, meta), 0U);
  EXPECT_EQ(a->send({}), 0U);
}

TEST(UdpSocket, RefusedOnesAreSkippedAndTheRestGoes) {
  const TestNamespace ns;
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink->set_mtu(kLoopback, 1500));
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  const ByteVector large(1473, std::byte{1});  // 1 above 1500 with its headers
  const OutgoingDatagrams good{as_bytes("good"), local4(b->port()), 0};
  const OutgoingDatagrams fits{Bytes(large).first(1472), local4(b->port()), 0};
  const OutgoingDatagrams batch[] = {
      {as_bytes("x"), *Endpoint::parse("192.0.2.1:9"), 0},  // no route
      good,
      {as_bytes("x"), *Endpoint::parse("[2001:db8::1]:9"), 0},
      {large, local4(b->port()), 0},
      fits,
      {as_bytes("x"), *Endpoint::parse("255.255.255.255:9"), 0},  // needs SO_BROADCAST
      {as_bytes("x"), *Endpoint::parse("[fe80::1]:9"), 0},        // needs an interface
      {as_bytes("x"), *Endpoint::parse("127.0.0.1:0"), 0},
      good,
  };
  EXPECT_EQ(a->take_too_big(), std::nullopt);
  EXPECT_EQ(a->send(batch), std::size(batch));
  const auto got = receive(*b, 3);
  EXPECT_EQ(as_text(got.at(0).bytes), "good");
  EXPECT_EQ(got.at(1).bytes.size(), 1472U);
  EXPECT_EQ(as_text(got.at(2).bytes), "good");
  EXPECT_EQ(a->send_failures(), 6U);
  EXPECT_EQ(a->take_too_big(), local4(b->port()));
  EXPECT_EQ(a->take_too_big(), std::nullopt);

  const OutgoingDatagrams large6{Bytes(large).first(1453), local6(b->port()), 0};
  EXPECT_EQ(a->send(std::span(&large6, 1)), 1U);
  EXPECT_EQ(a->take_too_big(), local6(b->port()));
}

/// A buffer's datagrams, one by one.
std::vector<ByteVector> datagrams_of(const Received& received) {
  std::vector<ByteVector> out;
  const std::size_t stride =
      received.meta.segment_size == 0 ? received.bytes.size() : received.meta.segment_size;
  for (Bytes rest = received.bytes; !rest.empty();) {
    const Bytes one = rest.first(std::min(stride, rest.size()));
    out.push_back(to_vector(one));
    rest = rest.subspan(one.size());
  }
  return out;
}

// Whatever the kernel joins and splits, every receiver gets its datagrams, whole and in order.
TEST(UdpSocket, ManyInOneSendAndOneReceive) {
  const TestNamespace ns;
  for (const bool segment : {false, true}) {
    for (const bool group : {false, true}) {
      SCOPED_TRACE(testing::Message() << segment << group);
      auto a = UdpSocket::open(0, {.segment = segment, .group = group});
      auto b = UdpSocket::open(0, {.segment = segment, .group = group});
      auto c = UdpSocket::open_ipv4(0, {.segment = segment, .group = group});
      ASSERT_TRUE(a && b && c);
      EXPECT_EQ(a->settings().segment, segment);
      EXPECT_EQ(a->settings().group, group);
      SeededRng rng(7);
      std::vector<ByteVector> payloads;
      std::vector<OutgoingDatagrams> batch;
      std::vector<ByteVector> want_b;
      std::vector<ByteVector> want_c;
      // Sizes that repeat, fall and rise; now and then another receiver, mark or a ready run.
      for (std::size_t i = 0; i < 300; ++i) {
        const std::size_t size = i % 90 < 70 ? 1200 : 1200 - i % 7 + i % 3;
        ByteVector bytes(i % 50 == 49 ? 5 * 700 + 123 : size);
        rng.fill(bytes);
        payloads.push_back(std::move(bytes));
      }
      for (std::size_t i = 0; i < payloads.size(); ++i) {
        const bool to_c = i % 11 == 10;
        const std::uint16_t run = i % 50 == 49 ? 700 : 0;
        batch.push_back({payloads[i], to_c ? local4(c->port()) : local6(b->port()),
                         static_cast<std::uint8_t>(i % 100 == 3 ? 1 : 0), run});
        Received whole{payloads[i], {}};
        whole.meta.segment_size = run;
        for (auto& one : datagrams_of(whole)) (to_c ? want_c : want_b).push_back(one);
      }
      EXPECT_EQ(a->send(batch), batch.size());
      for (auto& [socket, want] : {std::pair(&*b, &want_b), std::pair(&*c, &want_c)}) {
        std::vector<ByteVector> got;
        while (got.size() < want->size() && wait_readable(socket->fd())) {
          for (const Received& r : receive(*socket, 1)) {
            for (auto& one : datagrams_of(r)) got.push_back(std::move(one));
          }
        }
        EXPECT_EQ(got, *want);
      }
      EXPECT_EQ(a->send_failures(), 0U);
    }
  }
}

// A run for which the path is too small is no loss of those of its datagrams that fit.
TEST(UdpSocket, ARunThatIsTooBigGoesOneByOne) {
  const TestNamespace ns;
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink->set_mtu(kLoopback, 1500));
  auto a = UdpSocket::open(0, {.segment = true});
  auto b = UdpSocket::open(0);
  const ByteVector payload(1473 * 3 + 100, std::byte{5});
  const OutgoingDatagrams run{payload, local4(b->port()), 2, 1473};
  EXPECT_EQ(a->send(std::span(&run, 1)), 1U);
  const auto got = receive(*b, 1);
  EXPECT_EQ(got.at(0).bytes.size(), 100U) << "the last one fits";
  EXPECT_EQ(got.at(0).meta.ecn, 2);
  EXPECT_EQ(a->send_failures(), 3U);
  EXPECT_EQ(a->take_too_big(), local4(b->port()));
  EXPECT_TRUE(a->settings().segment) << "which is no fault of the kernel's";
}

TEST(UdpSocket, AClosedPortDoesNotStopTheSocket) {
  const TestNamespace ns;
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  const OutgoingDatagrams batch[] = {{as_bytes("x"), local4(1), 0},
                                     {as_bytes("x"), local6(1), 0},
                                     {as_bytes("y"), local4(b->port()), 0}};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(a->send(batch), std::size(batch));
  receive(*b, 3);
}

/// A layer 2 interface on which nobody answers ARP: what is sent waits for the answer, and counts
/// as the socket's all that time.
TEST(UdpSocket, AFullBufferStopsTheBatch) {
  const TestNamespace ns;
  const UniqueFd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  request.ifr_flags = kTapFlags;
  ASSERT_EQ(::ioctl(tap.fd(), kTunSetInterface, &request), 0);
  const std::string name = request.ifr_name;
  const int index = static_cast<int>(::if_nametoindex(name.c_str()));
  std::ofstream("/proc/sys/net/ipv4/neigh/" + name + "/unres_qlen_bytes")
      << (1 << 30) << std::flush;
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink->set_link_up(index, {.mtu_bytes = 1400, .queue_packets = 500}));
  ASSERT_TRUE(netlink->add_address(index, *Ipv4::parse("10.9.0.1"), 24));
  auto a = UdpSocket::open(0);
  const ByteVector payload(1300);
  const std::vector<OutgoingDatagrams> batch(
      20000, OutgoingDatagrams{payload, *Endpoint::parse("10.9.0.2:9"), 0});
  const std::size_t taken = a->send(batch);
  EXPECT_GT(taken, 500U) << "the buffer was not enlarged";
  EXPECT_LT(taken, batch.size());
  EXPECT_EQ(a->send(std::span(batch).first(1)), 0U);
  EXPECT_EQ(a->send_failures(), 0U);
}

TEST(UdpSocket, APortThatIsTakenIsNamed) {
  const TestNamespace ns;
  const auto a = UdpSocket::open(0);
  for (const auto& second : {UdpSocket::open(a->port()), UdpSocket::open_ipv4(a->port())}) {
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::Busy);
    const std::string what(second.error().what);
    EXPECT_NE(what.find("UDP port " + std::to_string(a->port())), std::string::npos) << what;
    EXPECT_NE(what.find("--listen"), std::string::npos) << what;
  }
}

TEST(UdpSocket, AGroupSharesAPortAndLanesHaveTheirSocket) {
  const TestNamespace ns;
  constexpr UdpSocket::LaneSteering kSteering{.first_byte = 0xc4};
  auto group = UdpSocket::open_group(0, {}, 3, kSteering);
  ASSERT_TRUE(group);
  ASSERT_EQ(group->size(), 3U);
  for (const UdpSocket& socket : *group) EXPECT_EQ(socket.port(), group->front().port());
  auto a = UdpSocket::open(0);
  const struct {
    ByteVector bytes;
    std::size_t socket;
  } cases[] = {
      {*from_hex("c400"), 0}, {*from_hex("c401"), 0}, {*from_hex("c402"), 1},
      {*from_hex("c403"), 2}, {*from_hex("c404"), 0}, {*from_hex("c4ff"), 2},
      {*from_hex("c002"), 0}, {*from_hex("0402"), 0}, {*from_hex("c4"), 0},
  };
  for (const bool v6 : {false, true}) {
    for (const auto& c : cases) {
      SCOPED_TRACE(to_hex(c.bytes));
      const std::uint16_t port = group->front().port();
      const OutgoingDatagrams out{c.bytes, v6 ? local6(port) : local4(port), 0};
      ASSERT_EQ(a->send(std::span(&out, 1)), 1U);
      EXPECT_EQ(receive((*group)[c.socket], 1).at(0).bytes, c.bytes);
    }
  }
  // All of them answer from the one port.
  for (UdpSocket& socket : *group) {
    const OutgoingDatagrams out{as_bytes("x"), local4(a->port()), 0};
    ASSERT_EQ(socket.send(std::span(&out, 1)), 1U);
    EXPECT_EQ(receive(*a, 1).at(0).meta.from, local4(group->front().port()));
  }
}

TEST(UdpSocket, AGroupsPortIsNobodyElses) {
  const TestNamespace ns;
  const auto group = UdpSocket::open_group(0, {}, 2, {});
  ASSERT_TRUE(group);
  const auto second = UdpSocket::open_group(group->front().port(), {}, 2, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Busy);
  const auto one = UdpSocket::open_group(0, {}, 1, {});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 1U);
  EXPECT_FALSE(UdpSocket::open_group(one->front().port(), {}, 2, {}));
}

TEST(UdpSocket, Ipv4OnlySkipsIpv6) {
  const TestNamespace ns;
  auto a = UdpSocket::open_ipv4(0);
  auto b = UdpSocket::open_ipv4(0);
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(a->ipv4_only());
  const OutgoingDatagrams batch[] = {{as_bytes("6"), local6(b->port()), 1},
                                     {as_bytes("4"), local4(b->port()), 1}};
  EXPECT_EQ(a->send(batch), 2U);
  const auto got = receive(*b, 1);
  EXPECT_EQ(as_text(got.at(0).bytes), "4");
  EXPECT_EQ(got.at(0).meta.from, local4(a->port()));
  EXPECT_EQ(a->send_failures(), 1U);
}

TEST(UdpSocket, WorksWhereIpv6IsSwitchedOff) {
  const TestNamespace ns;
  std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1" << std::flush;
  auto a = UdpSocket::open(0);
  auto b = UdpSocket::open(0);
  ASSERT_TRUE(a && b);
  const OutgoingDatagrams batch[] = {{as_bytes("6"), local6(b->port()), 0},
                                     {as_bytes("4"), local4(b->port()), 0}};
  EXPECT_EQ(a->send(batch), 2U);
  EXPECT_EQ(as_text(receive(*b, 1).at(0).bytes), "4");
}

TEST(PathMtu, IsTheInterfaces) {
  const TestNamespace ns;
  EXPECT_EQ(path_mtu(local4(9)), std::uint16_t{65535});
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink->set_mtu(kLoopback, 1400));
  EXPECT_EQ(path_mtu(local4(9)), std::uint16_t{1400});
  EXPECT_EQ(path_mtu(local6(9)), std::uint16_t{1400});
  for (const char* nowhere : {"192.0.2.1:9", "[2001:db8::1]:9", "255.255.255.255:9"}) {
    const auto mtu = path_mtu(*Endpoint::parse(nowhere));
    ASSERT_FALSE(mtu) << nowhere;
    EXPECT_EQ(mtu.error().code, Errc::NotFound);
  }
}

}  // namespace
}  // namespace ipop::os
