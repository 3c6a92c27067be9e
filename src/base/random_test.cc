#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace ipop {
namespace {

TEST(SeededRng, IsSplitmix64) {
  // The first outputs for seed 1234567, from the reference implementation (prng.di.unimi.it).
  SeededRng rng(1234567);
  for (const std::uint64_t expected :
       {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
        4593380528125082431ULL, 16408922859458223821ULL}) {
    EXPECT_EQ(rng.next_u64(), expected);
  }
}

TEST(SeededRng, RepeatsFromItsSeedOnly) {
  SeededRng a(1);
  SeededRng b(1);
  SeededRng c(2);
  const auto first = a.next_u64();
  EXPECT_EQ(first, b.next_u64());
  EXPECT_NE(first, c.next_u64());
  EXPECT_NE(first, a.next_u64());
}

TEST(SeededRng, FillsEveryLengthAndNothingElse) {
  for (std::size_t n = 0; n <= 40; ++n) {
    ByteVector bytes(n + 1, std::byte{0});
    std::size_t changed = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      SeededRng rng(seed);
      rng.fill(MutableBytes(bytes).first(n));
      EXPECT_EQ(bytes[n], std::byte{0});
      changed += n > 0 && bytes[n - 1] != std::byte{0} ? 1U : 0U;
    }
    if (n > 0) { EXPECT_GT(changed, 4U) << n; }
  }
}

TEST(SeededRng, HalfOfTheBitsAreSet) {
  SeededRng rng(3);
  int bits = 0;
  for (int i = 0; i < 10000; ++i) bits += std::popcount(rng.next_u64());
  EXPECT_GT(bits, 317000);
  EXPECT_LT(bits, 323000);
}

TEST(Rng, BelowStaysBelowAndReachesEverything) {
  SeededRng rng(4);
  EXPECT_EQ(rng.below(1), 0U);
  for (const std::uint64_t bound : {2ULL, 3ULL, 7ULL, 10ULL}) {
    std::vector<int> seen(bound);
    for (int i = 0; i < 10000; ++i) {
      const auto v = rng.below(bound);
      ASSERT_LT(v, bound);
      ++seen[v];
    }
    for (const int n : seen) { EXPECT_GT(n, 8000 / static_cast<int>(bound)); }
  }
  std::uint64_t largest = 0;
  for (int i = 0; i < 100; ++i) largest = std::max(largest, rng.below(UINT64_MAX));
  EXPECT_GT(largest, UINT64_MAX / 2);
}

}  // namespace
}  // namespace ipop
