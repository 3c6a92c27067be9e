#include "dataplane/icmp.h"

#include <algorithm>

#include "dataplane/header_fields.h"

namespace ipop::dataplane {
namespace {

constexpr std::size_t kIcmpHeaderSize = 8;
/// RFC 1812 4.3.2.3: as much of the packet as fits 576 bytes; RFC 4443 3.2: the minimum IPv6 MTU.
constexpr std::size_t kIpv4AnswerSizeMax = 576;
constexpr std::size_t kIpv6AnswerSizeMax = 1280;
constexpr unsigned kTimeToLive = 64;

/// True for what is itself an error message, or cannot be told to be none.
bool is_icmp_error(Bytes packet, const InnerPacket& inner) {
  if (inner.protocol != kProtocolIcmp && inner.protocol != kProtocolIcmpV6) return false;
  if (inner.transport >= inner.size) return true;
  const auto type = std::to_integer<unsigned>(packet[inner.transport]);
  if (inner.protocol == kProtocolIcmpV6) return type < 128 || type == 137;  // 137: redirect
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool is_single_host(const IpAddress& address, const std::optional<Prefix4>& pool) {
  if (address.is_unspecified() || address.is_multicast()) return false;
  if (address.is_v6()) return true;
  if (address.v4().value >> 28U == 15) return false;  // 240/4, with 255.255.255.255
  return !pool || address.v4() != pool->last();
}

void write_icmp_checksum(MutableBytes icmp, ChecksumSum sum) {
  sum.add(icmp);
  write_be16(icmp, 2, sum.finish());
}

void build_ipv4(Packet& packet, const InnerPacket& inner, std::uint16_t mtu) {
  constexpr std::size_t kHeaders = kIpv4HeaderSize + kIcmpHeaderSize;
  const std::size_t quoted = std::min(inner.size, kIpv4AnswerSizeMax - kHeaders);
  packet.push_front(kHeaders);
  packet.resize(kHeaders + quoted);
  const MutableBytes all = packet.data();
  std::fill_n(all.begin(), kHeaders, std::byte{0});
  all[0] = std::byte{0x45};
  all[1] = std::byte{0xc0};  // precedence "internetwork control", RFC 1812 4.3.2.5
  write_be16(all, 2, static_cast<std::uint16_t>(all.size()));
  write_be16(all, 6, 0x4000);
  all[8] = std::byte{kTimeToLive};
  all[9] = std::byte{kProtocolIcmp};
  copy_bytes(all.subspan(12), inner.destination.v4().to_bytes());
  copy_bytes(all.subspan(16), inner.source.v4().to_bytes());
  write_ipv4_checksum(all.first(kIpv4HeaderSize));

  const MutableBytes icmp = all.subspan(kIpv4HeaderSize);
  icmp[0] = std::byte{3};  // destination unreachable
  icmp[1] = std::byte{4};  // fragmentation needed
  write_be16(icmp, 6, mtu);
  write_icmp_checksum(icmp, {});
}

void build_ipv6(Packet& packet, const InnerPacket& inner, std::uint16_t mtu) {
  constexpr std::size_t kHeaders = kIpv6HeaderSize + kIcmpHeaderSize;
  const std::size_t quoted = std::min(inner.size, kIpv6AnswerSizeMax - kHeaders);
  packet.push_front(kHeaders);
  packet.resize(kHeaders + quoted);
  const MutableBytes all = packet.data();
  std::fill_n(all.begin(), kHeaders, std::byte{0});
  const std::size_t icmp_size = all.size() - kIpv6HeaderSize;
  all[0] = std::byte{0x60};
  write_be16(all, 4, static_cast<std::uint16_t>(icmp_size));
  all[6] = std::byte{kProtocolIcmpV6};
  all[7] = std::byte{kTimeToLive};
  copy_bytes(all.subspan(8), inner.destination.v6().bytes);
  copy_bytes(all.subspan(24), inner.source.v6().bytes);

  const MutableBytes icmp = all.subspan(kIpv6HeaderSize);
  icmp[0] = std::byte{2};  // packet too big
  write_be16(icmp, 6, mtu);
  ChecksumSum sum;
  sum.add_pseudo_header(inner.destination, inner.source, kProtocolIcmpV6, icmp_size);
  write_icmp_checksum(icmp, sum);
}

}  // namespace

bool replace_by_too_big(Packet& packet, const InnerPacket& inner, const TooBigOptions& options) {
  if (inner.fragment == Fragment::Later || is_icmp_error(packet.data(), inner)) return false;
  if (!is_single_host(inner.source, options.pool)) return false;
  if (!is_single_host(inner.destination, options.pool)) return false;
  if (inner.source.is_v6()) {
    build_ipv6(packet, inner, options.mtu);
  } else {
    build_ipv4(packet, inner, options.mtu);
  }
  return true;
}

}  // namespace ipop::dataplane
