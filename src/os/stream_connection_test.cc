#include "os/stream_connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "os/clock.h"
#include "os/tcp_socket.h"

namespace ipop::os {
namespace {

using namespace std::chrono_literals;
using State = StreamConnection::State;

const TlsContext& server_context() {
  static const TlsContext context = std::move(*TlsContext::server());
  return context;
}
const TlsContext& client_context() {
  static const TlsContext context = std::move(*TlsContext::client());
  return context;
}

ByteVector datagram(std::size_t size, unsigned fill) {
  return ByteVector(size, static_cast<std::byte>(fill));
}

/// A listener on loopback and both ends of connections to it. The clock is the test's.
class StreamConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = listen_tcp(0);
    ASSERT_TRUE(made);
    listener_ = std::move(*made);
  }
  Endpoint here() const { return {Ipv4{0x7f000001}, tcp_port(listener_)}; }
  UniqueFd dial() const { return std::move(*connect_tcp(here())); }
  AcceptedTcp take() const {
    for (;;) {
      if (auto accepted = accept_tcp(listener_)) return std::move(*accepted);
      std::this_thread::yield();
    }
  }
  /// Lets both ends do what they can until `done`, or for a generous while of real time.
  template <class Done>
  bool run(StreamConnection& a, StreamConnection& b, Done done) {
    const Instant end = now().at + 20s;
    while (now().at < end) {
      for (StreamConnection* c : {&a, &b}) {
        while (c->handle_ready(at_, true, true)) { take_from(*c); }
        take_from(*c);
      }
      if (done()) return true;
      std::this_thread::yield();
    }
    return done();
  }
  void take_from(StreamConnection& c) {
    while (const auto d = c.next()) received_.push_back(to_vector(*d));
  }

  Instant at_ = Instant(Duration(1h));
  UniqueFd listener_;
  std::vector<ByteVector> received_;
};

TEST_F(StreamConnectionTest, CarriesDatagramsBothWays) {
  StreamConnection client = StreamConnection::dialled(at_, dial(), here(), client_context(), {});
  AcceptedTcp accepted = take();
  StreamConnection server =
      StreamConnection::accepted(at_, std::move(accepted.socket), accepted.from, server_context());
  ASSERT_TRUE(run(client, server,
                  [&] { return client.state() == State::Open && server.state() == State::Open; }));
  EXPECT_FALSE(server.is_greeted());
  std::vector<ByteVector> sent;
  for (unsigned i = 1; i <= 20; ++i) sent.push_back(datagram(i * 100, i));
  for (const ByteVector& d : sent) EXPECT_TRUE(client.send(at_, d));
  ASSERT_TRUE(run(client, server, [&] { return received_.size() == sent.size(); }));
  EXPECT_EQ(received_, sent);
  received_.clear();
  EXPECT_TRUE(server.send(at_, datagram(kStreamDatagramMax, 9)));
  EXPECT_TRUE(server.is_greeted());
  ASSERT_TRUE(run(client, server, [&] { return received_.size() == 1; }));
  EXPECT_EQ(received_[0], datagram(kStreamDatagramMax, 9));
  client.close();
  ASSERT_TRUE(run(client, server, [&] { return server.state() == State::Over; }));
}

/// Whoever does not read costs a bounded queue, and what got old in it is not sent any more.
TEST_F(StreamConnectionTest, DropsWhatFindsNoRoomAndWhatIsLate) {
  StreamConnection client = StreamConnection::dialled(at_, dial(), here(), client_context(), {});
  AcceptedTcp accepted = take();
  StreamConnection server =
      StreamConnection::accepted(at_, std::move(accepted.socket), accepted.from, server_context());
  ASSERT_TRUE(run(client, server, [&] { return client.state() == State::Open; }));
  const ByteVector large = datagram(2000, 1);
  std::size_t taken = 0;
  // The kernel's buffers on both sides are some megabytes at most.
  while (taken < 20'000 && client.send(at_, large)) ++taken;
  EXPECT_LT(taken, 20'000U);
  EXPECT_FALSE(client.send(at_, large));
  at_ += StreamConnection::kLate;
  EXPECT_TRUE(client.send(at_, datagram(3, 7))) << "what is late makes room";
  ASSERT_TRUE(run(client, server,
                  [&] { return !received_.empty() && received_.back() == datagram(3, 7); }));
  EXPECT_LT(received_.size(), taken + 1);
  EXPECT_GE(received_.size() + StreamConnection::kQueueBytesMax / large.size(), taken);
}

TEST_F(StreamConnectionTest, HasNoPatienceWithStrangers) {
  UniqueFd silent = dial();
  AcceptedTcp accepted = take();
  StreamConnection mute =
      StreamConnection::accepted(at_, std::move(accepted.socket), accepted.from, server_context());
  EXPECT_FALSE(mute.handle_ready(at_, true, true));
  EXPECT_EQ(mute.deadline(), at_ + StreamConnection::kOpenTime);
  mute.handle_timeout(at_ + StreamConnection::kOpenTime - 1ns);
  EXPECT_EQ(mute.state(), State::Shaking);
  mute.handle_timeout(at_ + StreamConnection::kOpenTime);
  EXPECT_EQ(mute.state(), State::Over);

  // One that finishes the handshake and is not answered.
  StreamConnection client = StreamConnection::dialled(at_, dial(), here(), client_context(), {});
  AcceptedTcp other = take();
  StreamConnection server =
      StreamConnection::accepted(at_, std::move(other.socket), other.from, server_context());
  ASSERT_TRUE(run(client, server, [&] { return server.state() == State::Open; }));
  EXPECT_EQ(server.deadline(), at_ + StreamConnection::kGreetTime);
  EXPECT_TRUE(server.send(at_, datagram(1, 1)));
  EXPECT_EQ(server.deadline(), at_ + StreamConnection::kIdle);
}

TEST_F(StreamConnectionTest, NonsenseEndsIt) {
  UniqueFd socket = dial();
  AcceptedTcp accepted = take();
  StreamConnection server =
      StreamConnection::accepted(at_, std::move(accepted.socket), accepted.from, server_context());
  const std::string_view nonsense = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_GT(::send(socket.fd(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL), 0);
  const Instant end = now().at + 20s;
  while (server.state() != State::Over && now().at < end) server.handle_ready(at_, true, true);
  EXPECT_EQ(server.state(), State::Over);
}

TEST_F(StreamConnectionTest, SaysWhatTheProxySaid) {
  StreamConnection client = StreamConnection::dialled(at_, dial(), {Ipv4{0xc0000207}, 443},
                                                      client_context(), HttpProxy{"p", 1, "a:b"});
  AcceptedTcp proxy = take();
  std::string request;
  const Instant end = now().at + 20s;
  while (request.find("\r\n\r\n") == std::string::npos && now().at < end) {
    client.handle_ready(at_, true, true);
    std::array<char, 512> bytes{};
    const ssize_t n = ::recv(proxy.socket.fd(), bytes.data(), bytes.size(), 0);
    if (n > 0) request.append(bytes.data(), static_cast<std::size_t>(n));
  }
  EXPECT_TRUE(request.starts_with("CONNECT 192.0.2.7:443 HTTP/1.1\r\n")) << request;
  const std::string_view reply = "HTTP/1.1 407 No\r\n\r\n";
  ASSERT_GT(::send(proxy.socket.fd(), reply.data(), reply.size(), MSG_NOSIGNAL), 0);
  while (client.state() != State::Over && now().at < end) client.handle_ready(at_, true, true);
  EXPECT_EQ(client.proxy_problem(), "the proxy: 407: it wants another user and password");
}

TEST(TcpSocket, SaysThatAPortIsTaken) {
  const auto first = listen_tcp(0);
  ASSERT_TRUE(first);
  const auto second = listen_tcp(tcp_port(*first));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().os, EADDRINUSE);
}

}  // namespace
}  // namespace ipop::os
