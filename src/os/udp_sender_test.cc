#include "os/udp_sender.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "os/netlink.h"
#include "os/test_support.h"

namespace ipop::os {
namespace {

TEST(UdpSender, SendsFromTheSocketsPort) {
  const TestNamespace ns;
  for (const bool ipv4_only : {false, true}) {
    auto from = ipv4_only ? UdpSocket::open_ipv4(0) : UdpSocket::open(0);
    auto to = UdpSocket::open(0);
    ASSERT_TRUE(from && to);
    const UdpSender sender(*from);
    const Endpoint target{*Ipv4::parse("127.0.0.1"), to->port()};
    std::jthread([&] { EXPECT_TRUE(sender.send(target, as_bytes("hello"))); }).join();
    ASSERT_TRUE(wait_readable(to->fd()));
    const auto packet = std::make_unique<Packet>();
    ReceivedMeta meta;
    ASSERT_EQ(to->receive(std::span(packet.get(), 1), std::span(&meta, 1)), 1U);
    EXPECT_EQ(as_text(packet->data()), "hello");
    EXPECT_EQ(meta.from.port, from->port());
    const Endpoint target6{*Ipv6::parse("::1"), to->port()};
    EXPECT_EQ(sender.send(target6, as_bytes("6")).has_value(), !ipv4_only);
  }
}

TEST(UdpSender, SaysWhatTheKernelRefused) {
  const TestNamespace ns;
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink->set_mtu(1, 1500));
  const auto socket = UdpSocket::open(0);
  const UdpSender sender(*socket);
  const ByteVector large(1473);
  EXPECT_EQ(sender.send(*Endpoint::parse("127.0.0.1:9"), large).error().code, Errc::Busy);
  EXPECT_EQ(sender.send(*Endpoint::parse("192.0.2.1:9"), large).error().code, Errc::Os);
}

}  // namespace
}  // namespace ipop::os
