// Control frames: whatever is accepted is written back as it was; parts go together within the
// bound of a message, and a whole message is never a part.
#include "base/check.h"
#include "wire/frames.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

namespace {

void try_frame(Bytes input) {
  const auto frame = wire::parse_frame(input);
  if (!frame) return;
  ByteVector out;
  wire::write_frame(*frame, out);
  check(equal_bytes(out, input));
}

/// The input as a message that is cut, and put together with its parts in another order.
void try_parts(Bytes input) {
  const auto frames = wire::split_message(to_vector(input), 1);
  if (frames.size() == 1) return check(equal_bytes(frames[0], input));
  wire::PartAssembler assembler;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto frame = wire::parse_frame(frames[(i + input.size()) % frames.size()]);
    check(frame.has_value());
    const auto* part = std::get_if<wire::Part>(&*frame);
    check(part != nullptr);
    const auto whole = assembler.add(*part);
    check(whole.has_value() == (i + 1 == frames.size()));
    if (whole) check(equal_bytes(*whole, input));
  }
}

/// The input as what one peer sends: frames with a length of two bytes before each.
void try_stream(Bytes input) {
  wire::PartAssembler assembler;
  while (input.size() >= 2) {
    const std::size_t length = std::min<std::size_t>(
        std::to_integer<std::size_t>(input[0]) | std::to_integer<std::size_t>(input[1]) << 8U,
        input.size() - 2);
    const auto frame = wire::parse_frame(input.subspan(2, length));
    input = input.subspan(2 + length);
    const auto* part = frame ? std::get_if<wire::Part>(&*frame) : nullptr;
    if (part == nullptr) continue;
    const auto whole = assembler.add(*part);
    if (!whole) continue;
    check(whole->size() > wire::kFrameSizeMax && whole->size() <= wire::kMessageSizeMax);
    const auto message = wire::parse_frame(*whole);
    check(!message || std::get_if<wire::Part>(&*message) == nullptr);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  try_frame(input);
  try_stream(input);
  if (input.size() <= wire::kMessageSizeMax) try_parts(input);
  return 0;
}
