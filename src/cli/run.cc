#include "cli/run.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "cli/text.h"
#include "control/client.h"
#include "control/codec.h"
#include "control/version.h"

namespace ipop::cli {
namespace {

using control::ControlError;
using control::ErrorCode;
using control::Event;
using control::Reply;

using Answer = std::expected<Reply, ControlError>;

/// Of an invite on standard input; the longest has some 7000 characters.
constexpr std::size_t kInviteCharactersMax = std::size_t{32} * 1024;
/// The daemon answers most requests at once; while joining it tries addresses for a while.
constexpr std::chrono::seconds kSilenceMax{30};
constexpr std::chrono::seconds kSilenceJoiningMax{150};

int fail(const ControlError& error, const Invocation& invocation, Surroundings& around) {
  around.out.flush();
  around.err << (invocation.json ? control::document(error) : text_of(error));
  const bool usage = error.code == ErrorCode::Usage || error.code == ErrorCode::ConfirmationNeeded;
  return usage ? kExitUsage : kExitFailed;
}

std::string trimmed(std::string text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), space));
  text.erase(std::find_if_not(text.rbegin(), text.rend(), space).base(), text.end());
  return text;
}

/// A person ends the invite with Enter; a pipe may break it into several lines and ends.
std::expected<std::string, ControlError> read_invite(Surroundings& around) {
  std::string text;
  if (around.in_is_terminal) { around.err << "Paste the invite, then Enter: " << std::flush; }
  for (char c = 0; around.in.get(c);) {
    if (around.in_is_terminal && c == '\n' && !trimmed(text).empty()) break;
    text.push_back(c);
    if (text.size() > kInviteCharactersMax) {
      return std::unexpected(ControlError{.code = ErrorCode::NotAnInvite,
                                          .message = "standard input is too long for an invite",
                                          .next = "paste the text that begins with ipop1-"});
    }
  }
  text = trimmed(std::move(text));
  if (text.empty()) {
    return std::unexpected(ControlError{.code = ErrorCode::NotAnInvite,
                                        .message = "standard input holds no invite",
                                        .next = "paste the text that begins with ipop1-"});
  }
  return text;
}

control::CallOptions options_for(const Invocation& invocation, Surroundings& around) {
  control::CallOptions options{.silence_max = kSilenceMax, .interrupt = around.interrupt};
  if (std::holds_alternative<control::JoinRequest>(invocation.request)) {
    options.silence_max = kSilenceJoiningMax;
  }
  const auto* ping = std::get_if<control::PingRequest>(&invocation.request);
  if (ping != nullptr) options.silence_max = ping->interval + ping->timeout + kSilenceMax;
  if (invocation.json) return options;
  options.progress = [&around,
                      member = ping != nullptr ? ping->member : std::string()](const Event& event) {
    around.out << text_of(event, member) << std::flush;
  };
  return options;
}

Answer ask_daemon(const Invocation& invocation, const control::CallOptions& options) {
  auto client = control::Client::connect(invocation.socket);
  if (!client) return std::unexpected(std::move(client.error()));
  return client->call(invocation.request, options);
}

/// The last one who may invite or kick thinks twice; scripts say --yes.
Answer leave(Invocation& invocation, Surroundings& around, const control::CallOptions& options) {
  Answer answer = ask_daemon(invocation, options);
  if (answer || answer.error().code != ErrorCode::ConfirmationNeeded) return answer;
  if (invocation.json || !around.in_is_terminal || !around.out_is_terminal) {
    answer.error().next = "if you mean it: ipop leave --yes";
    return answer;
  }
  around.out << answer.error().message << "\n";
  if (!answer.error().next.empty()) around.out << answer.error().next << "\n";
  around.out << "Leave all the same? [y/N] " << std::flush;
  std::string line;
  std::getline(around.in, line);
  line = trimmed(std::move(line));
  if (line != "y" && line != "Y" && line != "yes") {
    return std::unexpected(
        ControlError{.code = ErrorCode::NotAllowed, .message = "you have not left", .next = ""});
  }
  std::get<control::LeaveRequest>(invocation.request).confirmed = true;
  return ask_daemon(invocation, options);
}

/// Ctrl-C ends a ping early: what came back so far is its result.
Answer ping(const Invocation& invocation, control::CallOptions options) {
  const auto& request = std::get<control::PingRequest>(invocation.request);
  control::PingReply so_far{.network = request.network.value_or(""), .member = request.member};
  Duration sum{};
  options.progress = [&, show = std::move(options.progress)](const Event& event) {
    if (const auto* answer = std::get_if<control::PingAnswer>(&event)) {
      ++so_far.sent;
      ++so_far.received;
      so_far.replies.push_back(*answer);
      const Duration rtt = answer->path.rtt.value_or(Duration{});
      sum += rtt;
      so_far.rtt_min = std::min(so_far.rtt_min.value_or(rtt), rtt);
      so_far.rtt_max = std::max(so_far.rtt_max.value_or(rtt), rtt);
      so_far.rtt_average = sum / so_far.received;
    } else if (std::holds_alternative<control::PingLost>(event)) {
      ++so_far.sent;
    }
    if (show) show(event);
  };
  Answer answer = ask_daemon(invocation, options);
  const bool stopped = options.interrupt != nullptr && *options.interrupt != 0;
  if (!answer && stopped) return so_far;
  return answer;
}

/// The client's own version is worth printing without a daemon.
Answer version(const Invocation& invocation, const control::CallOptions& options) {
  Answer answer = ask_daemon(invocation, options);
  control::VersionReply reply;
  if (answer) reply = std::get<control::VersionReply>(*answer);
  reply.client = control::version();
  return reply;
}

Answer dispatch(Invocation& invocation, Surroundings& around) {
  const control::CallOptions options = options_for(invocation, around);
  if (invocation.invite_from_input) {
    auto invite = read_invite(around);
    if (!invite) return std::unexpected(std::move(invite.error()));
    std::get<control::JoinRequest>(invocation.request).invite = *std::move(invite);
  }
  if (std::holds_alternative<control::LeaveRequest>(invocation.request)) {
    return leave(invocation, around, options);
  }
  if (std::holds_alternative<control::PingRequest>(invocation.request)) {
    return ping(invocation, options);
  }
  if (std::holds_alternative<control::VersionRequest>(invocation.request)) {
    return version(invocation, options);
  }
  return ask_daemon(invocation, options);
}

struct Printer {
  Surroundings& around;

  void operator()(const control::InviteReply& reply) const {
    if (around.out_is_terminal) {
      around.out << text_of(reply, around.now, around.columns);
    } else {
      // Pipes get the invite and nothing else; what to mind goes to the other stream.
      around.out << reply.invite << "\n";
      around.err << text_of(reply.health);
    }
  }
  void operator()(const control::DeviceReply& reply) const {
    if (around.out_is_terminal || !reply.config) {
      around.out << text_of(reply, around.columns);
    } else {
      around.out << *reply.config;  // a pipe makes a file of it
    }
  }
  void operator()(const control::StatusReply& reply) const {
    around.out << text_of(reply, around.now);
  }
  void operator()(const control::KickReply& reply) const {
    around.out << text_of(reply, around.now);
  }
  template <class T>
  void operator()(const T& reply) const {
    around.out << text_of(reply);
  }
};

/// A member that does not answer is a result, but nothing that a script may go on with.
bool is_success(const Reply& reply) {
  if (const auto* pinged = std::get_if<control::PingReply>(&reply)) return pinged->received != 0;
  if (const auto* doctor = std::get_if<control::DoctorReply>(&reply)) {
    const control::DoctorPath& path = doctor->path;
    return path.path.kind != control::PathKind::None && (path.sent == 0 || path.answered != 0);
  }
  return true;
}

}  // namespace

int run(Invocation invocation, Surroundings& around) {
  const Answer answer = dispatch(invocation, around);
  if (!answer) return fail(answer.error(), invocation, around);
  if (invocation.json) {
    around.out << control::document(*answer);
  } else {
    std::visit(Printer{around}, *answer);
  }
  around.out.flush();
  if (!around.out) {
    return fail(
        {.code = ErrorCode::Internal, .message = "standard output cannot be written", .next = ""},
        invocation, around);
  }
  return is_success(*answer) ? kExitDone : kExitFailed;
}

}  // namespace ipop::cli
