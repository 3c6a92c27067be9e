#include "wire/handshake.h"

#include "base/check.h"
#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::size_t kTagSize = 16;
constexpr std::size_t kSealedStaticSize = 32 + kTagSize;
constexpr std::size_t kInitiationFixedSize =
    4 + 4 + 32 + kSealedStaticSize + kTagSize + 2 * kMacSize;
constexpr std::size_t kResponseFixedSize = 4 + 4 + 4 + 32 + kTagSize + 2 * kMacSize;

constexpr std::uint8_t kSuiteChaCha20Poly1305 = 1;
constexpr std::uint8_t kSuiteAes256Gcm = 2;
constexpr std::uint8_t kSuitesKnown = kSuiteChaCha20Poly1305 | kSuiteAes256Gcm;

/// The type byte and three zero bytes that every handshake datagram begins with.
bool read_type(Reader& reader, std::uint8_t type) {
  const bool right = reader.le<std::uint8_t>() == type;
  const Bytes reserved = reader.take(3);
  for (const std::byte b : reserved) {
    if (b != std::byte{0}) return false;
  }
  return right;
}

void write_type(Writer& writer, std::uint8_t type) {
  writer.le(type);
  writer.zeros(3);
}

/// Reads the end that initiation and response share: sealed payload and both macs.
template <class Message>
void read_tail(Bytes datagram, Reader& reader, Message& out) {
  out.sealed_payload = reader.take(reader.remaining() - 2 * kMacSize);
  out.mac1 = reader.fixed<Mac>();
  out.mac2 = reader.fixed<Mac>();
  out.mac1_input = datagram.first(datagram.size() - 2 * kMacSize);
  out.mac2_input = datagram.first(datagram.size() - kMacSize);
}

}  // namespace

Result<Initiation> parse_initiation(const HandshakeShape& shape, Bytes datagram) {
  if (datagram.size() < kInitiationFixedSize + shape.initiation_payload_min ||
      datagram.size() > kInitiationFixedSize + shape.initiation_payload_max) {
    return fail(Errc::Truncated, "initiation length");
  }
  Reader reader(datagram);
  if (!read_type(reader, shape.type_initiation)) return fail(Errc::BadValue, "initiation type");
  Initiation out;
  out.sender.value = reader.le<std::uint32_t>();
  out.ephemeral = reader.fixed<TunnelKey>();
  out.sealed_static = reader.take(kSealedStaticSize);
  read_tail(datagram, reader, out);
  return out;
}

Result<Response> parse_response(const HandshakeShape& shape, Bytes datagram) {
  if (datagram.size() < kResponseFixedSize + shape.response_payload_min ||
      datagram.size() > kResponseFixedSize + shape.response_payload_max) {
    return fail(Errc::Truncated, "response length");
  }
  Reader reader(datagram);
  if (!read_type(reader, shape.type_response)) return fail(Errc::BadValue, "response type");
  Response out;
  out.sender.value = reader.le<std::uint32_t>();
  out.receiver.value = reader.le<std::uint32_t>();
  out.ephemeral = reader.fixed<TunnelKey>();
  read_tail(datagram, reader, out);
  return out;
}

Result<CookieReply> parse_cookie_reply(const HandshakeShape& shape, Bytes datagram) {
  if (datagram.size() != CookieReply::kSize) return fail(Errc::Truncated, "cookie reply length");
  Reader reader(datagram);
  if (!read_type(reader, shape.type_cookie)) return fail(Errc::BadValue, "cookie reply type");
  CookieReply out;
  out.receiver.value = reader.le<std::uint32_t>();
  out.nonce = reader.fixed<std::array<std::byte, 24>>();
  out.sealed = reader.fixed<std::array<std::byte, 32>>();
  return out;
}

void write_initiation_head(const HandshakeShape& shape, SessionIndex sender,
                           const TunnelKey& ephemeral, Bytes sealed_static, Bytes sealed_payload,
                           ByteVector& out) {
  check(sealed_static.size() == kSealedStaticSize);
  Writer writer(out);
  write_type(writer, shape.type_initiation);
  writer.le(sender.value);
  writer.bytes(ephemeral.view());
  writer.bytes(sealed_static);
  writer.bytes(sealed_payload);
}

void write_response_head(const HandshakeShape& shape, SessionIndex sender, SessionIndex receiver,
                         const TunnelKey& ephemeral, Bytes sealed_payload, ByteVector& out) {
  Writer writer(out);
  write_type(writer, shape.type_response);
  writer.le(sender.value);
  writer.le(receiver.value);
  writer.bytes(ephemeral.view());
  writer.bytes(sealed_payload);
}

void write_cookie_reply(const HandshakeShape& shape, const CookieReply& cookie, ByteVector& out) {
  Writer writer(out);
  write_type(writer, shape.type_cookie);
  writer.le(cookie.receiver.value);
  writer.bytes(cookie.nonce);
  writer.bytes(cookie.sealed);
}

Result<InitiationPayload> parse_initiation_payload(Bytes payload) {
  Reader reader(payload);
  InitiationPayload out;
  out.timestamp = reader.fixed<Tai64n>();
  out.suites = reader.le<std::uint8_t>();
  const auto reserved = reader.le<std::uint8_t>();
  out.skey_epoch = reader.le<std::uint32_t>();
  out.grant = reader.fixed<StatementId>();
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "initiation payload");
  if (out.suites == 0 || (out.suites & ~kSuitesKnown) != 0) {
    return fail(Errc::BadValue, "initiation suites");
  }
  if (reserved != 0) return fail(Errc::BadValue, "initiation payload reserved byte");
  if (count > kCandidatesMax) return fail(Errc::BadValue, "initiation candidate count");
  if (reader.remaining() < count * kCandidateSize) {
    return fail(Errc::Truncated, "initiation candidates");
  }
  for (std::size_t i = 0; i < count; ++i) out.candidates.push_back(read_candidate(reader));
  if (!reader.done()) return fail(Errc::BadValue, "initiation candidates");
  return out;
}

void write_initiation_payload(const InitiationPayload& payload, ByteVector& out) {
  check(payload.candidates.size() <= kCandidatesMax);
  Writer writer(out);
  writer.bytes(payload.timestamp.view());
  writer.le(payload.suites);
  writer.zeros(1);
  writer.le(payload.skey_epoch);
  writer.bytes(payload.grant.view());
  writer.le(static_cast<std::uint8_t>(payload.candidates.size()));
  for (const Endpoint& candidate : payload.candidates) write_candidate(candidate, writer);
}

Result<ResponsePayload> parse_response_payload(Bytes payload) {
  Reader reader(payload);
  ResponsePayload out;
  out.suite = reader.le<std::uint8_t>();
  out.skey_epoch = reader.le<std::uint32_t>();
  out.grant = reader.fixed<StatementId>();
  if (!reader.ok()) return fail(Errc::Truncated, "response payload");
  if (!reader.done()) return fail(Errc::BadValue, "response payload length");
  if (out.suite != kSuiteChaCha20Poly1305 && out.suite != kSuiteAes256Gcm) {
    return fail(Errc::BadValue, "response suite");
  }
  return out;
}

void write_response_payload(const ResponsePayload& payload, ByteVector& out) {
  Writer writer(out);
  writer.le(payload.suite);
  writer.le(payload.skey_epoch);
  writer.bytes(payload.grant.view());
}

}  // namespace ipop::wire
