#include "wire/candidate.h"

#include <algorithm>

namespace ipop::wire {
namespace {

constexpr std::uint8_t kFamilyIpv4 = 4;
constexpr std::uint8_t kFamilyIpv6 = 6;

bool is_mapped(const Ipv6& a) {
  static constexpr std::array<std::byte, 12> kPrefix{
      std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
      std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};
  return std::equal(kPrefix.begin(), kPrefix.end(), a.bytes.begin());
}

}  // namespace

bool is_candidate(const Endpoint& endpoint) {
  const IpAddress& a = endpoint.address;
  if (endpoint.port == 0 || a.is_unspecified() || a.is_multicast()) return false;
  return a.is_v6() ? !is_mapped(a.v6()) : a.v4().value != 0xffffffff;
}

Endpoint read_candidate(Reader& reader) {
  const auto family = reader.le<std::uint8_t>();
  const auto address = reader.fixed<std::array<std::byte, 16>>();
  Endpoint out;
  out.port = reader.le<std::uint16_t>();
  if (family == kFamilyIpv6) {
    out.address = Ipv6{address};
  } else {
    out.address = Ipv4::from_bytes({address[0], address[1], address[2], address[3]});
    const bool padded = std::all_of(address.begin() + 4, address.end(),
                                    [](std::byte b) { return b == std::byte{0}; });
    if (family != kFamilyIpv4 || !padded) reader.fail();
  }
  if (!is_candidate(out)) reader.fail();
  return reader.ok() ? out : Endpoint{};
}

void write_candidate(const Endpoint& endpoint, Writer& writer) {
  if (endpoint.address.is_v6()) {
    writer.le(kFamilyIpv6);
    writer.bytes(endpoint.address.v6().bytes);
  } else {
    writer.le(kFamilyIpv4);
    writer.bytes(endpoint.address.v4().to_bytes());
    writer.zeros(12);
  }
  writer.le(endpoint.port);
}

}  // namespace ipop::wire
