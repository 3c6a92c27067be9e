#include "control/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "control/codec.h"
#include "os/test_support.h"

namespace ipop::control {
namespace {

/// A daemon that says what the test wants: reads one line, writes `script`, closes.
class FakeDaemon {
 public:
  FakeDaemon() {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy_n(path().c_str(), path().size(), std::begin(address.sun_path));
    const void* where = &address;
    EXPECT_EQ(::bind(listener_, static_cast<const sockaddr*>(where), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
  }
  ~FakeDaemon() {
    if (thread_.joinable()) thread_.join();
    if (listener_ >= 0) ::close(listener_);
  }
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  std::string path() const { return folder_ / "s"; }
  std::string folder() const { return folder_.path(); }
  /// The socket file stays, as after a crash.
  void die() {
    ::close(listener_);
    listener_ = -1;
  }
  /// Answers one client in the background; `hold`: keeps the connection until it closes.
  void answer_with(std::string script, bool hold = false) {
    thread_ = std::jthread([this, script = std::move(script), hold] {
      const int client = ::accept(listener_, nullptr, nullptr);
      char c = 0;
      while (::recv(client, &c, 1, 0) == 1 && c != '\n') heard_.push_back(c);
      ::send(client, script.data(), script.size(), MSG_NOSIGNAL);
      while (hold && ::recv(client, &c, 1, 0) > 0) {}
      ::close(client);
    });
  }
  std::string heard() {
    if (thread_.joinable()) thread_.join();
    return heard_;
  }

 private:
  os::TestFolder folder_;
  int listener_ = -1;
  std::string heard_;
  std::jthread thread_;
};

std::expected<Reply, ControlError> ask(const FakeDaemon& daemon, const Request& request,
                                       const CallOptions& options = {}) {
  auto client = Client::connect(daemon.path());
  if (!client) return std::unexpected(client.error());
  return client->call(request, options);
}

TEST(Client, AsksAndGetsProgressAndReply) {
  FakeDaemon daemon;
  const Event first = JoinWaiting{};
  const Reply reply = JoinReply{.admitted_by = "alice"};
  daemon.answer_with(encode(first) + "{\"event\":{\"kind\":\"of a newer daemon\"}}\n" +
                     encode(reply));
  std::vector<Event> seen;
  const Request request = JoinRequest{.invite = "IPOP1-X"};
  const auto answer =
      ask(daemon, request, {.progress = [&](const Event& event) { seen.push_back(event); }});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer, reply);
  EXPECT_EQ(seen, std::vector<Event>{first});
  EXPECT_EQ(daemon.heard() + "\n", encode(request));
}

TEST(Client, GathersPingAnswers) {
  FakeDaemon daemon;
  const PingAnswer one{.sequence = 1, .path = {.rtt = Duration(5)}};
  daemon.answer_with(encode(Event(one)) + encode(Event(PingLost{.sequence = 2})) +
                     encode(Reply(PingReply{.sent = 2, .received = 1})));
  const auto answer = ask(daemon, PingRequest{.member = "bob"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<PingReply>(*answer).replies, std::vector<PingAnswer>{one});
}

TEST(Client, HandsOnTheDaemonsError) {
  FakeDaemon daemon;
  const ControlError error{.code = ErrorCode::UsedInvite, .message = "m", .next = "n"};
  daemon.answer_with(encode(error));
  const auto answer = ask(daemon, NetworksRequest{});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), error);
}

TEST(Client, LongAnswer) {
  FakeDaemon daemon;
  NetworksReply many;
  many.networks.resize(3000);
  daemon.answer_with(encode(Reply(many)));
  const auto answer = ask(daemon, NetworksRequest{});
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, Reply(many));
}

TEST(Client, BrokenDaemons) {
  struct Case {
    std::string script;
    ErrorCode code;
  };
  const Case cases[] = {
      {"", ErrorCode::UnreachableDaemon},
      {"{\"verb\":\"networks\",\"result\":{\"version\":1,\"netw", ErrorCode::UnreachableDaemon},
      {"not json\n", ErrorCode::Internal},
      {encode(Reply(DownReply{.network = "n"})), ErrorCode::Internal},
      {"{\"verb\":\"networks\",\"result\":{\"version\":7}}\n", ErrorCode::Unsupported},
      {std::string(kServerLineMax + (std::size_t{1} << 18U), 'x'), ErrorCode::UnreachableDaemon},
  };
  for (const Case& one : cases) {
    FakeDaemon daemon;
    daemon.answer_with(one.script);
    const auto answer = ask(daemon, NetworksRequest{});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, one.code) << one.script.substr(0, 60);
    EXPECT_FALSE(answer.error().message.empty());
  }
}

TEST(Client, SilenceEnds) {
  FakeDaemon daemon;
  daemon.answer_with("", /*hold=*/true);
  const auto answer =
      ask(daemon, NetworksRequest{}, {.silence_max = std::chrono::milliseconds(20)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::UnreachableDaemon);
}

TEST(Client, InterruptEnds) {
  FakeDaemon daemon;
  daemon.answer_with("", /*hold=*/true);
  const volatile std::sig_atomic_t interrupt = 1;
  const auto answer = ask(daemon, NetworksRequest{}, {.interrupt = &interrupt});
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().message.empty());
}

TEST(Client, NobodyThere) {
  FakeDaemon daemon;
  const auto missing = Client::connect(daemon.folder() + "/other");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::UnreachableDaemon);
  EXPECT_NE(missing.error().message.find("there is no socket"), std::string::npos);
  EXPECT_NE(missing.error().next.find("systemctl start ipopd"), std::string::npos);

  daemon.die();
  const auto stale = Client::connect(daemon.path());
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::UnreachableDaemon);
  EXPECT_NE(stale.error().message.find("left over"), std::string::npos);

  for (const std::string& path : {std::string(), std::string(108, 'x'), daemon.folder()}) {
    const auto bad = Client::connect(path);
    ASSERT_FALSE(bad) << path;
    EXPECT_EQ(bad.error().code, ErrorCode::UnreachableDaemon) << path;
  }
}

}  // namespace
}  // namespace ipop::control
