// Handshake datagrams of both profiles, cookie replies and both payloads: whatever a parser takes,
// writing it gives the same bytes.
#include "base/check.h"
#include "wire/handshake.h"

namespace {

using namespace ipop;  // NOLINT(google-build-using-namespace)

void try_shape(const wire::HandshakeShape& shape, Bytes input) {
  if (const auto m = wire::parse_initiation(shape, input)) {
    ByteVector out;
    wire::write_initiation_head(shape, m->sender, m->ephemeral, m->sealed_static, m->sealed_payload,
                                out);
    check(equal_bytes(out, m->mac1_input));
    append(out, m->mac1.view());
    check(equal_bytes(out, m->mac2_input));
    append(out, m->mac2.view());
    check(equal_bytes(out, input));
  }
  if (const auto m = wire::parse_response(shape, input)) {
    ByteVector out;
    wire::write_response_head(shape, m->sender, m->receiver, m->ephemeral, m->sealed_payload, out);
    check(equal_bytes(out, m->mac1_input));
    append(out, m->mac1.view());
    check(equal_bytes(out, m->mac2_input));
    append(out, m->mac2.view());
    check(equal_bytes(out, input));
  }
  if (const auto m = wire::parse_cookie_reply(shape, input)) {
    ByteVector out;
    wire::write_cookie_reply(shape, *m, out);
    check(equal_bytes(out, input));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  try_shape(wire::kNativeShape, input);
  try_shape(wire::kStockShape, input);
  if (const auto m = wire::parse_initiation_payload(input)) {
    ByteVector out;
    wire::write_initiation_payload(*m, out);
    check(equal_bytes(out, input));
  }
  if (const auto m = wire::parse_response_payload(input)) {
    ByteVector out;
    wire::write_response_payload(*m, out);
    check(equal_bytes(out, input));
  }
  return 0;
}
