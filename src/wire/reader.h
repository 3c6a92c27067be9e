#pragma once

#include <concepts>
#include <cstdint>

#include "base/bytes.h"

namespace ipop::wire {

/// Reads little-endian fields off a borrowed view. The first short read makes the reader fail for
/// good: later reads give zeros and empty views, so a parser tests ok() once. Views from take()
/// live exactly as long as the input.
class Reader {
 public:
  explicit constexpr Reader(Bytes input) : rest_(input) {}

  template <std::unsigned_integral T>
  constexpr T le() {
    T value = 0;
    const Bytes b = take(sizeof(T));
    for (std::size_t i = 0; i < b.size(); ++i) {
      value = static_cast<T>(value | static_cast<T>(std::to_integer<T>(b[i])) << (8 * i));
    }
    return value;
  }
  /// Network byte order, for formats that are not ours (IP, DNS, STUN).
  template <std::unsigned_integral T>
  constexpr T be() {
    T value = 0;
    for (const std::byte b : take(sizeof(T))) {
      value = static_cast<T>(static_cast<std::uint64_t>(value) << 8U | std::to_integer<T>(b));
    }
    return value;
  }
  constexpr Bytes take(std::size_t n) {
    if (n > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const Bytes head = rest_.first(n);
    rest_ = rest_.subspan(n);
    return head;
  }
  /// A FixedBytes or std::array<std::byte, N>; zero after a failure.
  template <class F>
  constexpr F fixed() {
    F out{};
    const Bytes b = take(size_of(out));
    if (!b.empty()) std::copy(b.begin(), b.end(), begin_of(out));
    return out;
  }
  constexpr std::size_t remaining() const { return rest_.size(); }
  /// Everything that is left, without consuming it.
  constexpr Bytes rest() const { return rest_; }
  constexpr void fail() {
    ok_ = false;
    rest_ = {};
  }
  constexpr bool ok() const { return ok_; }
  /// True when every read worked and nothing is left over: what a parser of a whole asks.
  constexpr bool done() const { return ok_ && rest_.empty(); }

 private:
  template <class Tag, std::size_t N>
  static constexpr std::size_t size_of(const FixedBytes<Tag, N>&) {
    return N;
  }
  template <std::size_t N>
  static constexpr std::size_t size_of(const std::array<std::byte, N>&) {
    return N;
  }
  template <class Tag, std::size_t N>
  static constexpr auto begin_of(FixedBytes<Tag, N>& f) {
    return f.bytes.begin();
  }
  template <std::size_t N>
  static constexpr auto begin_of(std::array<std::byte, N>& f) {
    return f.begin();
  }

  Bytes rest_;
  bool ok_ = true;
};

}  // namespace ipop::wire
