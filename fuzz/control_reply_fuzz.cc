// The command line's decoder of what stands on the control socket: another program may listen
// there.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "control/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ipop::control;  // NOLINT(google-build-using-namespace)
  const auto line = decode_server_line(ipop::as_text(std::as_bytes(std::span(data, size))));
  if (!line || !line->has_value()) return 0;
  const std::string text = std::visit([](const auto& x) { return encode(x); }, **line);
  const auto again = decode_server_line(text);
  ipop::check(again.has_value() && again->has_value());
  // Times are fractions of milliseconds in JSON: one more turn must change nothing.
  const std::string once_more = std::visit([](const auto& x) { return encode(x); }, **again);
  ipop::check(once_more == text);
  return 0;
}
