#include "daemon/control_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>
#include <thread>

#include "control/client.h"
#include "control/codec.h"
#include "os/test_support.h"

namespace ipop::daemon {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace)

const std::string kStatusLine = encode(Request(StatusRequest{}));

class Server : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = os::UnixListener::open(path());
    ASSERT_TRUE(listener) << listener.error().what;
    auto server = ControlServer::create(*std::move(listener));
    ASSERT_TRUE(server) << server.error().what;
    server_.emplace(*std::move(server));
  }
  void TearDown() override { server_.reset(); }

  std::string path() const { return folder_ / "ipopd.sock"; }
  os::UniqueFd connect() const {
    auto fd = os::connect_unix(path());
    EXPECT_TRUE(fd);
    return fd ? *std::move(fd) : os::UniqueFd();
  }
  static void write(const os::UniqueFd& to, std::string_view bytes) {
    EXPECT_EQ(::send(to.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  bool has_work() const {
    pollfd waiting{.fd = server_->fd(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 0) == 1;
  }
  /// Everything that can be done now; on one machine, sent is received.
  std::vector<Incoming> settle() {
    std::vector<Incoming> all;
    for (int i = 0; i < 100 && has_work(); ++i) {
      for (Incoming& one : server_->process()) all.push_back(std::move(one));
    }
    return all;
  }
  /// Reads to the end; the server goes on meanwhile.
  std::string read_all(const os::UniqueFd& from) {
    std::string out;
    char chunk[16384];
    for (int i = 0; i < 100000; ++i) {
      const ssize_t n = ::recv(from.fd(), chunk, sizeof chunk, MSG_DONTWAIT);
      if (n > 0) {
        out.append(chunk, static_cast<std::size_t>(n));
      } else if (n == 0 || errno != EAGAIN) {
        return out;
      } else {
        settle();
      }
    }
    ADD_FAILURE() << "no end after " << out.size() << " bytes";
    return out;
  }
  std::optional<ControlServer> server_;

 private:
  os::TestFolder folder_;
};

/// Until it goes, this process gets no new descriptor.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const os::UniqueFd lowest_free(::fcntl(0, F_DUPFD_CLOEXEC, 0));
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(lowest_free.fd());
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

ControlError error_in(const std::string& line) {
  const auto decoded = decode_server_line(line);
  if (!decoded || !decoded->has_value() || !std::holds_alternative<ControlError>(**decoded)) {
    ADD_FAILURE() << line;
    return {};
  }
  return std::get<ControlError>(**decoded);
}

TEST_F(Server, RequestEventsReply) {
  const auto client = connect();
  write(client, kStatusLine);
  const auto incoming = settle();
  ASSERT_EQ(incoming.size(), 1U);
  EXPECT_EQ(std::get<Request>(incoming[0].what), Request(StatusRequest{}));
  EXPECT_FALSE(has_work()) << "an idle client costs nothing";
  server_->send(incoming[0].client, JoinWaiting{});
  server_->finish(incoming[0].client, StatusReply{});
  EXPECT_EQ(read_all(client), encode(Event(JoinWaiting{})) + encode(Reply(StatusReply{})));
  EXPECT_EQ(server_->clients(), 0U);
  // Too late, and unknown: nothing happens.
  server_->send(incoming[0].client, JoinWaiting{});
  server_->finish(incoming[0].client, StatusReply{});
  server_->finish(ClientId{12345}, StatusReply{});
  EXPECT_TRUE(settle().empty());
}

TEST_F(Server, WorksWithTheClient) {
  std::jthread daemon([&] {
    for (bool done = false; !done;) {
      pollfd waiting{.fd = server_->fd(), .events = POLLIN, .revents = 0};
      ASSERT_EQ(::poll(&waiting, 1, 10000), 1);
      for (const Incoming& one : server_->process()) {
        server_->send(one.client, JoinWaiting{});
        server_->finish(one.client, UpReply{.network = "family"});
        done = true;
      }
    }
  });
  auto client = Client::connect(path());
  ASSERT_TRUE(client);
  int events = 0;
  const auto reply = client->call(UpRequest{}, {.progress = [&](const Event&) { ++events; }});
  daemon.join();
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(*reply, Reply(UpReply{.network = "family"}));
  EXPECT_EQ(events, 1);
}

TEST_F(Server, ByteByByte) {
  const auto client = connect();
  std::vector<Incoming> incoming;
  for (const char c : kStatusLine) {
    EXPECT_TRUE(incoming.empty());
    write(client, std::string(1, c));
    incoming = settle();
  }
  EXPECT_EQ(incoming.size(), 1U);
}

TEST_F(Server, BadLinesAreAnsweredHere) {
  for (const std::string& line :
       {std::string("\n"), std::string("{}\n"), std::string("garbage\n"), std::string("\0\n", 2),
        std::string("{\"version\":1,\"verb\":\"nothing\"}\n"),
        std::string(kRequestLineMax + 1, ' ') + "\n"}) {
    const auto client = connect();
    write(client, line);
    EXPECT_TRUE(settle().empty());
    EXPECT_FALSE(error_in(read_all(client)).message.empty());
    EXPECT_EQ(server_->clients(), 0U);
  }
}

TEST_F(Server, LongestLineIsServedAndALongerOneEndsEarly) {
  const auto client = connect();
  std::string line = "{\"version\":1,\"verb\":\"status\"}";
  line.append(kRequestLineMax - line.size(), ' ');
  write(client, line + "\n");
  ASSERT_EQ(settle().size(), 1U);
  const auto flood = connect();
  write(flood, std::string(kRequestLineMax + 1, 'x'));  // no newline yet
  EXPECT_TRUE(settle().empty());
  EXPECT_EQ(error_in(read_all(flood)).code, ErrorCode::Usage);
}

TEST_F(Server, OneRequestForEachConnection) {
  const auto client = connect();
  write(client, kStatusLine + kStatusLine);
  const auto incoming = settle();
  ASSERT_EQ(incoming.size(), 1U);
  write(client, kStatusLine);
  EXPECT_TRUE(settle().empty());
  server_->finish(incoming[0].client, StatusReply{});
  EXPECT_EQ(read_all(client), encode(Reply(StatusReply{})));
}

TEST_F(Server, VanishedClientsAreReportedOnce) {
  auto client = connect();
  write(client, kStatusLine);
  const auto asked = settle();
  ASSERT_EQ(asked.size(), 1U);
  client.reset();
  const auto gone = settle();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].client, asked[0].client);
  EXPECT_TRUE(std::holds_alternative<Vanished>(gone[0].what));
  server_->send(asked[0].client, JoinWaiting{});
  server_->finish(asked[0].client, StatusReply{});
  EXPECT_TRUE(settle().empty());
  EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(Server, ClientsWithoutARequestVanishSilently) {
  auto silent = connect();
  auto half = connect();
  write(half, "{\"version\":1");
  EXPECT_TRUE(settle().empty());
  EXPECT_EQ(server_->clients(), 2U);
  silent.reset();
  half.reset();
  EXPECT_TRUE(settle().empty());
  EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(Server, HalfClosedClientsGetTheirAnswer) {
  auto client = connect();
  write(client, kStatusLine.substr(0, kStatusLine.size() - 1));  // the newline may be missing
  ASSERT_EQ(::shutdown(client.fd(), SHUT_WR), 0);
  const auto incoming = settle();
  ASSERT_EQ(incoming.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Request>(incoming[0].what));
  EXPECT_FALSE(has_work()) << "no busy loop over a closed half";
  server_->send(incoming[0].client, JoinWaiting{});
  server_->finish(incoming[0].client, StatusReply{});
  EXPECT_EQ(read_all(client), encode(Event(JoinWaiting{})) + encode(Reply(StatusReply{})));

  auto leaver = connect();
  write(leaver, kStatusLine);
  ASSERT_EQ(::shutdown(leaver.fd(), SHUT_WR), 0);
  ASSERT_EQ(settle().size(), 1U);
  leaver.reset();
  const auto gone = settle();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Vanished>(gone[0].what));
}

TEST_F(Server, BigAnswerToASlowReader) {
  const auto client = connect();
  write(client, kStatusLine);
  const auto incoming = settle();
  ASSERT_EQ(incoming.size(), 1U);
  StatusReply reply;
  reply.health.resize(10000);
  server_->finish(incoming[0].client, reply);
  EXPECT_EQ(server_->clients(), 1U) << "it does not fit the socket";
  EXPECT_FALSE(has_work()) << "no busy loop over a full socket";
  EXPECT_EQ(read_all(client), encode(Reply(reply)));
  EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(Server, WhoDoesNotReadIsDropped) {
  const auto client = connect();
  write(client, kStatusLine);
  const auto incoming = settle();
  ASSERT_EQ(incoming.size(), 1U);
  const Event event = JoinFound{.member = std::string(1000, 'x')};
  for (int i = 0; i < 2000; ++i) server_->send(incoming[0].client, event);
  const auto gone = settle();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Vanished>(gone[0].what));
  EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(Server, SlowReaderOfManyEventsGetsThemAll) {
  const auto client = connect();
  write(client, kStatusLine);
  const auto incoming = settle();
  ASSERT_EQ(incoming.size(), 1U);
  const Event event = JoinFound{.member = std::string(1000, 'x')};
  std::string expected;
  std::string got;
  for (int i = 0; i < 2500; ++i) {
    server_->send(incoming[0].client, event);
    expected += encode(event);
    char chunk[700];
    const ssize_t n = ::recv(client.fd(), chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) got.append(chunk, static_cast<std::size_t>(n));
    settle();
  }
  server_->finish(incoming[0].client, StatusReply{});
  EXPECT_EQ(got + read_all(client), expected + encode(Reply(StatusReply{})));
}

TEST_F(Server, TooManyClients) {
  std::vector<os::UniqueFd> busy;
  std::size_t asked = 0;
  for (std::size_t i = 0; i < ControlServer::kClientsMax; ++i) {
    busy.push_back(connect());
    write(busy.back(), kStatusLine);
    asked += settle().size();
  }
  EXPECT_EQ(asked, ControlServer::kClientsMax);
  const auto one_more = connect();
  EXPECT_TRUE(settle().empty());
  EXPECT_EQ(error_in(read_all(one_more)).code, ErrorCode::Busy);
  EXPECT_EQ(server_->clients(), ControlServer::kClientsMax);
  // The client sees why, although its own request finds a closed socket.
  std::jthread late([&] {
    auto client = Client::connect(path());
    ASSERT_TRUE(client);
    const auto reply = client->call(StatusRequest{}, {});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::Busy);
  });
  pollfd waiting{.fd = server_->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 10000), 1);
  settle();
}

TEST_F(Server, SilentClientsDoNotShutOthersOut) {
  std::vector<os::UniqueFd> silent;
  for (std::size_t i = 0; i < 3 * ControlServer::kClientsMax; ++i) {
    silent.push_back(connect());
    EXPECT_TRUE(settle().empty());
  }
  EXPECT_EQ(server_->clients(), ControlServer::kClientsMax);
  const auto client = connect();
  write(client, kStatusLine);
  EXPECT_EQ(settle().size(), 1U);
}

TEST_F(Server, WithoutDescriptorsItWaitsForAClientToGo) {
  auto leaver = connect();
  EXPECT_TRUE(settle().empty());
  const auto client = connect();
  write(client, kStatusLine);
  const NoDescriptors limit;
  EXPECT_TRUE(settle().empty());
  EXPECT_FALSE(has_work()) << "no busy loop over a client that cannot be taken";
  EXPECT_EQ(server_->clients(), 1U);
  leaver.reset();
  EXPECT_EQ(settle().size(), 1U);
}

TEST_F(Server, WithoutDescriptorsItLooksAgainAfterAWhile) {
  const auto client = connect();
  write(client, kStatusLine);
  {
    const NoDescriptors limit;
    EXPECT_TRUE(settle().empty());
    EXPECT_TRUE(os::wait_readable(server_->fd()));
    EXPECT_TRUE(settle().empty()) << "nothing has changed";
    EXPECT_FALSE(has_work());
  }
  ASSERT_TRUE(os::wait_readable(server_->fd()));
  EXPECT_EQ(settle().size(), 1U);
}

}  // namespace
}  // namespace ipop::daemon
