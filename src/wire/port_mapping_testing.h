#pragma once

#include "wire/port_mapping.h"
#include "wire/reader.h"
#include "wire/writer.h"

/// A gateway's side of PCP and NAT-PMP, for tests and fuzz targets: what a gateway reads and
/// writes.
namespace ipop::wire {

inline void write_pcp_address_for_test(const IpAddress& address, Writer& writer) {
  if (address.is_v6()) {
    writer.bytes(address.v6().bytes);
  } else {
    writer.zeros(10);
    writer.be(std::uint16_t{0xffff});
    writer.bytes(address.v4().to_bytes());
  }
}

inline ByteVector write_port_mapping_response(const PortMappingResponse& response) {
  ByteVector out;
  Writer writer(out);
  const auto pcp = [&](unsigned version, unsigned opcode, unsigned result, std::uint32_t lifetime,
                       std::uint32_t epoch) {
    writer.be(static_cast<std::uint8_t>(version));
    writer.be(static_cast<std::uint8_t>(0x80 | opcode));
    writer.zeros(1);
    writer.be(static_cast<std::uint8_t>(result));
    writer.be(lifetime);
    writer.be(epoch);
    writer.zeros(12);
  };
  const auto nat_pmp = [&](unsigned opcode, std::uint16_t result, std::uint32_t epoch) {
    writer.be(std::uint8_t{0});
    writer.be(static_cast<std::uint8_t>(opcode));
    writer.be(result);
    writer.be(epoch);
  };
  if (const auto* announce = std::get_if<PcpAnnounce>(&response)) {
    pcp(2, 0, 0, 0, announce->epoch_seconds);
  } else if (const auto* map = std::get_if<PcpMapped>(&response)) {
    pcp(2, 1, 0, map->lifetime_seconds, map->epoch_seconds);
    writer.bytes(map->nonce.view());
    writer.be(std::uint8_t{17});
    writer.zeros(3);
    writer.be(map->internal_port);
    writer.be(map->external.port);
    write_pcp_address_for_test(map->external.address, writer);
  } else if (const auto* error = std::get_if<PcpError>(&response)) {
    pcp(error->version, 1, error->result, error->lifetime_seconds, error->epoch_seconds);
    if (error->nonce) {
      writer.bytes(error->nonce->view());
      writer.zeros(24);
    }
  } else if (const auto* address = std::get_if<NatPmpAddress>(&response)) {
    nat_pmp(128, 0, address->epoch_seconds);
    writer.bytes(address->external.to_bytes());
  } else if (const auto* mapped = std::get_if<NatPmpMapped>(&response)) {
    nat_pmp(129, 0, mapped->epoch_seconds);
    writer.be(mapped->internal_port);
    writer.be(mapped->external_port);
    writer.be(mapped->lifetime_seconds);
  } else if (const auto* refusal = std::get_if<NatPmpError>(&response)) {
    nat_pmp(refusal->result == 1 ? 0 : 129, refusal->result, refusal->epoch_seconds);
  }
  return out;
}

struct PcpAnnounceRequest {
  IpAddress client;
};
struct NatPmpAddressRequest {};
using PortMappingRequest =
    std::variant<PcpMapRequest, PcpAnnounceRequest, NatPmpMapRequest, NatPmpAddressRequest>;

/// nullopt: nothing that the writers of wire/port_mapping.h write.
inline std::optional<PortMappingRequest> read_port_mapping_request(Bytes datagram) {
  Reader reader(datagram);
  const auto version = reader.be<std::uint8_t>();
  const auto opcode = reader.be<std::uint8_t>();
  if (version == 0 && opcode == 0 && reader.done()) return NatPmpAddressRequest{};
  if (reader.be<std::uint16_t>() != 0) return std::nullopt;
  if (version == 0) {
    NatPmpMapRequest out;
    out.internal_port = reader.be<std::uint16_t>();
    out.suggested_port = reader.be<std::uint16_t>();
    out.lifetime_seconds = reader.be<std::uint32_t>();
    if (opcode != 1 || !reader.done()) return std::nullopt;
    return out;
  }
  const auto address = [&]() -> IpAddress {
    const auto bytes = reader.fixed<std::array<std::byte, 16>>();
    const bool mapped = to_hex(Bytes(bytes).first(12)) == "00000000000000000000ffff";
    if (!mapped) return Ipv6{bytes};
    return Ipv4::from_bytes({bytes[12], bytes[13], bytes[14], bytes[15]});
  };
  PcpMapRequest out;
  out.lifetime_seconds = reader.be<std::uint32_t>();
  out.client = address();
  if (version != 2 || opcode > 1) return std::nullopt;
  if (opcode == 0 && reader.done()) return PcpAnnounceRequest{out.client};
  out.nonce = reader.fixed<PcpNonce>();
  const auto protocol_and_reserved = reader.be<std::uint32_t>();
  out.internal_port = reader.be<std::uint16_t>();
  out.suggested.port = reader.be<std::uint16_t>();
  out.suggested.address = address();
  if (!reader.done() || protocol_and_reserved != 17U << 24U) return std::nullopt;
  return out;
}

}  // namespace ipop::wire
