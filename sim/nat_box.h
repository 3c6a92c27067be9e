#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/id.h"
#include "base/random.h"
#include "base/time.h"

namespace ipop::sim {

/// What a NAT does (RFC 4787).
enum class NatKind : std::uint8_t {
  FullCone,        ///< one outer port for everybody, and whoever knows it gets in
  PortRestricted,  ///< one outer port for everybody; in gets who was sent to
  Symmetric,       ///< another outer port for each destination; in gets who was sent to
};

/// The NAT in front of one node. A mapping lives as long as the node sends at
/// least once in `lifetime`; the next one has another outer port.
class NatBox {
 public:
  NatBox(Ipv4 outside, NatKind kind, Duration lifetime, std::uint64_t seed)
      : outside_(outside), kind_(kind), lifetime_(lifetime), rng_(seed) {}

  Ipv4 outside() const { return outside_; }
  NatKind kind() const { return kind_; }
  /// The source that a datagram of this socket to this destination has outside; keeps the way back
  /// open.
  Endpoint translate(Instant now, SocketId socket, const Endpoint& to);
  /// The socket that a datagram gets to that came from there to this outer port; nullopt: none.
  std::optional<SocketId> lets_in(Instant now, const Endpoint& from, std::uint16_t port) const;
  /// When a flow to a port of this address began that was not open, first ones first.
  const std::vector<Instant>& flows_to(const IpAddress& address) { return flows_[address]; }

 private:
  struct Mapping {
    SocketId socket;
    std::optional<Endpoint> only_to;  ///< nullopt: to anybody
    std::uint16_t port = 0;
    Instant used{};
    std::map<Endpoint, Instant> sent_to;
  };

  Ipv4 outside_;
  NatKind kind_;
  Duration lifetime_;
  SeededRng rng_;
  std::vector<Mapping> mappings_;
  std::map<IpAddress, std::vector<Instant>> flows_;
};

}  // namespace ipop::sim
