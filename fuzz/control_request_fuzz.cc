// The daemon's decoder of control-socket lines: whatever a local program writes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "control/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ipop::control;         // NOLINT(google-build-using-namespace)
  if (size > kRequestLineMax) return 0;  // the server refuses those before it decodes
  const std::string_view line = ipop::as_text(std::as_bytes(std::span(data, size)));
  const auto request = decode_request(line);
  if (!request) {
    ipop::check(!request.error().message.empty());
    // What goes out about it must be readable.
    const auto back = decode_server_line(encode(request.error()));
    ipop::check(back.has_value() && back->has_value());
    return 0;
  }
  const auto again = decode_request(encode(*request));
  ipop::check(again.has_value() && *again == *request);
  return 0;
}
