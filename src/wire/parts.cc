#include "base/check.h"
#include "wire/frames.h"

namespace ipop::wire {

std::vector<ByteVector> split_message(ByteVector message, std::uint32_t message_number) {
  check(message.size() <= kMessageSizeMax);
  std::vector<ByteVector> out;
  if (message.size() <= kFrameSizeMax) {
    out.push_back(std::move(message));
    return out;
  }
  const std::size_t count = (message.size() + kPartPayloadMax - 1) / kPartPayloadMax;
  Bytes rest = message;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes payload = rest.first(std::min(rest.size(), kPartPayloadMax));
    rest = rest.subspan(payload.size());
    const Part part{.index = static_cast<std::uint8_t>(i),
                    .count = static_cast<std::uint8_t>(count),
                    .message = message_number,
                    .payload = payload};
    write_frame(part, out.emplace_back());
  }
  return out;
}

std::optional<Bytes> PartAssembler::add(const Part& part) {
  if (part.count < 2 || part.count > kPartsMax || part.index >= part.count) return std::nullopt;
  if (part.message != message_ || part.count != parts_.size()) {
    message_ = part.message;
    parts_.assign(part.count, {});
    have_.assign(part.count, false);
  }
  if (have_[part.index]) return std::nullopt;
  have_[part.index] = true;
  parts_[part.index] = to_vector(part.payload);
  for (const bool have : have_) {
    if (!have) return std::nullopt;
  }
  whole_.clear();
  for (const ByteVector& piece : parts_) append(whole_, piece);
  parts_.clear();
  have_.clear();
  return whole_;
}

}  // namespace ipop::wire
