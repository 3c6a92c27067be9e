#include "dataplane/segments.h"

#include "dataplane/checksum.h"
#include "dataplane/header_fields.h"

namespace ipop::dataplane {

Result<Segments> Segments::of(Bytes packet, const InnerPacket& inner, const Offload& left) {
  const bool is_tcp = left.segmentation != Segmentation::Udp;
  const std::size_t transport_header = transport_header_size(packet, inner);
  if (transport_header == 0 || inner.protocol != (is_tcp ? kProtocolTcp : kProtocolUdp)) {
    return fail(Errc::BadValue, "segmentation of another protocol");
  }
  const std::size_t header_size = inner.transport + transport_header;
  if (left.segment_size == 0 || header_size >= inner.size) {
    return fail(Errc::BadValue, "segmentation without payload");
  }
  return Segments(packet.first(inner.size), inner, header_size, left.segment_size);
}

Segments::Segments(Bytes packet, const InnerPacket& inner, std::size_t header_size,
                   std::size_t segment_size)
    : packet_(packet),
      is_v6_(inner.source.is_v6()),
      is_tcp_(inner.protocol == kProtocolTcp),
      transport_(inner.transport),
      header_size_(header_size),
      segment_size_(segment_size),
      count_((packet.size() - header_size + segment_size - 1) / segment_size) {}

std::size_t Segments::size(std::size_t index) const {
  const std::size_t payload = packet_.size() - header_size_;
  return header_size_ + std::min(segment_size_, payload - index * segment_size_);
}

void Segments::write(std::size_t index, MutableBytes out) const {
  copy_bytes(out, packet_.first(header_size_));
  copy_bytes(out.subspan(header_size_),
             packet_.subspan(header_size_ + index * segment_size_, out.size() - header_size_));
  write_header(index, out);
}

void Segments::shrink_to_first(Packet& packet) const {
  packet.resize(size(0));
  write_header(0, packet.data());
}

void Segments::write_header(std::size_t index, MutableBytes out) const {
  if (is_v6_) {
    write_be16(out, 4, static_cast<std::uint16_t>(out.size() - kIpv6HeaderSize));
  } else {
    // RFC 6864: the identification tells fragments apart, so each packet gets its own.
    write_be16(out, 4, static_cast<std::uint16_t>(read_be16(out, 4) + index));
    write_be16(out, 2, static_cast<std::uint16_t>(out.size()));
    write_ipv4_checksum(out.first(transport_));
  }
  const MutableBytes header = out.subspan(transport_);
  if (!is_tcp_) {
    write_be16(header, 4, static_cast<std::uint16_t>(out.size() - transport_));
    return;
  }
  write_be32(header, kTcpSequenceAt,
             read_be32(header, kTcpSequenceAt) + static_cast<std::uint32_t>(index * segment_size_));
  unsigned flags = std::to_integer<unsigned>(header[kTcpFlagsAt]);
  if (index + 1 != count_) flags &= ~(kTcpFin | kTcpPsh);
  if (index != 0) flags &= ~kTcpCwr;  // RFC 3168 6.1.2: said once
  header[kTcpFlagsAt] = static_cast<std::byte>(flags);
}

}  // namespace ipop::dataplane
