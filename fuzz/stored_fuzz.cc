// The files of a network may hold anything once their checksum is right (another version, a bug, a
// human). What parses must be what would be written.

#include <cstdint>

#include "base/check.h"
#include "engine/stored.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ipop;  // NOLINT(google-build-using-namespace)
  const Bytes input = std::as_bytes(std::span(data, size));
  if (input.empty()) return 0;
  const Bytes file = input.subspan(1);
  switch (std::to_integer<int>(input[0]) % 6) {
    case 0:
      if (const auto v = engine::parse_stored_identity(file)) {
        check(equal_bytes(engine::write_stored_identity(*v), file));
      }
      break;
    case 1:
      if (const auto v = engine::parse_stored_secrets(file)) {
        check(equal_bytes(engine::write_stored_secrets(*v), file));
      }
      break;
    case 2:
      if (const auto v = engine::parse_stored_statements(file)) {
        check(equal_bytes(engine::write_stored_statements(*v), file));
      }
      break;
    case 3:
      if (const auto v = engine::parse_stored_peers(file)) {
        check(equal_bytes(engine::write_stored_peers(*v), file));
      }
      break;
    case 4:
      if (const auto v = engine::parse_stored_clock(file)) {
        check(equal_bytes(engine::write_stored_clock(*v), file));
      }
      break;
    default:
      if (const auto v = engine::parse_stored_devices(file)) {
        check(equal_bytes(engine::write_stored_devices(*v), file));
      }
      break;
  }
  return 0;
}
