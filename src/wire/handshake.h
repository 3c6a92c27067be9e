#pragma once

#include <optional>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/id.h"
#include "base/keys.h"
#include "wire/ids.h"

/// Handshake and cookie datagrams of the native profile and of stock WireGuard; docs/protocol.md
/// has the byte tables. The first byte tells every datagram of the UDP port apart.
namespace ipop::wire {

inline constexpr std::uint8_t kTypeInitiation = 0xC0;
inline constexpr std::uint8_t kTypeResponse = 0xC1;
inline constexpr std::uint8_t kTypeCookie = 0xC2;
inline constexpr std::uint8_t kTypeData = 0xC4;

inline constexpr std::uint8_t kStockTypeInitiation = 1;
inline constexpr std::uint8_t kStockTypeResponse = 2;
inline constexpr std::uint8_t kStockTypeCookie = 3;
inline constexpr std::uint8_t kStockTypeData = 4;

inline constexpr std::size_t kMacSize = 16;
/// Native message 1 in all, so that it is never fragmented and never amplifies.
inline constexpr std::size_t kInitiationSizeMax = 320;
inline constexpr std::size_t kCandidatesMax = 6;

using Mac = FixedBytes<struct MacTag, kMacSize>;

/// u8 type | u8 zero[3] | u32 sender | 32 ephemeral | 48 sealed static | sealed payload | mac1 |
/// mac2 Views borrow from the datagram.
struct Initiation {
  SessionIndex sender;
  TunnelKey ephemeral;
  Bytes sealed_static;   // 48
  Bytes sealed_payload;  // payload + 16
  Mac mac1;
  Mac mac2;
  Bytes mac1_input;  // the datagram up to mac1
  Bytes mac2_input;  // the datagram up to mac2
};

/// u8 type | u8 zero[3] | u32 sender | u32 receiver | 32 ephemeral | sealed payload | mac1 | mac2
struct Response {
  SessionIndex sender;
  SessionIndex receiver;
  TunnelKey ephemeral;
  Bytes sealed_payload;
  Mac mac1;
  Mac mac2;
  Bytes mac1_input;
  Bytes mac2_input;
};

/// u8 type | u8 zero[3] | u32 receiver | 24 nonce | 32 sealed cookie
struct CookieReply {
  static constexpr std::size_t kSize = 64;
  SessionIndex receiver;
  std::array<std::byte, 24> nonce{};
  std::array<std::byte, 32> sealed{};
};

/// How long the payloads of a profile are, and which types it uses: what a parser must know.
/// A stock profile has exact payload sizes; native ones vary up to kInitiationSizeMax.
struct HandshakeShape {
  std::uint8_t type_initiation;
  std::uint8_t type_response;
  std::uint8_t type_cookie;
  std::size_t initiation_payload_min, initiation_payload_max;
  std::size_t response_payload_min, response_payload_max;
};
inline constexpr HandshakeShape kNativeShape{
    kTypeInitiation, kTypeResponse, kTypeCookie, 35, 35 + 19 * kCandidatesMax, 21, 21};
/// Datagrams of exactly 148, 92 and 64 bytes: the payloads are a TAI64N label and nothing.
inline constexpr HandshakeShape kStockShape{
    kStockTypeInitiation, kStockTypeResponse, kStockTypeCookie, 12, 12, 0, 0};

/// Errors: Truncated (too short, or too long for the shape), BadValue (type or reserved bytes).
Result<Initiation> parse_initiation(const HandshakeShape& shape, Bytes datagram);
Result<Response> parse_response(const HandshakeShape& shape, Bytes datagram);
Result<CookieReply> parse_cookie_reply(const HandshakeShape& shape, Bytes datagram);

/// Writes everything up to mac1; the session appends both macs.
void write_initiation_head(const HandshakeShape& shape, SessionIndex sender,
                           const TunnelKey& ephemeral, Bytes sealed_static, Bytes sealed_payload,
                           ByteVector& out);
void write_response_head(const HandshakeShape& shape, SessionIndex sender, SessionIndex receiver,
                         const TunnelKey& ephemeral, Bytes sealed_payload, ByteVector& out);
void write_cookie_reply(const HandshakeShape& shape, const CookieReply& cookie, ByteVector& out);

/// TAI64N label (https://cr.yp.to/libtai/tai64.html), big-endian, compares bytewise.
using Tai64n = FixedBytes<struct Tai64nTag, 12>;

/// Plaintext payload of a native initiation, <= 149 bytes:
/// 12 tai64n | u8 suites (bit 0 ChaCha20-Poly1305, bit 1 AES-256-GCM; others 0) | u8 zero |
/// u32 skey epoch | 16 grant id | u8 n | n x candidate
struct InitiationPayload {
  Tai64n timestamp;
  std::uint8_t suites = 1;
  std::uint32_t skey_epoch = 0;
  StatementId grant;
  std::vector<Endpoint> candidates;  // <= kCandidatesMax
};
/// Canonical: decode and encode are inverse. Errors: Truncated, BadValue.
Result<InitiationPayload> parse_initiation_payload(Bytes payload);
void write_initiation_payload(const InitiationPayload& payload, ByteVector& out);

/// Plaintext payload of a native response: u8 suite (1 or 2) | u32 skey epoch | 16 grant id
struct ResponsePayload {
  std::uint8_t suite = 1;
  std::uint32_t skey_epoch = 0;
  StatementId grant;
};
Result<ResponsePayload> parse_response_payload(Bytes payload);
void write_response_payload(const ResponsePayload& payload, ByteVector& out);

}  // namespace ipop::wire
