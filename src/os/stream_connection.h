#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/time.h"
#include "os/http_connect.h"
#include "os/poller.h"
#include "os/stream_frames.h"
#include "os/tls.h"
#include "os/unique_fd.h"

namespace ipop::os {

/// A TLS connection that carries datagrams as well as a line does that loses what it cannot take:
/// what finds no room in a short queue, or has waited there too long, is dropped.
///
///   dialled:  Connecting --> [AskingProxy -->] Shaking --> Open --> Over
///   accepted:                                  Shaking --> Open --> Over
///
/// It costs the other end's patience a bounded time and us bounded memory: kOpenTime until it is
/// Open; an accepted one another kGreetTime until something was sent on it, which happens for
/// members alone (whoever does not know the network's secret is not answered); kIdle of silence.
/// Never blocks. One thread.
class StreamConnection {
 public:
  static constexpr Duration kOpenTime = std::chrono::seconds(10);
  static constexpr Duration kGreetTime = std::chrono::seconds(10);
  /// Sessions that use it are heard of every 25 s.
  static constexpr Duration kIdle = std::chrono::seconds(90);
  static constexpr std::size_t kQueueBytesMax = 64 * 1024;
  /// Of a datagram that waits for the socket. Later it would only take the place of newer ones.
  static constexpr Duration kLate = std::chrono::milliseconds(100);

  enum class State : std::uint8_t { Connecting, AskingProxy, Shaking, Open, Over };

  /// `remote` is the other end's name here; `context` is a server's and outlives the connection.
  static StreamConnection accepted(Instant now, UniqueFd socket, const Endpoint& remote,
                                   const TlsContext& context);
  /// On a socket that connect_tcp() gave: to `remote`, or to the proxy that is to lead there. A
  /// client's context.
  static StreamConnection dialled(Instant now, UniqueFd socket, const Endpoint& remote,
                                  const TlsContext& context, std::optional<HttpProxy> proxy);

  State state() const { return state_; }
  const Endpoint& remote() const { return remote_; }
  /// Why it is Over, for the operator, where that is the proxy's own fault: it is not there, is no
  /// proxy, or wants another user. Empty for anything that may be the far end's.
  const std::string& proxy_problem() const { return proxy_problem_; }
  /// Something was sent on it: a member is there.
  bool is_greeted() const { return is_greeted_; }
  /// Since when it is open, or something came.
  Instant heard_at() const { return heard_at_; }
  int fd() const { return socket_.fd(); }
  Interest interest() const;
  /// When handle_timeout() is due.
  Instant deadline() const;

  /// The socket can go on. After it take next() until there is none; true: call it again at once or
  /// later, as there may be more to read.
  bool handle_ready(Instant now, bool is_readable, bool is_writable);
  void handle_timeout(Instant now);
  /// A datagram that came, valid until the next handle_ready().
  std::optional<MutableBytes> next() { return frames_.next(); }
  /// False: dropped. Requires: 1 .. kStreamDatagramMax bytes.
  bool send(Instant now, Bytes datagram);
  /// Tells the other end, and is Over.
  void close();

 private:
  StreamConnection(Instant now, UniqueFd socket, const Endpoint& remote, const TlsContext& context,
                   std::optional<HttpProxy> proxy, State state);
  void begin_proxy();
  void ask_proxy();
  void begin_tls();
  void shake(Instant now);
  bool read(Instant now);
  void flush(Instant now);
  bool fill(Instant now);
  void end();
  void blame_proxy(const std::string& problem);

  State state_;
  Endpoint remote_;
  const TlsContext* context_;
  std::optional<HttpProxy> proxy_;
  UniqueFd socket_;
  std::optional<TlsSession> tls_;
  HttpConnectReply reply_;
  std::string request_;  ///< to the proxy, what was not sent yet
  StreamFrames frames_;
  struct Waiting {
    Instant since;
    ByteVector datagram;
  };
  std::deque<Waiting> queue_;
  std::size_t queue_bytes_ = 0;
  ByteVector writing_;  ///< frames of which some may be sent; the rest must follow
  std::size_t written_ = 0;
  bool is_accepted_ = false;
  bool is_greeted_ = false;
  bool wants_write_ = false;
  bool read_wants_write_ = false;  ///< nothing more is read before TLS has answered something
  Instant open_until_;
  Instant heard_at_{};
  std::string proxy_problem_;
};

}  // namespace ipop::os
