#include "dataplane/coalescer.h"

#include "base/check.h"
#include "base/packet.h"
#include "dataplane/header_fields.h"

namespace ipop::dataplane {
namespace {

constexpr std::size_t kTtlAt4 = 8;

unsigned tcp_flags(Bytes packet, const InnerPacket& inner) {
  return std::to_integer<unsigned>(packet[inner.transport + kTcpFlagsAt]);
}

/// Header bytes of a packet that may be part of a run; 0 for one that stays alone: IP options or
/// extension headers, TCP flags other than those of plain data, no payload.
std::size_t joinable_header(const ReceivedPacket& packet, const TunOffloads& offloads) {
  const InnerPacket& inner = packet.inner;
  if (!packet.checksum_partial) return 0;
  if (inner.transport != (inner.source.is_v6() ? kIpv6HeaderSize : kIpv4HeaderSize)) return 0;
  const std::size_t header = inner.transport + transport_header_size(packet.bytes, inner);
  if (header >= inner.size) return 0;
  if (inner.protocol == kProtocolUdp) return offloads.udp ? header : 0;
  const unsigned flags = tcp_flags(packet.bytes, inner) & ~(kTcpPsh | kTcpEce);
  return offloads.tcp && flags == kTcpAck ? header : 0;
}

bool same_range(Bytes a, Bytes b, std::size_t at, std::size_t size) {
  return equal_bytes(a.subspan(at, size), b.subspan(at, size));
}

/// Version, traffic class, flow label or fragment bits, hop limit: what one header says for all.
bool same_ip_header(Bytes a, Bytes b, bool is_v6) {
  if (is_v6) return same_range(a, b, 0, 4) && a[7] == b[7];
  return same_range(a, b, 0, 2) && same_range(a, b, 6, 2) && a[kTtlAt4] == b[kTtlAt4];
}

/// Ports, acknowledgment, header size, flags but PSH, window, urgent pointer, options.
bool same_tcp_header(Bytes a, Bytes b) {
  const unsigned differing = std::to_integer<unsigned>(a[kTcpFlagsAt] ^ b[kTcpFlagsAt]);
  return same_range(a, b, 0, 4) && same_range(a, b, 8, 5) && (differing & ~kTcpPsh) == 0 &&
         same_range(a, b, 14, 2) && same_range(a, b, 18, a.size() - 18);
}

}  // namespace

void Coalescer::start(const ReceivedPacket& packet, const TunOffloads& offloads) {
  check(empty());
  offloads_ = offloads;
  first_ = packet;
  parts_[0] = packet.bytes;
  count_ = 1;
  size_ = packet.bytes.size();
  header_size_ = joinable_header(packet, offloads_);
  closed_ = header_size_ == 0;
  if (closed_) return;
  segment_size_ = size_ - header_size_;
  push_ = false;
  if (packet.inner.protocol != kProtocolTcp) return;
  push_ = closed_ = (tcp_flags(packet.bytes, packet.inner) & kTcpPsh) != 0;
  next_sequence_ = read_be32(packet.bytes, packet.inner.transport + kTcpSequenceAt) +
                   static_cast<std::uint32_t>(segment_size_);
}

bool Coalescer::append(const ReceivedPacket& packet) {
  if (empty() || closed_ || count_ == kPartsMax) return false;
  const std::size_t header = joinable_header(packet, offloads_);
  if (header != header_size_) return false;
  const std::size_t payload = packet.bytes.size() - header;
  if (payload > segment_size_ || size_ + payload > Packet::kPayloadMax) return false;
  if (!same_flow(packet)) return false;
  if (packet.inner.protocol == kProtocolTcp) {
    if (read_be32(packet.bytes, packet.inner.transport + kTcpSequenceAt) != next_sequence_) {
      return false;
    }
    next_sequence_ += static_cast<std::uint32_t>(payload);
    push_ = (tcp_flags(packet.bytes, packet.inner) & kTcpPsh) != 0;
  }
  closed_ = push_ || payload < segment_size_;
  parts_[count_++] = packet.bytes.subspan(header);
  size_ += payload;
  return true;
}

bool Coalescer::same_flow(const ReceivedPacket& packet) const {
  const InnerPacket& a = first_.inner;
  const InnerPacket& b = packet.inner;
  if (a.protocol != b.protocol || a.source != b.source || a.destination != b.destination ||
      !same_ip_header(first_.bytes, packet.bytes, a.source.is_v6())) {
    return false;
  }
  const Bytes one = Bytes(first_.bytes).first(header_size_).subspan(a.transport);
  const Bytes other = Bytes(packet.bytes).first(header_size_).subspan(a.transport);
  return a.protocol == kProtocolUdp ? same_range(one, other, 0, 4) : same_tcp_header(one, other);
}

OutgoingPacket Coalescer::finish() {
  check(!empty());
  OutgoingPacket out{.parts = std::span(parts_).first(count_),
                     .header_size = static_cast<std::uint16_t>(header_size_),
                     .offload = {}};
  if (count_ > 1) {
    write_run_header();
    first_.inner.size = size_;
    const bool is_tcp = first_.inner.protocol == kProtocolTcp;
    out.offload.segmentation = !is_tcp                       ? Segmentation::Udp
                               : first_.inner.source.is_v6() ? Segmentation::Tcp6
                                                             : Segmentation::Tcp4;
    out.offload.segment_size = static_cast<std::uint16_t>(segment_size_);
  }
  if (first_.checksum_partial) {
    const bool udp = first_.inner.protocol == kProtocolUdp;
    out.offload.checksum_partial = true;
    out.offload.checksum_start = static_cast<std::uint16_t>(first_.inner.transport);
    out.offload.checksum_offset = udp ? kUdpChecksumAt : kTcpChecksumAt;
    write_partial_checksum(first_.bytes, first_.inner, out.offload);
    if (!offloads_.checksum) {
      check(finish_checksum(first_.bytes, out.offload).has_value());
      out.offload = {};
    }
  }
  count_ = 0;
  return out;
}

void Coalescer::write_run_header() {
  const MutableBytes header = first_.bytes.first(header_size_);
  const std::size_t transport = first_.inner.transport;
  if (first_.inner.source.is_v6()) {
    write_be16(header, 4, static_cast<std::uint16_t>(size_ - kIpv6HeaderSize));
  } else {
    write_be16(header, 2, static_cast<std::uint16_t>(size_));
    write_ipv4_checksum(header.first(transport));
  }
  if (first_.inner.protocol == kProtocolUdp) {
    write_be16(header, transport + 4, static_cast<std::uint16_t>(size_ - transport));
  } else if (push_) {
    header[transport + kTcpFlagsAt] |= std::byte{kTcpPsh};
  }
}

}  // namespace ipop::dataplane
