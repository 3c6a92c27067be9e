#pragma once

#include "wire/stun.h"
#include "wire/writer.h"

/// A server's side of STUN, for tests and fuzz targets: what a server writes.
namespace ipop::wire {

struct StunAttributeForTest {
  std::uint16_t type;
  ByteVector value;
};

/// MAPPED-ADDRESS and its like (RFC 8489 14.1).
inline ByteVector stun_address(const Endpoint& endpoint) {
  ByteVector out;
  Writer writer(out);
  writer.be(std::uint8_t{0});
  writer.be(static_cast<std::uint8_t>(endpoint.address.is_v6() ? 2 : 1));
  writer.be(endpoint.port);
  if (endpoint.address.is_v6()) {
    writer.bytes(endpoint.address.v6().bytes);
  } else {
    writer.bytes(endpoint.address.v4().to_bytes());
  }
  return out;
}

/// XOR-MAPPED-ADDRESS (14.2).
inline ByteVector stun_xor_address(const Endpoint& endpoint, const StunTransaction& transaction) {
  ByteVector out = stun_address(endpoint);
  ByteVector mask;
  Writer writer(mask);
  writer.be(kStunCookie);
  writer.bytes(transaction.view());
  for (std::size_t i = 0; i < 2; ++i) out[2 + i] ^= mask[i];
  for (std::size_t i = 4; i < out.size(); ++i) out[i] ^= mask[i - 4];
  return out;
}

inline ByteVector stun_message(std::uint16_t type, const StunTransaction& transaction,
                               const std::vector<StunAttributeForTest>& attributes) {
  ByteVector body;
  Writer writer(body);
  for (const auto& a : attributes) {
    writer.be(a.type);
    writer.be(static_cast<std::uint16_t>(a.value.size()));
    writer.bytes(a.value);
    writer.zeros((4 - a.value.size() % 4) % 4);
  }
  ByteVector out;
  Writer header(out);
  header.be(type);
  header.be(static_cast<std::uint16_t>(body.size()));
  header.be(kStunCookie);
  header.bytes(transaction.view());
  header.bytes(body);
  return out;
}

/// The response whose parse is `success`.
inline ByteVector stun_success(const StunSuccess& success) {
  std::vector<StunAttributeForTest> attributes{
      {0x0020, stun_xor_address(success.mapped, success.transaction)}};
  if (success.origin) attributes.push_back({0x802b, stun_address(*success.origin)});
  if (success.other) attributes.push_back({0x802c, stun_address(*success.other)});
  return stun_message(0x0101, success.transaction, attributes);
}

inline ByteVector stun_failure(const StunFailure& failure) {
  ByteVector value(4);
  value[2] = static_cast<std::byte>(failure.code / 100);
  value[3] = static_cast<std::byte>(failure.code % 100);
  append(value, as_bytes("no"));
  return stun_message(0x0111, failure.transaction, {{0x0009, value}});
}

}  // namespace ipop::wire
