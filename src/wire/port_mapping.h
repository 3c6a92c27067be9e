#pragma once

#include <optional>
#include <variant>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"

/// Asking a gateway to forward a UDP port: PCP (RFC 6887) and its predecessor NAT-PMP (RFC 6886).
/// Both live on the gateway's port 5351 and tell each other apart by the first byte, the version.
namespace ipop::wire {

inline constexpr std::uint16_t kPortMappingPort = 5351;
/// RFC 6887 7: longer messages are dropped, and so is what is no multiple of four.
inline constexpr std::size_t kPcpSizeMax = 1100;

struct PcpNonceTag;
/// Proves to the gateway that who renews or deletes a mapping made it (RFC 6887 11.1).
using PcpNonce = FixedBytes<PcpNonceTag, 12>;

/// A mapping of a UDP port as the client asks for it.
struct PcpMapRequest {
  PcpNonce nonce;
  IpAddress client;  ///< our address as the gateway sees it, or it answers ADDRESS_MISMATCH
  std::uint16_t internal_port = 0;
  /// 0.0.0.0 or :: and 0 where it does not matter; both for a deletion.
  Endpoint suggested;
  std::uint32_t lifetime_seconds = 0;  ///< 0 deletes
};

struct NatPmpMapRequest {
  std::uint16_t internal_port = 0;
  std::uint16_t suggested_port = 0;
  std::uint32_t lifetime_seconds = 0;  ///< 0 deletes
};

/// RFC 6887 11.1, opcode MAP.
void write_pcp_map_request(const PcpMapRequest& request, ByteVector& out);
/// RFC 6887 14.1: asks for nothing but the epoch.
void write_pcp_announce_request(const IpAddress& client, ByteVector& out);
/// RFC 6886 3.2 and 3.3.
void write_nat_pmp_address_request(ByteVector& out);
void write_nat_pmp_map_request(const NatPmpMapRequest& request, ByteVector& out);

/// RFC 6887 7.4. Others than these are kept as numbers.
inline constexpr std::uint8_t kPcpUnsupportedVersion = 1;
inline constexpr std::uint8_t kPcpNotAuthorized = 2;

struct PcpAnnounce {
  std::uint32_t epoch_seconds = 0;
  friend bool operator==(const PcpAnnounce&, const PcpAnnounce&) = default;
};
/// A UDP mapping that exists (or, with lifetime 0, no longer exists).
struct PcpMapped {
  PcpNonce nonce;
  std::uint16_t internal_port = 0;
  Endpoint external;  ///< as it came: the caller judges it
  std::uint32_t lifetime_seconds = 0;
  std::uint32_t epoch_seconds = 0;
  friend bool operator==(const PcpMapped&, const PcpMapped&) = default;
};
struct PcpError {
  std::uint8_t version = 0;  ///< the highest that the gateway speaks; not 2 only with result 1
  std::uint8_t result = 0;   ///< not 0
  std::uint32_t lifetime_seconds = 0;  ///< how long the same request gets the same answer
  std::uint32_t epoch_seconds = 0;
  std::optional<PcpNonce> nonce;  ///< of the MAP request that it answers, where it is repeated
  friend bool operator==(const PcpError&, const PcpError&) = default;
};
struct NatPmpAddress {
  Ipv4 external;  ///< as it came
  std::uint32_t epoch_seconds = 0;
  friend bool operator==(const NatPmpAddress&, const NatPmpAddress&) = default;
};
struct NatPmpMapped {
  std::uint16_t internal_port = 0;
  std::uint16_t external_port = 0;
  std::uint32_t lifetime_seconds = 0;
  std::uint32_t epoch_seconds = 0;
  friend bool operator==(const NatPmpMapped&, const NatPmpMapped&) = default;
};
/// RFC 6886 3.5. Result 1 is also what a NAT-PMP gateway says to a PCP request (RFC 6887 9).
struct NatPmpError {
  std::uint16_t result = 0;  ///< not 0
  std::uint32_t epoch_seconds = 0;
  friend bool operator==(const NatPmpError&, const NatPmpError&) = default;
};

using PortMappingResponse =
    std::variant<PcpAnnounce, PcpMapped, PcpError, NatPmpAddress, NatPmpMapped, NatPmpError>;

/// Reads what a gateway sends. Truncated: shorter than its layout. BadValue: a request, too long, a
/// length or an option that does not fit, another protocol than UDP. Unsupported: another opcode or
/// a version that gives no reason. PCP options are passed over (RFC 6887 7.3): we ask for none.
Result<PortMappingResponse> parse_port_mapping_response(Bytes datagram);

}  // namespace ipop::wire
