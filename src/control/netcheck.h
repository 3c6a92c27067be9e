#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

/// What `ipop netcheck` tells: the part of schema.h that is about the NAT in front of this
/// computer.
namespace ipop::control {

struct NetcheckRequest {
  friend bool operator==(const NetcheckRequest&, const NetcheckRequest&) = default;
};

/// RFC 4787 4.1; `none`: no NAT.
enum class NatMapping : std::uint8_t {
  Unknown,
  None,
  EndpointIndependent,
  AddressDependent,
  AddressAndPortDependent,
};
/// RFC 4787 5.
enum class NatFiltering : std::uint8_t {
  Unknown,
  EndpointIndependent,
  AddressDependent,
  AddressAndPortDependent,
};
/// Sequential: of a mapping that depends on whom we call, where the next port can be guessed.
enum class NatPorts : std::uint8_t { Unknown, Preserved, Changed, Sequential };

/// What we know of one family.
struct NatStatus {
  NatMapping mapping = NatMapping::Unknown;
  NatFiltering filtering = NatFiltering::Unknown;
  NatPorts ports = NatPorts::Unknown;
  std::optional<Endpoint> external;    ///< where strangers find us, when two or more agree
  std::vector<Endpoint> seen;          ///< as others saw us, newest first
  std::vector<std::string> addresses;  ///< of this computer's interfaces
  friend bool operator==(const NatStatus&, const NatStatus&) = default;
};

enum class GatewayProtocol : std::uint8_t { None, Asking, Pcp, NatPmp, Upnp };
struct GatewayStatus {
  std::string address;
  GatewayProtocol protocol = GatewayProtocol::None;  ///< by which it forwards our port
  std::optional<Endpoint> external;                  ///< the port that it forwards
  friend bool operator==(const GatewayStatus&, const GatewayStatus&) = default;
};

struct StunStatus {
  Endpoint server;
  std::optional<Endpoint> seen;  ///< absent = no answer
  friend bool operator==(const StunStatus&, const StunStatus&) = default;
};

}  // namespace ipop::control
