#include "cli/run.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "control/codec.h"
#include "os/test_support.h"

namespace ipop::cli {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace)

/// A daemon that serves one connection for each of `scripts` and keeps what it was asked.
class FakeDaemon {
 public:
  explicit FakeDaemon(std::vector<std::string> scripts) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy_n(path().c_str(), path().size(), std::begin(address.sun_path));
    const void* where = &address;
    EXPECT_EQ(::bind(listener_, static_cast<const sockaddr*>(where), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    thread_ = std::jthread([this, scripts = std::move(scripts)] {
      for (const std::string& script : scripts) serve(script);
    });
  }
  ~FakeDaemon() {
    ::shutdown(listener_, SHUT_RDWR);  // wakes an accept that nobody came to
    thread_.join();
    ::close(listener_);
  }
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  std::string path() const { return folder_ / "s"; }
  /// Only after as many runs as there are scripts.
  std::vector<Request> asked() {
    if (thread_.joinable()) thread_.join();
    thread_ = std::jthread([] {});
    return asked_;
  }

 private:
  void serve(const std::string& script) {
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    std::string line;
    for (char c = 0; ::recv(client, &c, 1, 0) == 1 && c != '\n';) line.push_back(c);
    if (auto request = decode_request(line)) asked_.push_back(*std::move(request));
    ::send(client, script.data(), script.size(), MSG_NOSIGNAL);
    ::close(client);
  }

  os::TestFolder folder_;
  int listener_ = -1;
  std::vector<Request> asked_;
  std::jthread thread_;
};

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

struct Given {
  std::string input;
  bool terminal = false;
};

Outcome run_line(const std::string& line, const std::string& socket, const Given& given = {}) {
  std::istringstream split(line);
  std::vector<std::string> arguments{"--socket", socket};
  for (std::string word; split >> word;) arguments.push_back(word);
  auto invocation = parse_arguments(arguments);
  EXPECT_TRUE(invocation) << line;
  std::istringstream in(given.input);
  std::ostringstream out;
  std::ostringstream err;
  Surroundings around{.in = in,
                      .out = out,
                      .err = err,
                      .in_is_terminal = given.terminal,
                      .out_is_terminal = given.terminal,
                      .now = UnixTime{1800000000}};
  const int exit_code = run(*std::move(invocation), around);
  return {.exit_code = exit_code, .out = out.str(), .err = err.str()};
}

TEST(Run, InviteInAPipeIsTheInviteAlone) {
  const Reply reply = InviteReply{.network = "family",
                                  .invite = "IPOP1-X",
                                  .health = {{.code = "a", .message = "m", .next = ""}}};
  FakeDaemon daemon({encode(reply), encode(reply), encode(reply)});
  const Outcome piped = run_line("invite", daemon.path());
  EXPECT_EQ(piped.out, "IPOP1-X\n");
  EXPECT_EQ(piped.err, "\n! m\n");
  EXPECT_EQ(piped.exit_code, 0);
  const Outcome shown = run_line("invite", daemon.path(), {.terminal = true});
  EXPECT_NE(shown.out.find("sudo ipop join -"), std::string::npos);
  EXPECT_EQ(shown.err, "");
  const Outcome json = run_line("invite --json", daemon.path(), {.terminal = true});
  EXPECT_EQ(json.out, document(reply));
  EXPECT_EQ(json.err, "");
}

TEST(Run, JoinReadsStandardInput) {
  const Reply reply = JoinReply{.admitted_by = "alice"};
  const std::string script = encode(Event(JoinWaiting{})) + encode(reply);
  FakeDaemon daemon({script, script, script});
  const Outcome piped = run_line("join -", daemon.path(), {.input = " \n IPOP1-\n AB \n\n"});
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_TRUE(piped.out.starts_with("waiting   ")) << piped.out;
  EXPECT_EQ(piped.err, "");
  const Outcome typed =
      run_line("join -", daemon.path(), {.input = "\nIPOP1-AB\nrest", .terminal = true});
  EXPECT_EQ(typed.exit_code, 0);
  const Outcome json = run_line("join - --json", daemon.path(), {.input = "IPOP1-AB"});
  EXPECT_EQ(json.out, document(reply)) << "no progress in the document";
  const auto asked = daemon.asked();
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0], Request(JoinRequest{.invite = "IPOP1-\n AB"}));
  EXPECT_EQ(asked[1], Request(JoinRequest{.invite = "IPOP1-AB"}));
  EXPECT_EQ(asked[2], Request(JoinRequest{.invite = "IPOP1-AB"}));
}

TEST(Run, JoinRefusesBadStandardInput) {
  for (const std::string& input :
       {std::string(), std::string(" \n\t\n"), std::string(40000, 'A')}) {
    const Outcome outcome = run_line("join -", "/nonexistent/socket", {.input = input});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err.find("invite"), std::string::npos) << outcome.err;
  }
}

TEST(Run, ErrorsGoToStandardError) {
  const ControlError error{.code = ErrorCode::UnknownMember, .message = "m", .next = "n"};
  FakeDaemon daemon({encode(error), encode(error)});
  const Outcome text = run_line("kick bob", daemon.path());
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_EQ(text.out, "");
  EXPECT_EQ(text.err, "ipop: m\n      n\n");
  const Outcome json = run_line("kick bob --json", daemon.path());
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_EQ(json.out, "");
  EXPECT_EQ(json.err, document(error));
}

TEST(Run, UsageFoundByTheDaemon) {
  FakeDaemon daemon({encode(ControlError{.code = ErrorCode::Usage, .message = "m", .next = ""})});
  EXPECT_EQ(run_line("status", daemon.path()).exit_code, 2);
}

TEST(Run, PingPrintsAnswersAndFailsWithoutAny) {
  const std::string answers = encode(Event(PingAnswer{.sequence = 1})) +
                              encode(Event(PingLost{.sequence = 2})) +
                              encode(Reply(PingReply{.member = "bob", .sent = 2, .received = 1}));
  const std::string silence = encode(Event(PingLost{.sequence = 1})) +
                              encode(Reply(PingReply{.member = "bob", .sent = 1, .received = 0}));
  FakeDaemon daemon({answers, silence, answers});
  const Outcome some = run_line("ping bob -c 2", daemon.path());
  EXPECT_EQ(some.exit_code, 0);
  EXPECT_EQ(some.out, "   1  bob: none\n   2  bob: no answer\n\n1 of 2 answered\n");
  const Outcome none = run_line("ping bob -c 1", daemon.path());
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(none.err, "");
  const Outcome json = run_line("ping bob -c 2 --json", daemon.path());
  EXPECT_NE(json.out.find("\"replies\": [\n    {\n      \"sequence\": 1"), std::string::npos)
      << json.out;
}

TEST(Run, LeaveAsksTheLastAdmin) {
  const std::string question = encode(ControlError{
      .code = ErrorCode::ConfirmationNeeded, .message = "you are the last", .next = ""});
  const std::string done = encode(Reply(LeaveReply{.network = "family"}));
  struct Case {
    const char* line;
    Given given;
    int exit_code;
    std::size_t requests;
  };
  const Case cases[] = {
      {"leave", {.input = "y\n", .terminal = true}, 0, 2},
      {"leave", {.input = " yes \n", .terminal = true}, 0, 2},
      {"leave", {.input = "n\n", .terminal = true}, 1, 1},
      {"leave", {.input = "\n", .terminal = true}, 1, 1},
      {"leave", {.input = "", .terminal = true}, 1, 1},
      {"leave", {.input = "y\n", .terminal = false}, 2, 1},
      {"leave --json", {.input = "y\n", .terminal = true}, 2, 1},
  };
  for (const Case& one : cases) {
    std::vector<std::string> scripts{question, done};
    scripts.resize(one.requests);
    FakeDaemon daemon(scripts);
    const Outcome outcome = run_line(one.line, daemon.path(), one.given);
    EXPECT_EQ(outcome.exit_code, one.exit_code) << one.line << outcome.err;
    EXPECT_NE((outcome.out + outcome.err).find("you are the last"), std::string::npos);
    const auto asked = daemon.asked();
    ASSERT_EQ(asked.size(), one.requests);
    EXPECT_EQ(asked.back(), Request(LeaveRequest{.confirmed = one.requests == 2}));
    EXPECT_EQ(outcome.err.find("--yes") != std::string::npos, one.exit_code == 2) << outcome.err;
  }
}

TEST(Run, VersionNeedsNoDaemon) {
  const Outcome alone = run_line("version", "/nonexistent/socket");
  EXPECT_EQ(alone.exit_code, 0);
  EXPECT_NE(alone.out.find("not reached"), std::string::npos);
  FakeDaemon daemon({encode(Reply(VersionReply{.daemon = "9.9.9"}))});
  const Outcome both = run_line("version --json", daemon.path());
  EXPECT_NE(both.out.find("\"daemon\": \"9.9.9\""), std::string::npos) << both.out;
}

TEST(Run, NoDaemon) {
  const Outcome outcome = run_line("status --json", "/nonexistent/socket");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(outcome.err.starts_with("{\"version\":1,\"error\":{\"code\":\"unreachable_daemon\""))
      << outcome.err;
}

}  // namespace
}  // namespace ipop::cli
