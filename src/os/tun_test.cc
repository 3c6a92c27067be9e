#include "os/tun.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "os/netlink.h"
#include "os/test_support.h"
#include "os/udp_socket.h"

namespace ipop::os {
namespace {

const Ipv4 kOurs = *Ipv4::parse("10.9.0.1");
const Ipv4 kTheirs = *Ipv4::parse("10.9.0.2");

void bring_up(const Tun& tun) {
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink->set_link_up(tun.ifindex(), {.mtu_bytes = 1400, .queue_packets = 500}));
  ASSERT_TRUE(netlink->add_address(tun.ifindex(), kOurs, 24));
}

/// Turns a UDP packet around: addresses and ports change places, so both checksums stay right.
void turn_around(MutableBytes ip) {
  std::swap_ranges(ip.begin() + 12, ip.begin() + 16, ip.begin() + 16);
  std::swap_ranges(ip.begin() + 20, ip.begin() + 22, ip.begin() + 22);
}

bool write_whole(Tun& tun, Bytes packet) { return tun.write({.parts = std::span(&packet, 1)}); }

TEST(Tun, TakesTheFirstFreeName) {
  const TestNamespace ns;
  auto first = Tun::open("");
  ASSERT_TRUE(first) << first.error().what;
  auto second = Tun::open("");
  ASSERT_TRUE(second);
  EXPECT_EQ(first->name(), "ipop0");
  EXPECT_EQ(second->name(), "ipop1");
  EXPECT_NE(first->ifindex(), second->ifindex());
  EXPECT_EQ(::if_nametoindex("ipop0"), static_cast<unsigned>(first->ifindex()));
  first = Tun::open("game%d");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name(), "game0");
  EXPECT_EQ(::if_nametoindex("ipop0"), 0U) << "it goes away with its object";
}

TEST(Tun, ANameThatIsTakenIsNamed) {
  const TestNamespace ns;
  const auto first = Tun::open("room");
  ASSERT_TRUE(first);
  for (const char* name : {"room", "lo"}) {
    const auto second = Tun::open(name);
    ASSERT_FALSE(second) << name;
    EXPECT_EQ(second.error().code, Errc::Busy);
    EXPECT_NE(second.error().what.find(std::string("interface ") + name), std::string_view::npos)
        << second.error().what;
  }
}

TEST(Tun, RefusesWhatIsNoName) {
  const TestNamespace ns;
  for (const char* name : {".", "..", "a/b", "a b", "a:b", "a\n", "%s", "a%", "%d%d", "a%dd%",
                           "sixteen-letters-", "ipop\xc3\xa9", "\x7f", " "}) {
    const auto tun = Tun::open(name);
    ASSERT_FALSE(tun) << name;
    EXPECT_EQ(tun.error().code, Errc::BadValue) << name;
  }
  EXPECT_TRUE(Tun::open("fifteen-letters"));
}

TEST(Tun, CarriesPacketsBothWays) {
  const TestNamespace ns;
  auto tun = Tun::open("");
  ASSERT_TRUE(tun);
  ASSERT_NO_FATAL_FAILURE(bring_up(*tun));
  auto socket = UdpSocket::open(0);
  std::vector<std::string> payloads;
  for (int i = 0; i < 100; ++i) payloads.push_back("packet " + std::to_string(i));
  std::vector<OutgoingDatagrams> batch;
  for (const std::string& p : payloads) batch.push_back({as_bytes(p), {kTheirs, 9}, 0});
  ASSERT_EQ(socket->send(batch), batch.size());

  const auto packets = std::make_unique<std::array<Packet, 64>>();
  std::array<ReceivedMeta, 64> meta;
  std::array<Offload, 64> left;
  std::size_t seen = 0;
  while (seen < payloads.size() && wait_readable(tun->fd())) {
    const std::size_t n = tun->read(*packets, left);
    for (std::size_t i = 0; i < n; ++i) {
      Packet& packet = (*packets)[i];
      ASSERT_EQ(packet.data()[0], std::byte{0x45});
      ASSERT_EQ(as_text(packet.data().subspan(28)), payloads[seen++]);
      turn_around(packet.data());
      EXPECT_TRUE(left[i] == Offload{}) << "nothing was offered to the kernel";
      EXPECT_TRUE(write_whole(*tun, packet.data()));
    }
  }
  EXPECT_EQ(tun->read(*packets, left), 0U);
  EXPECT_EQ(tun->read({}, left), 0U);
  EXPECT_EQ(tun->read(*packets, {}), 0U);
  for (seen = 0; seen < payloads.size() && wait_readable(socket->fd());) {
    const std::size_t n = socket->receive(*packets, meta);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(as_text((*packets)[i].data()), payloads[seen++]);
      EXPECT_EQ(meta[i].from, (Endpoint{kTheirs, 9}));
    }
  }
}

TEST(Tun, KnowsThatItsInterfaceWasDeleted) {
  const TestNamespace ns;
  auto tun = Tun::open("");
  ASSERT_TRUE(tun);
  ASSERT_NO_FATAL_FAILURE(bring_up(*tun));
  const auto packets = std::make_unique<std::array<Packet, 1>>();
  std::array<Offload, 1> left;
  while (tun->read(*packets, left) != 0) {}
  EXPECT_FALSE(tun->is_deleted()) << "it is only quiet";
  ASSERT_EQ(std::system("ip link delete ipop0"), 0);  // NOLINT(cert-env33-c)
  EXPECT_EQ(tun->read(*packets, left), 0U);
  EXPECT_TRUE(tun->is_deleted());
}

// Sent as one, carried as one where the kernel does that, and received whole again.
TEST(Tun, LargePacketsBothWays) {
  const TestNamespace ns;
  auto queues = Tun::open_queues("", {.tcp = true, .udp = true});
  ASSERT_TRUE(queues);
  Tun& tun = queues->front();
  EXPECT_TRUE(tun.offloads().checksum && tun.offloads().tcp) << "every kernel since 2.6.27";
  ASSERT_NO_FATAL_FAILURE(bring_up(tun));
  auto socket = UdpSocket::open(0, {.segment = true, .group = true});
  constexpr std::size_t kSize = 1000;
  constexpr std::size_t kCount = 44;
  ByteVector payload(kSize * kCount);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::byte>(i * 3 / 7);
  const OutgoingDatagrams run{payload, {kTheirs, 9}, 0, kSize};
  ASSERT_EQ(socket->send(std::span(&run, 1)), 1U);

  const auto packets = std::make_unique<std::array<Packet, 64>>();
  std::array<Offload, 64> left;
  std::size_t carried = 0;
  while (carried < payload.size() && wait_readable(tun.fd())) {
    const std::size_t n = tun.read(*packets, left);
    for (std::size_t i = 0; i < n; ++i) {
      const MutableBytes packet = (*packets)[i].data();
      carried += packet.size() - 28;
      EXPECT_EQ(left[i].segmentation == Segmentation::Udp, tun.offloads().udp);
      EXPECT_EQ(left[i].segment_size, tun.offloads().udp ? kSize : 0U);
      if (left[i].checksum_partial) {
        EXPECT_EQ(left[i].checksum_start, 20);
        EXPECT_EQ(left[i].checksum_offset, 6);
      }
      turn_around(packet);
      // In parts that have nothing to do with the segments.
      const Bytes parts[] = {packet.first(33), packet.subspan(33, 9), packet.subspan(42)};
      EXPECT_TRUE(tun.write({.parts = parts, .header_size = 28, .offload = left[i]}));
    }
  }
  std::array<ReceivedMeta, 64> meta;
  ByteVector got;
  while (got.size() < payload.size() && wait_readable(socket->fd())) {
    const std::size_t n = socket->receive(*packets, meta);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_TRUE(meta[i].segment_size == 0 || meta[i].segment_size == kSize);
      append(got, (*packets)[i].data());
    }
  }
  EXPECT_EQ(got, payload);
}

TEST(Tun, SeveralQueuesAreOneInterface) {
  const TestNamespace ns;
  auto queues = Tun::open_queues("room", {.tcp = true, .udp = true, .queues = 3});
  ASSERT_TRUE(queues) << queues.error().what;
  ASSERT_EQ(queues->size(), 3U);
  ASSERT_NO_FATAL_FAILURE(bring_up(queues->front()));
  // Many flows, so that the kernel uses every queue.
  std::vector<UdpSocket> sockets;
  for (int i = 0; i < 60; ++i) {
    sockets.push_back(std::move(*UdpSocket::open(0)));
    const OutgoingDatagrams out{as_bytes("x"), {kTheirs, 9}, 0};
    ASSERT_EQ(sockets.back().send(std::span(&out, 1)), 1U);
  }
  const auto packets = std::make_unique<std::array<Packet, 64>>();
  std::array<Offload, 64> left;
  std::size_t total = 0;
  for (Tun& queue : *queues) {
    EXPECT_EQ(queue.ifindex(), queues->front().ifindex());
    EXPECT_TRUE(queue.offloads() == queues->front().offloads());
    const std::size_t n = queue.read(*packets, left);
    EXPECT_GT(n, 0U);
    total += n;
  }
  EXPECT_EQ(total, sockets.size());
  queues->erase(queues->begin());
  EXPECT_NE(::if_nametoindex("room"), 0U);
  queues->clear();
  EXPECT_EQ(::if_nametoindex("room"), 0U) << "it goes away with its last queue";
}

TEST(Tun, TheKernelRefusesGarbage) {
  const TestNamespace ns;
  auto tun = Tun::open("");
  ByteVector packet(40);
  packet[0] = std::byte{0x45};
  EXPECT_FALSE(write_whole(*tun, packet)) << "the interface is down";
  ASSERT_NO_FATAL_FAILURE(bring_up(*tun));
  EXPECT_TRUE(write_whole(*tun, packet));  // the kernel drops it later, silently
  packet[0] = std::byte{0x00};
  EXPECT_FALSE(write_whole(*tun, packet));
  EXPECT_FALSE(write_whole(*tun, {}));
}

/// Runs `body` in a child, because it gives rights up for good; returns its exit code.
int in_child(int (*body)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Tun, WithoutRightsItSaysSo) {
  EXPECT_EQ(in_child([] {
              if (::setresgid(65534, 65534, 65534) != 0) return 2;
              if (::setresuid(65534, 65534, 65534) != 0) return 3;
              const auto tun = Tun::open("");
              if (tun) return 4;
              return tun.error().code == Errc::Denied ? 0 : 5;
            }),
            0);
}

TEST(Tun, WithoutTheDriverItSaysWhatToLoad) {
  EXPECT_EQ(in_child([] {
              if (::unshare(CLONE_NEWNS) != 0) return 2;
              if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 3;
              if (::mount("none", "/dev/net", "tmpfs", 0, nullptr) != 0) return 4;
              const auto tun = Tun::open("");
              if (tun || tun.error().code != Errc::Unsupported) return 5;
              return tun.error().what.find("modprobe tun") != std::string_view::npos ? 0 : 6;
            }),
            0);
}

}  // namespace
}  // namespace ipop::os
