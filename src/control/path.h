#pragma once

#include <optional>
#include <string>

#include "base/address.h"
#include "base/time.h"

/// How a member is reached: a part of schema.h that several replies have.
namespace ipop::control {

/// Tls: to the member itself, but by TLS over TCP, since UDP does not get there.
enum class PathKind : std::uint8_t { None, Direct, Relay, Tls };
struct PathStatus {
  PathKind kind = PathKind::None;
  std::optional<Endpoint> endpoint;  ///< of a direct path, and the TCP address of one by TLS
  std::optional<std::string> via;    ///< the relaying member's name
  std::optional<Duration> rtt;       ///< `rtt_ms`, with fraction
  std::optional<std::uint16_t> mtu;  ///< of a member in a status: the largest packet that goes
  friend bool operator==(const PathStatus&, const PathStatus&) = default;
};

}  // namespace ipop::control
