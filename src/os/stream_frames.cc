#include "os/stream_frames.h"

#include <algorithm>

#include "base/check.h"

namespace ipop::os {
namespace {

constexpr std::size_t kHeader = 2;

}  // namespace

void append_stream_frame(Bytes datagram, ByteVector& out) {
  check(!datagram.empty() && datagram.size() <= kStreamDatagramMax);
  out.push_back(static_cast<std::byte>(datagram.size() & 0xffU));
  out.push_back(static_cast<std::byte>(datagram.size() >> 8U));
  append(out, datagram);
}

MutableBytes StreamFrames::room() {
  if (buffer_.empty()) buffer_.resize(kRoom + kHeader + kStreamDatagramMax);
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  return MutableBytes(buffer_).subspan(end_);
}

void StreamFrames::add(std::size_t size) {
  check(size <= buffer_.size() - end_);
  end_ += size;
}

std::optional<MutableBytes> StreamFrames::next() {
  const MutableBytes rest = MutableBytes(buffer_).subspan(begin_, end_ - begin_);
  if (is_broken_ || rest.size() < kHeader) return std::nullopt;
  const std::size_t size =
      std::to_integer<std::size_t>(rest[0]) | std::to_integer<std::size_t>(rest[1]) << 8U;
  if (size == 0 || size > kStreamDatagramMax) {
    is_broken_ = true;
    return std::nullopt;
  }
  if (rest.size() < kHeader + size) return std::nullopt;
  begin_ += kHeader + size;
  return rest.subspan(kHeader, size);
}

}  // namespace ipop::os
