#pragma once

#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "base/check.h"

namespace ipop {

/// One packet with room in front for our header and behind for the tag, so that sealing and opening
/// work in place. The worker owns its packets for life; stages narrow or widen the view; nobody
/// stores a span of it.
class Packet {
 public:
  /// Room before the payload: DATA header 16, rounded up so that the payload stays 16-aligned,
  /// plus a relay label (docs/protocol.md) later.
  static constexpr std::size_t kHeadroom = 64;
  static constexpr std::size_t kTailroom = 32;
  /// Largest IP packet that a TUN interface or a UDP datagram can carry.
  static constexpr std::size_t kPayloadMax = 65535;
  static constexpr std::size_t kCapacity = kHeadroom + kPayloadMax + kTailroom;

  MutableBytes data() { return MutableBytes(storage_).subspan(begin_, size_); }
  Bytes data() const { return Bytes(storage_).subspan(begin_, size_); }
  std::size_t size() const { return size_; }

  /// The whole area a device may read into, after headroom; then call resize(bytes read).
  MutableBytes read_area() {
    begin_ = kHeadroom;
    size_ = kPayloadMax;
    return data();
  }
  /// Requires: n <= what fits behind the current beginning.
  void resize(std::size_t n) {
    check(begin_ + n <= storage_.size());
    size_ = n;
  }
  /// Widens the view by n bytes in front. Requires: that much headroom.
  void push_front(std::size_t n) {
    check(begin_ >= n);
    begin_ -= n;
    size_ += n;
  }
  /// Narrows the view by n bytes in front. Requires: n <= size().
  void pop_front(std::size_t n) {
    check(size_ >= n);
    begin_ += n;
    size_ -= n;
  }

 private:
  std::size_t begin_ = kHeadroom;
  std::size_t size_ = 0;
  std::array<std::byte, kCapacity> storage_;
};

}  // namespace ipop
