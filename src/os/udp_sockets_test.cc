#include "os/udp_sockets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "os/test_support.h"

namespace ipop::os {
namespace {

constexpr SocketId kSpare{7};

Endpoint local(std::uint16_t port) { return {*Ipv4::parse("127.0.0.1"), port}; }

std::vector<std::pair<std::string, SocketId>> receive(UdpSockets& sockets, std::size_t room) {
  const auto packets = std::make_unique<std::array<Packet, 4>>();
  std::array<ReceivedMeta, 4> meta;
  std::vector<std::pair<std::string, SocketId>> out;
  const std::size_t n = sockets.receive(std::span(*packets).first(room), meta);
  for (std::size_t i = 0; i < n; ++i) {
    out.emplace_back(as_text((*packets)[i].data()), meta[i].socket);
  }
  return out;
}

struct Bench {
  const TestNamespace ns;
  UdpSocket far = *UdpSocket::open(0);
  UdpSockets near = UdpSockets(*UdpSocket::open(0));
  std::uint16_t spare_port = 0;

  Bench() {
    UdpSocket spare = *UdpSocket::open(0);
    spare_port = spare.port();
    near.add(kSpare, std::move(spare));
  }
  void send(std::uint16_t port, std::string_view text) {
    const OutgoingDatagrams one{as_bytes(text), local(port)};
    ASSERT_EQ(far.send(std::span(&one, 1)), 1U);
  }
};

TEST(UdpSockets, TellByWhichADatagramCame) {
  Bench b;
  b.send(b.near.main().port(), "main");
  b.send(b.spare_port, "spare");
  ASSERT_TRUE(wait_readable(b.near.main().fd()) && wait_readable(*b.near.fd(kSpare)));
  auto got = receive(b.near, 4);
  std::ranges::sort(got);
  using Got = std::vector<std::pair<std::string, SocketId>>;
  EXPECT_EQ(got, (Got{{"main", kMainSocket}, {"spare", kSpare}}));
  EXPECT_TRUE(receive(b.near, 4).empty());
}

TEST(UdpSockets, NoneIsKeptWaitingByAnother) {
  Bench b;
  for (int i = 0; i < 20; ++i) b.send(b.near.main().port(), "main");
  b.send(b.spare_port, "spare");
  ASSERT_TRUE(wait_readable(b.near.main().fd()) && wait_readable(*b.near.fd(kSpare)));
  std::vector<std::string> first;
  for (int i = 0; i < 2; ++i) {
    for (const auto& [text, id] : receive(b.near, 4)) first.push_back(text);
  }
  EXPECT_NE(std::ranges::find(first, "spare"), first.end());
}

TEST(UdpSockets, SendEachByItsOwnAndInOrder) {
  Bench b;
  const Endpoint to = local(b.far.port());
  std::vector<OutgoingDatagrams> batch;
  for (const char* text : {"a", "b", "c", "d"}) {
    const bool by_spare = text[0] == 'b' || text[0] == 'c';
    batch.push_back({.bytes = as_bytes(text), .to = to, .socket = by_spare ? kSpare : kMainSocket});
  }
  EXPECT_EQ(b.near.send(batch), 4U);
  const auto packets = std::make_unique<std::array<Packet, 4>>();
  std::array<ReceivedMeta, 4> meta;
  std::string seen;
  while (seen.size() < 4 && wait_readable(b.far.fd())) {
    const std::size_t n = b.far.receive(*packets, meta);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string text(as_text((*packets)[i].data()));
      const bool by_spare = text == "b" || text == "c";
      EXPECT_EQ(meta[i].from.port, by_spare ? b.spare_port : b.near.main().port()) << text;
      seen += text;
    }
  }
  EXPECT_EQ(seen, "abcd");
}

TEST(UdpSockets, WhatIsForOneThatIsGoneIsLost) {
  Bench b;
  b.near.remove(kSpare);
  EXPECT_FALSE(b.near.fd(kSpare));
  const Endpoint to = local(b.far.port());
  const OutgoingDatagrams batch[] = {{.bytes = as_bytes("gone"), .to = to, .socket = kSpare},
                                     {.bytes = as_bytes("main"), .to = to}};
  EXPECT_EQ(b.near.send(batch), 2U);
  ASSERT_TRUE(wait_readable(b.far.fd()));
  const auto packets = std::make_unique<std::array<Packet, 4>>();
  std::array<ReceivedMeta, 4> meta;
  ASSERT_EQ(b.far.receive(*packets, meta), 1U);
  EXPECT_EQ(as_text((*packets)[0].data()), "main");
}

// What waits in the socket's queue when the group is made stays with the first.
TEST(UdpSockets, AnOpenSocketBecomesAGroup) {
  const TestNamespace ns;
  UdpSocket far = *UdpSocket::open(0);
  UdpSocket first = *UdpSocket::open(0);
  const std::uint16_t port = first.port();
  const auto send = [&](std::uint8_t lane) {
    const std::array bytes{std::byte{0xd0}, std::byte{lane}};
    const OutgoingDatagrams one{bytes, local(port)};
    ASSERT_EQ(far.send(std::span(&one, 1)), 1U);
  };
  send(2);
  ASSERT_TRUE(wait_readable(first.fd()));
  auto group = UdpSocket::make_group(std::move(first), 2, {.first_byte = 0xd0});
  ASSERT_TRUE(group) << group.error().what;
  ASSERT_EQ(group->size(), 2U);
  for (const int lane : {1, 2, 3, 4}) send(static_cast<std::uint8_t>(lane));
  const auto packets = std::make_unique<std::array<Packet, 8>>();
  std::array<ReceivedMeta, 8> meta;
  const std::string wanted[] = {"\x02\x01\x03", "\x02\x04"};
  for (const std::size_t i : {0U, 1U}) {
    std::string lanes;
    while (lanes.size() < wanted[i].size() && wait_readable((*group)[i].fd())) {
      const std::size_t n = (*group)[i].receive(*packets, meta);
      for (std::size_t k = 0; k < n; ++k) lanes += as_text((*packets)[k].data())[1];
    }
    EXPECT_EQ(lanes, wanted[i]);
  }
}

}  // namespace
}  // namespace ipop::os
