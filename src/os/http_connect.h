#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

/// A way through an HTTP proxy (RFC 9110, section 9.3.6): what is written and read, without any
/// I/O.
namespace ipop::os {

/// "[http://][user:password@]host[:port]", which a '/' may follow; the port is 80 otherwise, user
/// and password may have %XX. Without a scheme, as curl takes it.
struct HttpProxy {
  std::string host;  ///< a name or an address; IPv6 without its brackets
  std::uint16_t port = 80;
  std::string credentials;  ///< "user:password"; empty: none. Not for the log.

  /// Nullopt for anything else, also https://, which is none that we can talk to.
  static std::optional<HttpProxy> parse(std::string_view url);
  friend bool operator==(const HttpProxy&, const HttpProxy&) = default;
};

/// What asks the proxy for a tunnel.
std::string http_connect_request(const HttpProxy& proxy, const Endpoint& to);

/// Reads the proxy's answer as it comes.
class HttpConnectReply {
 public:
  /// Of the whole head, those of interim answers (1xx) included. Servers and proxies take 8 kB to
  /// be plenty.
  static constexpr std::size_t kHeadMax = 8192;

  enum class State : std::uint8_t {
    Reading,
    Open,     ///< from here on it is the tunnel
    Refused,  ///< status() says why
    Broken,   ///< no HTTP, or no end to it
  };
  /// Bytes behind an accepted head are the far end's, which speaks second in TLS: Broken.
  State add(std::string_view bytes);
  State state() const { return state_; }
  /// 3 digits; 0 before there is one.
  int status() const { return status_; }
  /// One line for the operator where it would refuse any target, since it is no proxy or wants
  /// another user: "407: it wants another user and password". Empty for what may be of this target
  /// alone.
  std::string problem() const;

 private:
  std::string head_;
  std::size_t interim_bytes_ = 0;  ///< of heads before this one
  State state_ = State::Reading;
  int status_ = 0;
};

}  // namespace ipop::os
