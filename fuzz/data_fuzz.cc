// DATA headers: whatever is accepted is written back as it was.
#include "base/check.h"
#include "wire/data.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  check(input.empty() == (wire::payload_kind(input) == wire::PayloadKind::Keepalive));
  const auto header = wire::parse_data(input);
  if (!header) return 0;
  std::array<std::byte, wire::kDataHeaderSize> out{};
  wire::write_data_header(*header, out);
  check(equal_bytes(out, input.first(wire::kDataHeaderSize)));
  return 0;
}
