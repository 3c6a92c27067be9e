#include <cstdint>

#include "base/check.h"
#include "os/state_file.h"

/// Bytes of a state file, after decay or an attack on the disk. The first byte chooses the kind
/// that is asked for. What is accepted and of our version must be exactly what we would write.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ipop::os::FileKind;
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(data, size));
  const auto kind = static_cast<FileKind>(1 + data[0] % 5);
  const ipop::Bytes file = input.subspan(1);
  const auto envelope = ipop::os::parse_state_file(file, kind);
  if (envelope && envelope->version == ipop::os::kStateFileVersion) {
    ipop::check(ipop::equal_bytes(ipop::os::encode_state_file(kind, envelope->payload), file));
  }
  // The checksum keeps a fuzzer out; so the rest of the way is taken with a payload of its making.
  const ipop::ByteVector encoded = ipop::os::encode_state_file(kind, file);
  const auto again = ipop::os::parse_state_file(encoded, kind);
  ipop::check(again.has_value() && ipop::equal_bytes(again->payload, file));
  return 0;
}
