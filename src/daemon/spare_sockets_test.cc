#include "daemon/spare_sockets.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "os/test_support.h"

namespace ipop::daemon {
namespace {

constexpr SocketId kSpare{7};

/// Two packet threads of one port, spare sockets beside it, and somebody far away.
class Spares : public testing::Test {
 protected:
  void SetUp() override {
    auto sockets = os::UdpSocket::open_group(0, {}, 2, {.first_byte = 0xc4});
    ASSERT_TRUE(sockets);
    auto threads = PacketThreads::start(std::move(*sockets));
    ASSERT_TRUE(threads);
    threads_ = *std::move(threads);
    auto spares = SpareSockets::create({}, *threads_);
    ASSERT_TRUE(spares);
    spares_.emplace(*std::move(spares));
    auto far = os::UdpSocket::open(0);
    ASSERT_TRUE(far);
    far_.emplace(*std::move(far));
  }

  /// The port from which the spare socket sends; 0: nothing came.
  std::uint16_t port_of_spare() {
    if (!spares_->send(kSpare, local(far_->port()), as_bytes("call"))) return 0;
    const auto packet = std::make_unique<Packet>();
    ReceivedMeta meta;
    if (!os::wait_readable(far_->fd())) return 0;
    if (far_->receive(std::span(packet.get(), 1), std::span(&meta, 1)) != 1) return 0;
    return meta.from.port;
  }
  void send(std::uint16_t port, std::string_view text) {
    const OutgoingDatagrams one{.bytes = as_bytes(text), .to = local(port)};
    ASSERT_EQ(far_->send(std::span(&one, 1)), 1U);
  }
  /// The next datagram that is for the engine, and the socket that it came to.
  std::pair<std::string, SocketId> next() {
    if (!os::wait_readable(threads_->fd())) return {};
    for (const dataplane::Event& event : threads_->take_events()) {
      const auto* datagram = std::get_if<dataplane::DatagramEvent>(&event);
      if (datagram != nullptr) {
        return {std::string(as_text(datagram->datagram)), datagram->from.socket()};
      }
    }
    return {};
  }
  static Endpoint local(std::uint16_t port) { return {*Ipv4::parse("127.0.0.1"), port}; }

  const os::TestNamespace ns_;
  std::unique_ptr<PacketThreads> threads_;
  std::optional<SpareSockets> spares_;
  std::optional<os::UdpSocket> far_;
};

TEST_F(Spares, WhatComesToOneIsSaidToHaveComeToIt) {
  spares_->open(kSpare);
  const std::uint16_t port = port_of_spare();
  ASSERT_NE(port, 0);
  EXPECT_NE(port, threads_->port());
  send(port, "answer");
  ASSERT_TRUE(os::wait_readable(spares_->fd()));
  spares_->process();
  EXPECT_EQ(next(), (std::pair{std::string("answer"), kSpare}));
}

TEST_F(Spares, AnAdoptedOneIsTheThreadsAndKeepsItsPort) {
  spares_->open(kSpare);
  const std::uint16_t port = port_of_spare();
  send(port, "waits");
  ASSERT_TRUE(os::wait_readable(spares_->fd()));
  spares_->adopt(kSpare);
  spares_->adopt(kSpare);
  EXPECT_EQ(next(), (std::pair{std::string("waits"), kSpare})) << "nothing is lost by it";
  EXPECT_EQ(port_of_spare(), port) << "control still sends from it";
  send(port, "more");
  EXPECT_EQ(next(), (std::pair{std::string("more"), kSpare}));
  EXPECT_FALSE(os::is_readable(spares_->fd()));
}

TEST_F(Spares, AClosedOneIsNone) {
  for (const bool adopted : {false, true}) {
    spares_->open(kSpare);
    ASSERT_NE(port_of_spare(), 0);
    if (adopted) spares_->adopt(kSpare);
    spares_->close(kSpare);
    spares_->close(kSpare);
    EXPECT_FALSE(spares_->send(kSpare, local(far_->port()), as_bytes("call")));
    spares_->process();
  }
  send(threads_->port(), "main");
  EXPECT_EQ(next(), (std::pair{std::string("main"), kMainSocket}));
}

}  // namespace
}  // namespace ipop::daemon
