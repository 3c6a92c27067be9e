#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"

/// What every parser of the folder is held to, for its tests.
namespace ipop::wire {

/// Parses and writes again; nullopt when the parser refuses.
using Rewrite = std::function<std::optional<ByteVector>(Bytes)>;

inline void expect_identity(const Rewrite& rewrite, Bytes input) {
  const auto out = rewrite(input);
  ASSERT_TRUE(out) << to_hex(input);
  EXPECT_EQ(to_hex(*out), to_hex(input));
}

/// Accepted or not, the input never comes back changed: one encoding for one value.
inline void expect_canonical_or_refused(const Rewrite& rewrite, Bytes input) {
  const auto out = rewrite(input);
  if (out) { EXPECT_EQ(to_hex(*out), to_hex(input)); }
}

/// How the parser treats everything one step away from a good input: shorter, longer, one bit
/// different. Returns how many of the bit flips were refused.
inline std::size_t expect_canonical(const Rewrite& rewrite, Bytes good) {
  expect_identity(rewrite, good);
  for (std::size_t n = 0; n < good.size(); ++n) {
    // A copy of exactly this size, so that the sanitizer sees a read beyond it.
    const ByteVector cut = to_vector(good.first(n));
    expect_canonical_or_refused(rewrite, cut);
  }
  ByteVector longer = to_vector(good);
  longer.push_back(std::byte{0});
  expect_canonical_or_refused(rewrite, longer);
  std::size_t refused = 0;
  ByteVector flipped = to_vector(good);
  for (std::size_t i = 0; i < 8 * flipped.size(); ++i) {
    const auto bit = static_cast<std::byte>(1U << (i % 8));
    flipped[i / 8] ^= bit;
    expect_canonical_or_refused(rewrite, flipped);
    refused += rewrite(flipped) ? 0U : 1U;
    flipped[i / 8] ^= bit;
  }
  return refused;
}

/// As above for layouts that tell their own length: every other length is refused.
inline std::size_t expect_canonical_exact(const Rewrite& rewrite, Bytes good) {
  for (std::size_t n = 0; n < good.size(); ++n) {
    const ByteVector cut = to_vector(good.first(n));
    EXPECT_FALSE(rewrite(cut)) << "cut to " << n << " bytes: " << to_hex(good);
  }
  ByteVector longer = to_vector(good);
  for (int i = 0; i < 40; ++i) {
    longer.push_back(std::byte{0});
    EXPECT_FALSE(rewrite(longer)) << "longer by " << i + 1 << ": " << to_hex(good);
  }
  return expect_canonical(rewrite, good);
}

template <class Fixed>
Fixed random_fixed(Rng& rng) {
  Fixed out;
  rng.fill(out.bytes);
  return out;
}

/// A FixedBytes of `value` in every byte.
template <class Fixed>
Fixed filled(std::uint8_t value) {
  Fixed out;
  out.bytes.fill(std::byte{value});
  return out;
}

inline ByteVector random_bytes(Rng& rng, std::size_t size) {
  ByteVector out(size);
  rng.fill(out);
  return out;
}

}  // namespace ipop::wire
