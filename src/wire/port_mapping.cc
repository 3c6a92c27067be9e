#include "wire/port_mapping.h"

#include <algorithm>

#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint8_t kNatPmpVersion = 0;
constexpr std::uint8_t kPcpVersion = 2;
constexpr std::uint8_t kResponse = 0x80;

constexpr std::uint8_t kPcpOpAnnounce = 0;
constexpr std::uint8_t kPcpOpMap = 1;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::size_t kPcpHeaderSize = 24;
constexpr std::size_t kPcpMapSize = 36;

constexpr std::uint8_t kNatPmpOpAddress = 0;
constexpr std::uint8_t kNatPmpOpMapUdp = 1;
constexpr std::uint16_t kNatPmpUnsupportedVersion = 1;

constexpr std::array<std::byte, 12> kMappedPrefix{
    std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};

/// RFC 6887 5: 128 bits always, IPv4 as IPv4-mapped.
void write_address(const IpAddress& address, Writer& writer) {
  if (address.is_v6()) {
    writer.bytes(address.v6().bytes);
  } else {
    writer.bytes(kMappedPrefix);
    writer.bytes(address.v4().to_bytes());
  }
}

IpAddress read_address(Reader& reader) {
  const auto bytes = reader.fixed<std::array<std::byte, 16>>();
  if (!std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) return Ipv6{bytes};
  return Ipv4::from_bytes({bytes[12], bytes[13], bytes[14], bytes[15]});
}

void write_pcp_header(std::uint8_t opcode, std::uint32_t lifetime_seconds, const IpAddress& client,
                      Writer& writer) {
  writer.be(kPcpVersion);
  writer.be(opcode);
  writer.zeros(2);
  writer.be(lifetime_seconds);
  write_address(client, writer);
}

/// RFC 6887 7.3: code, reserved, length, data, padding to four bytes. None is understood.
bool options_fit(Reader& reader) {
  while (reader.remaining() > 0) {
    reader.take(2);
    const std::size_t size = reader.be<std::uint16_t>();
    reader.take((size + 3) / 4 * 4);
  }
  return reader.ok();
}

Result<PortMappingResponse> parse_pcp_map(Reader& reader, PcpMapped out) {
  out.nonce = reader.fixed<PcpNonce>();
  const auto protocol = reader.be<std::uint8_t>();
  reader.take(3);
  out.internal_port = reader.be<std::uint16_t>();
  out.external.port = reader.be<std::uint16_t>();
  out.external.address = read_address(reader);
  if (!reader.ok()) return fail(Errc::Truncated, "pcp map response");
  if (protocol != kProtocolUdp) return fail(Errc::BadValue, "pcp map protocol");
  if (!options_fit(reader)) return fail(Errc::BadValue, "pcp options");
  return out;
}

Result<PortMappingResponse> parse_pcp(Bytes datagram) {
  if (datagram.size() < kPcpHeaderSize) return fail(Errc::Truncated, "pcp header");
  if (datagram.size() % 4 != 0) return fail(Errc::BadValue, "pcp length");
  Reader reader(datagram);
  const auto version = reader.be<std::uint8_t>();
  const auto opcode = reader.be<std::uint8_t>();
  reader.take(1);
  const auto result = reader.be<std::uint8_t>();
  const auto lifetime = reader.be<std::uint32_t>();
  const auto epoch = reader.be<std::uint32_t>();
  reader.take(12);
  if ((opcode & kResponse) == 0) return fail(Errc::BadValue, "pcp request");
  const auto operation = static_cast<std::uint8_t>(opcode & ~kResponse);
  if (version != kPcpVersion && result != kPcpUnsupportedVersion) {
    return fail(Errc::Unsupported, "pcp version");
  }
  if (result != 0) {
    PcpError out{version, result, lifetime, epoch, {}};
    if (version == kPcpVersion && operation == kPcpOpMap && reader.remaining() >= kPcpMapSize) {
      out.nonce = reader.fixed<PcpNonce>();
    }
    return out;
  }
  if (operation == kPcpOpMap) {
    return parse_pcp_map(reader, {.lifetime_seconds = lifetime, .epoch_seconds = epoch});
  }
  if (operation != kPcpOpAnnounce) return fail(Errc::Unsupported, "pcp opcode");
  if (!options_fit(reader)) return fail(Errc::BadValue, "pcp options");
  return PcpAnnounce{epoch};
}

Result<PortMappingResponse> parse_nat_pmp(Bytes datagram) {
  Reader reader(datagram);
  reader.take(1);
  const auto opcode = reader.be<std::uint8_t>();
  const auto result = reader.be<std::uint16_t>();
  const auto epoch = reader.be<std::uint32_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "nat-pmp header");
  // RFC 6886 3.5 gives this one answer without the bit that marks responses.
  const bool version_answer = opcode == 0 && result == kNatPmpUnsupportedVersion;
  if ((opcode & kResponse) == 0 && !version_answer) return fail(Errc::BadValue, "nat-pmp request");
  if (result != 0) return NatPmpError{result, epoch};
  if (opcode == (kResponse | kNatPmpOpAddress)) {
    NatPmpAddress out{Ipv4::from_bytes(reader.fixed<std::array<std::byte, 4>>()), epoch};
    if (!reader.ok()) return fail(Errc::Truncated, "nat-pmp address response");
    if (!reader.done()) return fail(Errc::BadValue, "nat-pmp length");
    return out;
  }
  if (opcode != (kResponse | kNatPmpOpMapUdp)) return fail(Errc::Unsupported, "nat-pmp opcode");
  NatPmpMapped out{.epoch_seconds = epoch};
  out.internal_port = reader.be<std::uint16_t>();
  out.external_port = reader.be<std::uint16_t>();
  out.lifetime_seconds = reader.be<std::uint32_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "nat-pmp map response");
  if (!reader.done()) return fail(Errc::BadValue, "nat-pmp length");
  return out;
}

}  // namespace

void write_pcp_map_request(const PcpMapRequest& request, ByteVector& out) {
  Writer writer(out);
  write_pcp_header(kPcpOpMap, request.lifetime_seconds, request.client, writer);
  writer.bytes(request.nonce.view());
  writer.be(kProtocolUdp);
  writer.zeros(3);
  writer.be(request.internal_port);
  writer.be(request.suggested.port);
  write_address(request.suggested.address, writer);
}

void write_pcp_announce_request(const IpAddress& client, ByteVector& out) {
  Writer writer(out);
  write_pcp_header(kPcpOpAnnounce, 0, client, writer);
}

void write_nat_pmp_address_request(ByteVector& out) {
  Writer writer(out);
  writer.be(kNatPmpVersion);
  writer.be(kNatPmpOpAddress);
}

void write_nat_pmp_map_request(const NatPmpMapRequest& request, ByteVector& out) {
  Writer writer(out);
  writer.be(kNatPmpVersion);
  writer.be(kNatPmpOpMapUdp);
  writer.zeros(2);
  writer.be(request.internal_port);
  writer.be(request.suggested_port);
  writer.be(request.lifetime_seconds);
}

Result<PortMappingResponse> parse_port_mapping_response(Bytes datagram) {
  if (datagram.empty()) return fail(Errc::Truncated, "port mapping response");
  if (datagram.size() > kPcpSizeMax) return fail(Errc::BadValue, "port mapping length");
  const bool nat_pmp = std::to_integer<std::uint8_t>(datagram[0]) == kNatPmpVersion;
  return nat_pmp ? parse_nat_pmp(datagram) : parse_pcp(datagram);
}

}  // namespace ipop::wire
