#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"

namespace ipop::crypto {

/// Overwrites `area` with zeros in a way the compiler may not remove.
void wipe(MutableBytes area);

/// True when both are equal; the time depends on the length only. False for unequal lengths.
bool equal_constant_time(Bytes a, Bytes b);

/// N secret bytes: moved, never copied, wiped on destruction and after a move. No comparison, no
/// text form, so that it cannot be logged by accident.
template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  ~Secret() { wipe(bytes_); }

  static Secret random(Rng& rng) {
    Secret s;
    rng.fill(s.bytes_);
    return s;
  }
  /// Copies exactly N bytes; nullopt for another length. The source stays the caller's to wipe.
  static std::optional<Secret> from(Bytes from) {
    if (from.size() != N) return std::nullopt;
    Secret s;
    copy_bytes(s.bytes_, from);
    return s;
  }
  /// A second holder of the same secret, where two owners are really meant.
  Secret clone() const {
    Secret s;
    s.bytes_ = bytes_;
    return s;
  }
  /// For crypto/, wire/ and state files; borrowed.
  Bytes reveal() const { return bytes_; }
  MutableBytes reveal_mutable() { return bytes_; }

 private:
  std::array<std::byte, N> bytes_{};
};

}  // namespace ipop::crypto
