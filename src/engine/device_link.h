#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "dataplane/keypair.h"
#include "engine/context.h"

namespace ipop::engine {

/// The session with a stock WireGuard device and the one address it has: where its last authentic
/// packet came from (WireGuard paper, section 2.1). No control frames, no probing, no PROOF: what a
/// Link does by them, WireGuard's timers do here.
///
/// Drain poll_output() after each handle_*().
class DeviceLink {
 public:
  struct Send {
    Endpoint to;
    ByteVector datagram;
  };
  /// The owner sends the packets that wait, or else an empty one by send_keepalive().
  struct KeepaliveDue {};
  /// Something that a snapshot shows changed: keypairs, sending pair, endpoint.
  struct Changed {};
  struct WaitUntil {
    Instant at;
  };
  using Output = std::variant<Send, KeepaliveDue, Changed, WaitUntil>;

  DeviceLink(const Context& context, const session::Session::Options& options);
  DeviceLink(const DeviceLink&) = delete;
  DeviceLink& operator=(const DeviceLink&) = delete;

  /// Where the device was last; its next packet tells better.
  void set_endpoint(const std::optional<Endpoint>& endpoint) { endpoint_ = endpoint; }
  /// An IP packet waits for a session.
  void connect(const Now& now);
  /// Drops all keys.
  void reset();

  Result<void> respond(const Now& now, session::ReceivedInitiation initiation,
                       const Endpoint& from);
  Result<void> handle_response(const Now& now, const wire::Response& message, const Endpoint& from);
  Result<void> handle_cookie_reply(const Now& now, const wire::CookieReply& message);
  /// An authenticated packet came in on this pair, from there.
  void handle_received(const Now& now, SessionIndex local, const Endpoint& from);
  void handle_ip_sent(const Now& now);
  void handle_limit(const Now& now, SessionIndex local);
  void handle_timeout(const Now& now);
  Output poll_output();

  /// Seals an IP packet, or nothing, and queues it. Nothing happens without session or address.
  void send_ip(const Now& now, Bytes packet);
  void send_keepalive();

  bool online() const { return sending() != nullptr && endpoint_.has_value(); }
  const TunnelKey& remote() const { return session_.remote(); }
  const std::optional<Endpoint>& endpoint() const { return endpoint_; }
  /// The pair that data goes out on; null while there is none.
  dataplane::Keypair* sending() const;
  const std::map<SessionIndex, std::unique_ptr<dataplane::Keypair>>& pairs() const {
    return pairs_;
  }
  /// Since the last handshake was complete; nullopt: there was none.
  std::optional<Duration> handshake_age(Instant now) const;
  /// Since the last authenticated packet; nullopt: there was none.
  std::optional<Duration> silence(Instant now) const;
  /// Keypairs that ended, for the next publication to carry away.
  std::vector<std::unique_ptr<dataplane::Keypair>> take_garbage();

 private:
  void pump();
  void make_pair(session::Session::PairMade made);
  void move_to(const Endpoint& from);
  session::Activity activity() const;

  const Context* ctx_;
  session::Session session_;
  std::optional<Endpoint> endpoint_;
  std::map<SessionIndex, std::unique_ptr<dataplane::Keypair>> pairs_;
  std::vector<std::unique_ptr<dataplane::Keypair>> garbage_;
  Instant heard_at_ = Instant::min();
  Instant handshake_at_ = Instant::min();
  Instant deadline_ = Instant::max();
  std::deque<Output> outputs_;
};

}  // namespace ipop::engine
