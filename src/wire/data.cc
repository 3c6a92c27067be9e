#include "wire/data.h"

#include <algorithm>

#include "base/check.h"
#include "wire/handshake.h"
#include "wire/reader.h"

namespace ipop::wire {

Result<Data> parse_data(Bytes datagram) {
  if (datagram.size() < kDataOverhead) return fail(Errc::Truncated, "data packet");
  Reader reader(datagram.first(kDataHeaderSize));
  const auto type = reader.le<std::uint8_t>();
  Data out;
  out.queue = reader.le<std::uint8_t>();
  out.flags = reader.le<std::uint8_t>();
  const auto reserved = reader.le<std::uint8_t>();
  out.receiver.value = reader.le<std::uint32_t>();
  out.counter.value = reader.le<std::uint64_t>();
  if (type == kStockTypeData) {
    out.framing = Framing::Stock;
    if (out.queue != 0 || out.flags != 0) return fail(Errc::BadValue, "data reserved byte");
  } else if (type != kTypeData) {
    return fail(Errc::BadValue, "data type");
  }
  if (reserved != 0) return fail(Errc::BadValue, "data reserved byte");
  if ((out.flags & ~kDataFlagCsumPartial) != 0) return fail(Errc::BadValue, "data flags");
  return out;
}

void write_data_header(const Data& data, MutableBytes out) {
  check(out.size() >= kDataHeaderSize);
  check(data.framing == Framing::Native || (data.queue == 0 && data.flags == 0));
  out[0] = std::byte{data.framing == Framing::Native ? kTypeData : kStockTypeData};
  out[1] = std::byte{data.queue};
  out[2] = std::byte{data.flags};
  out[3] = std::byte{0};
  for (std::size_t i = 0; i < 4; ++i) {
    out[4 + i] = static_cast<std::byte>(data.receiver.value >> (8 * i));
  }
  for (std::size_t i = 0; i < 8; ++i) {
    out[8 + i] = static_cast<std::byte>(data.counter.value >> (8 * i));
  }
}

Bytes data_aad(Framing framing, Bytes datagram) {
  return framing == Framing::Native ? datagram.first(kDataHeaderSize) : Bytes{};
}

bool is_data(Bytes datagram) {
  return !datagram.empty() &&
         (datagram[0] == std::byte{kTypeData} || datagram[0] == std::byte{kStockTypeData});
}

std::size_t stock_padded_size(std::size_t size, std::size_t mtu) {
  constexpr std::size_t kBlock = 16;
  const std::size_t padded = (size + kBlock - 1) / kBlock * kBlock;
  return std::max(size, std::min(padded, mtu));
}

PayloadKind payload_kind(Bytes plaintext) {
  if (plaintext.empty()) return PayloadKind::Keepalive;
  const auto first = std::to_integer<unsigned>(plaintext[0]);
  if (plaintext[0] == kTypeRelayed) return PayloadKind::Relayed;
  if (first < 0x40) return PayloadKind::Control;
  if (first >> 4U == 4) return PayloadKind::Ipv4;
  if (first >> 4U == 6) return PayloadKind::Ipv6;
  return PayloadKind::Unknown;
}

Result<Relayed> parse_relayed(Bytes plaintext) {
  Reader reader(plaintext);
  const auto type = reader.le<std::uint8_t>();
  Relayed out;
  out.label.value = reader.le<std::uint32_t>();
  if (!reader.ok() || reader.remaining() == 0) return fail(Errc::Truncated, "relayed datagram");
  if (std::byte{type} != kTypeRelayed) return fail(Errc::BadValue, "relayed type");
  if (out.label.value == 0) return fail(Errc::BadValue, "relay label");
  out.datagram = reader.rest();
  return out;
}

void write_relayed_header(RelayLabel label, MutableBytes out) {
  check(out.size() >= kRelayedHeaderSize);
  out[0] = kTypeRelayed;
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<std::byte>(label.value >> (8 * i));
}

ByteVector relayed_payload(RelayLabel label, Bytes datagram) {
  ByteVector out(kRelayedHeaderSize + datagram.size());
  write_relayed_header(label, out);
  copy_bytes(MutableBytes(out).subspan(kRelayedHeaderSize), datagram);
  return out;
}

}  // namespace ipop::wire
