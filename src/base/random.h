#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ipop {

/// The only source of randomness in the core: the kernel's generator in the daemon, a seeded one
/// in the simulator. Never fails.
class Rng {
 public:
  Rng() = default;
  Rng(const Rng&) = delete;
  Rng& operator=(const Rng&) = delete;
  virtual ~Rng() = default;

  /// Fills `out` with uniformly random bytes.
  virtual void fill(MutableBytes out) = 0;

  /// Uniform 64 bits.
  std::uint64_t next_u64() {
    std::uint64_t v = 0;
    fill(std::as_writable_bytes(std::span(&v, 1)));
    return v;
  }
  /// Uniform in [0, bound); bound > 0. Bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next_u64()) * bound) >> 64U);
  }
};

/// A reproducible generator for simulation and tests; never for keys that protect anything.
/// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::uint64_t state_;
};

}  // namespace ipop
