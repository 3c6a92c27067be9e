#pragma once

#include <cstdint>
#include <utility>

#include "base/bytes.h"

namespace ipop::sim {

/// A number that two runs share only if the same things happened in the same order (P14). FNV-1a
/// over eight bytes at a time: quick, and nobody chooses the input.
class Trace {
 public:
  void mix(std::uint64_t word) { value_ = (value_ ^ word) * 0x100000001b3ULL; }
  void mix(Bytes bytes) {
    std::uint64_t word = bytes.size();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      word = word << 8U | std::to_integer<std::uint64_t>(bytes[i]);
      if (i % 8 == 7) mix(std::exchange(word, 0));
    }
    mix(word);
  }
  std::uint64_t hash() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

}  // namespace ipop::sim
