#include "os/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>

#include "os/unique_fd.h"

namespace ipop::os {
namespace {

using Step = TlsSession::Step;

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL* session) const { SSL_free(session); }
};

/// Our server at one end of a pair of sockets, and at the other a client that does as it likes.
class TlsServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()), 0);
    ours_ = UniqueFd(fds[0]);
    theirs_ = UniqueFd(fds[1]);
    auto made = TlsContext::server();
    ASSERT_TRUE(made);
    context_.emplace(std::move(*made));
    auto session = TlsSession::accept(*context_, ours_.fd());
    ASSERT_TRUE(session);
    server_.emplace(std::move(*session));
    client_context_.reset(SSL_CTX_new(TLS_client_method()));
  }
  /// The client takes part with these groups; true: both ends say that it is done.
  bool shake(const char* groups) {
    EXPECT_EQ(SSL_CTX_set1_groups_list(client_context_.get(), groups), 1);
    client_.reset(SSL_new(client_context_.get()));
    SSL_set_fd(client_.get(), theirs_.fd());
    bool is_server_done = false;
    for (int turn = 0; turn < 8; ++turn) {
      const bool is_client_done = SSL_connect(client_.get()) == 1;
      if (!is_server_done) is_server_done = server_->handshake() == Step::Done;
      if (is_client_done && is_server_done) return true;
    }
    return false;
  }
  /// A KeyUpdate; false: it found no room.
  bool update_key(int kind) {
    return SSL_key_update(client_.get(), kind) == 1 && SSL_do_handshake(client_.get()) == 1;
  }

  UniqueFd ours_;
  UniqueFd theirs_;
  std::optional<TlsContext> context_;
  std::optional<TlsSession> server_;
  std::unique_ptr<SSL_CTX, FreeContext> client_context_;
  std::unique_ptr<SSL, FreeSession> client_;
  std::array<std::byte, 1024> room_{};
};

TEST_F(TlsServerTest, TakesTheCurvesThatEverybodyHas) { EXPECT_TRUE(shake("X25519")); }
TEST_F(TlsServerTest, TakesTheOtherCurve) { EXPECT_TRUE(shake("P-256")); }
TEST_F(TlsServerTest, RefusesGroupsThatCostMuch) { EXPECT_FALSE(shake("ffdhe8192")); }
TEST_F(TlsServerTest, RefusesACurveThatCostsMore) { EXPECT_FALSE(shake("P-521")); }

/// One call returns although more of them wait, and after so many the connection ends.
TEST_F(TlsServerTest, KeyUpdatesWithoutEndEndIt) {
  ASSERT_TRUE(shake("X25519"));
  std::size_t sent = 0;
  while (sent < 4 * TlsSession::kLateMessagesMax && update_key(SSL_KEY_UPDATE_NOT_REQUESTED)) {
    ++sent;
  }
  ASSERT_EQ(sent, 4 * TlsSession::kLateMessagesMax);
  for (std::size_t i = 0; i < TlsSession::kLateMessagesMax; ++i) {
    ASSERT_EQ(server_->read(room_).step, Step::WantRead) << i;
    char byte = 0;
    ASSERT_EQ(::recv(ours_.fd(), &byte, 1, MSG_PEEK), 1) << "a call takes one: " << i;
  }
  EXPECT_EQ(server_->read(room_).step, Step::Ended);
}

/// Where nobody ignores SIGPIPE, that would be this program's end.
TEST_F(TlsServerTest, WritingToWhoIsGoneRaisesNoSignal) {
  ASSERT_TRUE(shake("X25519"));
  theirs_ = UniqueFd();
  EXPECT_EQ(server_->write(as_bytes("anybody there?")).step, Step::Ended);
}

/// A few are nothing bad, and what stands behind them is read.
TEST_F(TlsServerTest, AFewKeyUpdatesAreTaken) {
  ASSERT_TRUE(shake("X25519"));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(update_key(SSL_KEY_UPDATE_REQUESTED));
  ASSERT_EQ(SSL_write(client_.get(), "data", 4), 4);
  TlsSession::Moved moved = server_->read(room_);
  for (int i = 0; i < 12 && moved.step == Step::WantRead; ++i) moved = server_->read(room_);
  ASSERT_EQ(moved.step, Step::Done);
  EXPECT_EQ(as_text(Bytes(room_).first(moved.bytes)), "data");
}

}  // namespace
}  // namespace ipop::os
