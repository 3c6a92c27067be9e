#include "os/stream_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "os/tcp_socket.h"

namespace ipop::os {
namespace {

/// Of frames that are sealed as one: a TLS record.
constexpr std::size_t kRecord = 16384;

std::string error_text(int error) { return std::generic_category().message(error); }

}  // namespace

StreamConnection::StreamConnection(Instant now, UniqueFd socket, const Endpoint& remote,
                                   const TlsContext& context, std::optional<HttpProxy> proxy,
                                   State state)
    : state_(state),
      remote_(remote),
      context_(&context),
      proxy_(std::move(proxy)),
      socket_(std::move(socket)),
      is_accepted_(state == State::Shaking),
      open_until_(now + kOpenTime) {}

StreamConnection StreamConnection::accepted(Instant now, UniqueFd socket, const Endpoint& remote,
                                            const TlsContext& context) {
  StreamConnection out(now, std::move(socket), remote, context, std::nullopt, State::Shaking);
  out.begin_tls();
  return out;
}

StreamConnection StreamConnection::dialled(Instant now, UniqueFd socket, const Endpoint& remote,
                                           const TlsContext& context,
                                           std::optional<HttpProxy> proxy) {
  return StreamConnection(now, std::move(socket), remote, context, std::move(proxy),
                          State::Connecting);
}

Interest StreamConnection::interest() const {
  switch (state_) {
    case State::Connecting:
      return Interest::Write;
    case State::AskingProxy:
      return request_.empty() ? Interest::Read : Interest::Read | Interest::Write;
    case State::Shaking:
      return wants_write_ ? Interest::Write : Interest::Read;
    case State::Open:
      // What waits to be read meanwhile would only wake us again and again.
      if (read_wants_write_) return Interest::Write;
      return wants_write_ ? Interest::Read | Interest::Write : Interest::Read;
    case State::Over:
      break;
  }
  return Interest::None;
}

Instant StreamConnection::deadline() const {
  if (state_ == State::Over) return Instant::max();
  if (state_ != State::Open) return open_until_;
  const Instant idle = heard_at_ + kIdle;
  return is_accepted_ && !is_greeted_ ? std::min(idle, open_until_) : idle;
}

void StreamConnection::handle_timeout(Instant now) {
  if (deadline() > now) return;
  if (state_ == State::Open) return close();
  if (state_ == State::Connecting && proxy_) return blame_proxy("no answer");
  end();
}

bool StreamConnection::handle_ready(Instant now, bool is_readable, bool is_writable) {
  if (state_ == State::Connecting && is_writable) {
    if (const int error = connect_result(socket_); error != 0) {
      proxy_ ? blame_proxy(error_text(error)) : end();
      return false;
    }
    proxy_ ? begin_proxy() : begin_tls();
  }
  if (state_ == State::AskingProxy) ask_proxy();
  if (state_ == State::Shaking) shake(now);
  if (state_ != State::Open) return false;
  if (is_writable) flush(now);
  const bool read_again = is_writable && std::exchange(read_wants_write_, false);
  return (is_readable || read_again) && state_ == State::Open && read(now);
}

void StreamConnection::begin_proxy() {
  state_ = State::AskingProxy;
  request_ = http_connect_request(*proxy_, remote_);
}

void StreamConnection::ask_proxy() {
  while (!request_.empty()) {
    const ssize_t n = ::send(socket_.fd(), request_.data(), request_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return end();
    request_.erase(0, static_cast<std::size_t>(n));
  }
  while (reply_.state() == HttpConnectReply::State::Reading) {
    std::array<char, 1024> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t n = ::recv(socket_.fd(), bytes.data(), bytes.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return end();
    if (n == 0) return end();
    reply_.add({bytes.data(), static_cast<std::size_t>(n)});
  }
  if (reply_.state() == HttpConnectReply::State::Open) return begin_tls();
  const std::string problem = reply_.problem();
  problem.empty() ? end() : blame_proxy(problem);
}

void StreamConnection::begin_tls() {
  auto tls = is_accepted_ ? TlsSession::accept(*context_, socket_.fd())
                          : TlsSession::connect(*context_, socket_.fd());
  if (!tls) return end();
  tls_ = std::move(*tls);
  state_ = State::Shaking;
}

void StreamConnection::shake(Instant now) {
  const TlsSession::Step step = tls_->handshake();
  wants_write_ = step == TlsSession::Step::WantWrite;
  if (step == TlsSession::Step::Ended) return end();
  if (step != TlsSession::Step::Done) return;
  state_ = State::Open;
  heard_at_ = now;
  open_until_ = now + kGreetTime;
}

/// One record; true when there was one.
bool StreamConnection::read(Instant now) {
  if (frames_.is_broken()) {
    end();
    return false;
  }
  const TlsSession::Moved moved = tls_->read(frames_.room());
  switch (moved.step) {
    case TlsSession::Step::Done:
      frames_.add(moved.bytes);
      heard_at_ = now;
      return true;
    case TlsSession::Step::WantRead:
      return false;
    case TlsSession::Step::WantWrite:
      read_wants_write_ = true;
      return false;
    case TlsSession::Step::Ended:
      end();
      return false;
  }
  return false;
}

bool StreamConnection::send(Instant now, Bytes datagram) {
  if (state_ != State::Open) return false;
  is_greeted_ = true;
  if (queue_bytes_ + datagram.size() > kQueueBytesMax) {
    // What is late makes room first.
    while (!queue_.empty() && queue_.front().since + kLate <= now) {
      queue_bytes_ -= queue_.front().datagram.size();
      queue_.pop_front();
    }
    if (queue_bytes_ + datagram.size() > kQueueBytesMax) return false;
  }
  queue_.push_back({now, to_vector(datagram)});
  queue_bytes_ += datagram.size();
  if (!wants_write_ && !read_wants_write_) flush(now);
  return true;
}

/// As many frames as one record takes. False: there are none.
bool StreamConnection::fill(Instant now) {
  writing_.clear();
  written_ = 0;
  while (!queue_.empty()) {
    const Waiting& next = queue_.front();
    const bool is_late = next.since + kLate <= now;
    if (!is_late && writing_.size() + 2 + next.datagram.size() > kRecord) break;
    if (!is_late) append_stream_frame(next.datagram, writing_);
    queue_bytes_ -= next.datagram.size();
    queue_.pop_front();
  }
  return !writing_.empty();
}

void StreamConnection::flush(Instant now) {
  wants_write_ = false;
  while (written_ < writing_.size() || fill(now)) {
    const TlsSession::Moved moved = tls_->write(Bytes(writing_).subspan(written_));
    if (moved.step == TlsSession::Step::Ended) return end();
    if (moved.step != TlsSession::Step::Done) {
      wants_write_ = moved.step == TlsSession::Step::WantWrite;
      return;
    }
    written_ += moved.bytes;
  }
}

void StreamConnection::close() {
  if (tls_ && state_ == State::Open) tls_->shut_down();
  end();
}

void StreamConnection::blame_proxy(const std::string& problem) {
  proxy_problem_ = "the proxy: " + problem;
  end();
}

void StreamConnection::end() {
  state_ = State::Over;
  queue_.clear();
  queue_bytes_ = 0;
  writing_.clear();
  written_ = 0;
}

}  // namespace ipop::os
