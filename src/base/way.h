#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "base/address.h"
#include "base/check.h"
#include "base/id.h"

namespace ipop {

/// How a datagram gets to a peer, or came from it. Which peer is said beside it.
///
///  * Direct: a UDP address, and the socket of ours that it is reached from: a NAT may let the same
///    address in to one of our sockets and not to another.
///  * Stream: a TLS connection over TCP, named by the other end's address; where UDP fails.
///  * Relay: through the session with another member, the hop, both legs of which are one of these
///    two; one hop only. The label is the one that we put on packets that we send on the hop's
///    session, also where the way is that of a received packet: answering on the way it came by
///    works.
///  * Routed: through the overlay, from member to member, by the peer's node id. For handshakes,
///    proofs and the first packets; never used by a worker.
///
/// A regular value. Ordered by kind first: what is less is better.
class Way {
 public:
  enum class Kind : std::uint8_t { Direct, Stream, Relay, Routed };

  /// The address 0.0.0.0:0, from which nothing comes.
  constexpr Way() = default;
  constexpr Way(const Endpoint& endpoint,  // NOLINT(google-explicit-constructor)
                SocketId socket = kMainSocket)
      : socket_(socket), endpoint_(endpoint) {}
  static constexpr Way stream(const Endpoint& endpoint) {
    Way out(endpoint);
    out.kind_ = Kind::Stream;
    return out;
  }
  static constexpr Way relay(PeerHandle hop, RelayLabel label) {
    Way out;
    out.kind_ = Kind::Relay;
    out.hop_ = hop;
    out.label_ = label;
    return out;
  }
  static constexpr Way routed() {
    Way out;
    out.kind_ = Kind::Routed;
    return out;
  }

  constexpr Kind kind() const { return kind_; }
  constexpr bool is_direct() const { return kind_ == Kind::Direct; }
  constexpr bool is_stream() const { return kind_ == Kind::Stream; }
  /// No member in between, so that relayed packets may travel on it.
  constexpr bool is_leg() const { return is_direct() || is_stream(); }
  constexpr bool is_relay() const { return kind_ == Kind::Relay; }
  /// Requires: is_leg().
  constexpr const Endpoint& endpoint() const {
    check(is_leg());
    return endpoint_;
  }
  /// Of ours. Requires: is_direct().
  constexpr SocketId socket() const {
    check(is_direct());
    return socket_;
  }
  /// Requires: is_relay().
  constexpr PeerHandle hop() const {
    check(is_relay());
    return hop_;
  }
  /// Requires: is_relay().
  constexpr RelayLabel label() const {
    check(is_relay());
    return label_;
  }
  /// For a log's line: the address, "tls" and the address, "relay", "routed".
  std::string to_string() const {
    if (is_direct()) return endpoint_.to_string();
    if (is_stream()) return "tls " + endpoint_.to_string();
    return is_relay() ? "relay" : "routed";
  }
  friend constexpr auto operator<=>(const Way&, const Way&) = default;

 private:
  // What does not belong to the kind is zero, so that comparing all compares what counts.
  Kind kind_ = Kind::Direct;
  PeerHandle hop_;
  RelayLabel label_;
  SocketId socket_;
  Endpoint endpoint_;
};

}  // namespace ipop

template <>
struct std::hash<ipop::Way> {
  std::size_t operator()(const ipop::Way& way) const noexcept {
    if (way.is_stream()) return ~std::hash<ipop::Endpoint>{}(way.endpoint());
    if (way.is_direct()) {
      return std::hash<ipop::Endpoint>{}(way.endpoint()) ^ std::size_t{way.socket().value};
    }
    if (!way.is_relay()) return static_cast<std::size_t>(way.kind());
    return (std::size_t{way.hop().value} << 32U) ^ way.label().value;
  }
};
