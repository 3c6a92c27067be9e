#include "control/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "control/codec.h"

namespace ipop::control {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kReadSize = std::size_t{64} * 1024;
/// How often a blocked call looks at the interrupt flag, should the signal arrive just before the
/// kernel is entered.
constexpr std::chrono::milliseconds kInterruptCheck{200};

std::unexpected<ControlError> unreachable(std::string message, std::string next) {
  return std::unexpected(ControlError{.code = ErrorCode::UnreachableDaemon,
                                      .message = std::move(message),
                                      .next = std::move(next)});
}

std::string os_text(int error) { return std::system_category().message(error); }

constexpr std::string_view kHowToStart =
    "start it: sudo systemctl start ipopd, or without systemd: sudo ipopd";

/// The three ways in which nobody is there need three different steps.
std::unexpected<ControlError> connect_failure(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return unreachable("ipopd is not running: there is no socket " + path,
                         std::string(kHowToStart) + " (or name another socket with --socket)");
    case ECONNREFUSED:
      return unreachable("ipopd is not running: the socket " + path + " is left over",
                         std::string(kHowToStart));
    case EACCES:
    case EPERM:
      return std::unexpected(ControlError{
          .code = ErrorCode::NoPermission,
          .message = "you may not talk to ipopd at " + path,
          .next =
              "use sudo, or join the group once and log in again: sudo usermod -aG ipop $USER"});
    case EAGAIN:
      return std::unexpected(ControlError{.code = ErrorCode::Busy,
                                          .message = "ipopd is too busy to answer at " + path,
                                          .next = "try again"});
    default:
      return unreachable("ipopd cannot be reached at " + path + ": " + os_text(error),
                         "check the path, or name another socket with --socket");
  }
}

std::unexpected<ControlError> gone() {
  return unreachable("ipopd went away before it answered",
                     "look at its log: journalctl -u ipopd -n 50");
}

bool interrupted(const CallOptions& options) {
  return options.interrupt != nullptr && *options.interrupt != 0;
}

}  // namespace

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<Client, ControlError> Client::connect(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.empty() || socket_path.size() >= sizeof address.sun_path) {
    return unreachable("the socket's path is empty or too long: " + socket_path,
                       "use a path of at most 107 bytes");
  }
  std::copy(socket_path.begin(), socket_path.end(), std::begin(address.sun_path));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return connect_failure(socket_path, errno);
  Client client(fd);
  const void* where = &address;
  if (::connect(fd, static_cast<const sockaddr*>(where), sizeof address) != 0) {
    return connect_failure(socket_path, errno);
  }
  return client;
}

std::expected<void, ControlError> Client::send(std::string_view line) {
  while (!line.empty()) {
    const ssize_t n = ::send(fd_, line.data(), line.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return gone();
    line.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

std::expected<std::string, ControlError> Client::read_line(const CallOptions& options) {
  const auto give_up = SteadyClock::now() + options.silence_max;
  std::size_t searched = 0;
  std::array<char, kReadSize> chunk{};
  while (true) {
    if (const auto end = buffer_.find('\n', searched); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    searched = buffer_.size();
    if (searched > kServerLineMax) return unreachable("ipopd's answer is too long", "");
    if (interrupted(options)) return std::unexpected(ControlError{.code = ErrorCode::Busy});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up - SteadyClock::now());
    if (left.count() <= 0) {
      return unreachable("ipopd does not answer", "look at its log: journalctl -u ipopd -n 50");
    }
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    const auto wait = options.interrupt != nullptr ? std::min(left, kInterruptCheck) : left;
    constexpr std::chrono::milliseconds kLongest{std::chrono::hours{1}};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min(wait, kLongest).count()));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t n = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return gone();
    buffer_.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

std::expected<Reply, ControlError> Client::call(const Request& request,
                                                const CallOptions& options) {
  // A daemon that refuses us (too many clients) says why and closes: its line is worth more than
  // the failed send.
  const auto sent = send(encode(request));
  std::vector<PingAnswer> answers;
  while (true) {
    auto line = read_line(options);
    if (!line) return std::unexpected(sent ? line.error() : sent.error());
    auto decoded = decode_server_line(*line);
    if (!decoded) return std::unexpected(std::move(decoded.error()));
    if (!decoded->has_value()) continue;
    if (auto* error = std::get_if<ControlError>(&**decoded)) {
      return std::unexpected(std::move(*error));
    }
    if (const auto* event = std::get_if<Event>(&**decoded)) {
      if (const auto* answer = std::get_if<PingAnswer>(event)) answers.push_back(*answer);
      if (options.progress) options.progress(*event);
      continue;
    }
    Reply reply = std::get<Reply>(std::move(**decoded));
    if (reply.index() != request.index()) {
      return std::unexpected(ControlError{.code = ErrorCode::Internal,
                                          .message = "ipopd answered another question",
                                          .next = "use ipop and ipopd of the same version"});
    }
    if (auto* ping = std::get_if<PingReply>(&reply)) ping->replies = std::move(answers);
    return reply;
  }
}

}  // namespace ipop::control
