#include "daemon/stream_thread.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "os/clock.h"
#include "os/tcp_socket.h"
#include "os/test_support.h"

namespace ipop::daemon {
namespace {

using namespace std::chrono_literals;

/// One computer's packet threads and TLS connections.
struct Machine {
  explicit Machine(StreamThread::Options options) {
    std::vector<os::UdpSocket> sockets;
    sockets.push_back(std::move(*os::UdpSocket::open(0)));
    packets = std::move(*PacketThreads::start(std::move(sockets)));
    streams = std::move(*StreamThread::start(std::move(options), *packets));
  }

  std::unique_ptr<PacketThreads> packets;
  std::unique_ptr<StreamThread> streams;
};

template <class Done>
bool eventually(Done done) {
  const Instant end = os::now().at + 20s;
  while (os::now().at < end) {
    if (done()) return true;
    std::this_thread::yield();
  }
  return done();
}

class StreamThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = os::listen_tcp(0);
    ASSERT_TRUE(listener);
    here_ = {Ipv4{0x7f000001}, os::tcp_port(*listener)};
    server_.emplace(StreamThread::Options{.listener = std::move(*listener)});
    client_.emplace(StreamThread::Options{});
  }
  /// The next datagram for the engine, and the way by which it came.
  static std::optional<dataplane::DatagramEvent> heard(Machine& machine) {
    std::optional<dataplane::DatagramEvent> out;
    eventually([&] {
      for (auto& event : machine.packets->take_events()) {
        if (auto* d = std::get_if<dataplane::DatagramEvent>(&event)) out = std::move(*d);
      }
      return out.has_value();
    });
    return out;
  }
  template <class Event>
  static std::optional<Event> told(Machine& machine) {
    std::optional<Event> out;
    eventually([&] {
      for (auto& event : machine.streams->take_events()) {
        if (auto* e = std::get_if<Event>(&event)) out = std::move(*e);
      }
      return out.has_value();
    });
    return out;
  }

  const os::TestNamespace ns_;
  Endpoint here_;
  std::optional<Machine> server_;
  std::optional<Machine> client_;
};

TEST_F(StreamThreadTest, ADatagramGoesThereAndItsAnswerBack) {
  client_->streams->open(here_);
  const auto up = told<StreamThread::Up>(*client_);
  ASSERT_TRUE(up);
  EXPECT_EQ(up->to, here_);
  client_->streams->send(here_, to_vector(as_bytes("question")));
  const auto question = heard(*server_);
  ASSERT_TRUE(question);
  EXPECT_EQ(as_text(question->datagram), "question");
  ASSERT_TRUE(question->from.is_stream());
  server_->streams->send(question->from.endpoint(), to_vector(as_bytes("answer")));
  const auto answer = heard(*client_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(as_text(answer->datagram), "answer");
  EXPECT_EQ(answer->from, Way::stream(here_));

  client_->streams->open(here_);
  EXPECT_TRUE(told<StreamThread::Up>(*client_)) << "it is up, and is said to be";
  client_->streams->close(here_);
  const auto down = told<StreamThread::Down>(*client_);
  ASSERT_TRUE(down);
  EXPECT_EQ(down->remote, here_);
  const auto gone = told<StreamThread::Down>(*server_);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->remote, question->from.endpoint());
}

TEST_F(StreamThreadTest, WhatAWorkerSendsGoesOut) {
  client_->streams->open(here_);
  ASSERT_TRUE(told<StreamThread::Up>(*client_));
  ASSERT_TRUE(client_->packets->streams(0).push(here_, as_bytes("from a worker")));
  client_->packets->streams_wakeup().notify();
  const auto got = heard(*server_);
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(got->datagram), "from a worker");
}

TEST_F(StreamThreadTest, WhereNobodyIsIsSaid) {
  const Endpoint nobody{Ipv4{0x7f000001}, 9};
  client_->streams->open(nobody);
  const auto down = told<StreamThread::Down>(*client_);
  ASSERT_TRUE(down);
  EXPECT_EQ(down->remote, nobody);
  EXPECT_TRUE(down->problem.empty());
}

bool is_closed(const os::UniqueFd& socket) {
  char byte = 0;
  const ssize_t n = ::recv(socket.fd(), &byte, 1, MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

std::size_t count_closed(const std::vector<os::UniqueFd>& sockets) {
  return static_cast<std::size_t>(std::ranges::count_if(sockets, is_closed));
}

/// Each is asked of the proxy, at an address of its name.
TEST_F(StreamThreadTest, DialsThroughAProxyThatHasAName) {
  auto proxy = os::listen_tcp(0);
  ASSERT_TRUE(proxy);
  Machine machine({.proxy = os::HttpProxy{"localhost", os::tcp_port(*proxy)}});
  for (std::uint16_t port = 1; port <= 3; ++port) machine.streams->open({Ipv4{0xc0000207}, port});
  std::vector<os::AcceptedTcp> asked;
  EXPECT_TRUE(eventually([&] {
    if (auto one = os::accept_tcp(*proxy)) asked.push_back(std::move(*one));
    return asked.size() == 3;
  }));
  asked.clear();
  const auto down = told<StreamThread::Down>(machine);
  ASSERT_TRUE(down);
  EXPECT_EQ(down->problem, "") << "that it hangs up may be the target's fault";
}

TEST_F(StreamThreadTest, SaysThatTheProxyIsNotThere) {
  Machine machine({.proxy = os::HttpProxy{"127.0.0.1", 9}});
  machine.streams->open(here_);
  const auto down = told<StreamThread::Down>(machine);
  ASSERT_TRUE(down);
  EXPECT_TRUE(down->problem.starts_with("the proxy: ")) << down->problem;
}

/// Of one address so many are held that were not answered; one that says nothing does not count
/// less.
TEST_F(StreamThreadTest, StrangersOfOneAddressHaveSoManyPlaces) {
  constexpr std::size_t kCalls = 3 * StreamThread::kStrangersOfOneMax;
  std::vector<os::UniqueFd> sockets;
  for (std::size_t i = 0; i < kCalls; ++i) {
    sockets.push_back(std::move(*os::connect_tcp(here_)));
  }
  constexpr std::size_t kRefused = kCalls - StreamThread::kStrangersOfOneMax;
  ASSERT_TRUE(eventually([&] { return count_closed(sockets) >= kRefused; }));
  // The rest is held: what a member says behind it is heard.
  EXPECT_EQ(count_closed(sockets), kRefused);
}

/// A connection of 127.0.0.`host`.
os::UniqueFd call_from(std::uint8_t host, const Endpoint& to) {
  os::UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(0x7f000000U + host);
  sockaddr_in there = from;
  there.sin_addr.s_addr = htonl(to.address.v4().value);
  there.sin_port = htons(to.port);
  const auto* source = reinterpret_cast<const sockaddr*>(&from);
  const auto* target = reinterpret_cast<const sockaddr*>(&there);
  EXPECT_EQ(::bind(out.fd(), source, sizeof from), 0);
  EXPECT_EQ(::connect(out.fd(), target, sizeof there), 0);
  return out;
}

/// As many addresses as fill every place, each with all that it may have: who comes then is let in
/// at the cost of one of them.
TEST_F(StreamThreadTest, AFullHouseTakesOneMore) {
  constexpr std::size_t kOrigins = StreamThread::kStrangersMax / StreamThread::kStrangersOfOneMax;
  std::vector<os::UniqueFd> held;
  for (std::size_t i = 0; i < StreamThread::kStrangersMax; ++i) {
    held.push_back(call_from(static_cast<std::uint8_t>(2 + i % kOrigins), here_));
  }
  client_->streams->open(here_);
  ASSERT_TRUE(told<StreamThread::Up>(*client_));
  client_->streams->send(here_, to_vector(as_bytes("me too")));
  ASSERT_TRUE(heard(*server_));
  EXPECT_EQ(count_closed(held), 1U);
}

TEST_F(StreamThreadTest, AStrangerIsHeardSoOftenAndNotMore) {
  client_->streams->open(here_);
  ASSERT_TRUE(told<StreamThread::Up>(*client_));
  for (int i = 0; i < 4 * StreamThread::kUnansweredMax; ++i) {
    client_->streams->send(here_, to_vector(as_bytes("let me in")));
  }
  EXPECT_TRUE(told<StreamThread::Down>(*client_));
  std::size_t arrived = 0;
  EXPECT_TRUE(eventually([&] {
    arrived += server_->packets->take_events().size();
    return arrived >= static_cast<std::size_t>(StreamThread::kUnansweredMax);
  }));
  for (auto events = server_->packets->take_events(); !events.empty();
       events = server_->packets->take_events()) {
    arrived += events.size();
  }
  EXPECT_EQ(arrived, static_cast<std::size_t>(StreamThread::kUnansweredMax));
}

}  // namespace
}  // namespace ipop::daemon
