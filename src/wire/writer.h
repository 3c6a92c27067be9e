#pragma once

#include <concepts>
#include <cstdint>

#include "base/bytes.h"

namespace ipop::wire {

/// Appends little-endian fields to a vector that the caller owns.
class Writer {
 public:
  explicit Writer(ByteVector& out) : out_(&out) {}

  template <std::unsigned_integral T>
  void le(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out_->push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
  /// Network byte order, for formats that are not ours.
  template <std::unsigned_integral T>
  void be(T value) {
    for (std::size_t i = sizeof(T); i-- > 0;) {
      out_->push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
  void bytes(Bytes b) { append(*out_, b); }
  void zeros(std::size_t n) { out_->resize(out_->size() + n); }
  std::size_t size() const { return out_->size(); }

 private:
  ByteVector* out_;
};

}  // namespace ipop::wire
