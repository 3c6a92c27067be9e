#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <type_traits>

namespace ipop::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Secret<32>>);
static_assert(!std::is_copy_assignable_v<Secret<32>>);
static_assert(std::is_nothrow_move_constructible_v<Secret<32>>);
static_assert(std::is_nothrow_move_assignable_v<Secret<32>>);

template <class T>
concept Comparable = requires(const T& a, const T& b) { a == b; };
static_assert(!Comparable<Secret<32>>, "a comparison of secrets would not be constant-time");

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

TEST(Secret, MovedFromIsZero) {
  SeededRng rng(1);
  Secret<32> first = Secret<32>::random(rng);
  const ByteVector content = to_vector(first.reveal());
  ASSERT_FALSE(all_zero(content));

  Secret<32> second = std::move(first);
  EXPECT_TRUE(all_zero(first.reveal()));  // NOLINT: that is the point
  EXPECT_TRUE(equal_bytes(second.reveal(), content));

  Secret<32> third = Secret<32>::random(rng);
  third = std::move(second);
  EXPECT_TRUE(all_zero(second.reveal()));  // NOLINT
  EXPECT_TRUE(equal_bytes(third.reveal(), content));

  Secret<32>& alias = third;
  third = std::move(alias);
  EXPECT_TRUE(equal_bytes(third.reveal(), content)) << "self-move keeps the secret";
}

TEST(Secret, DestructionWipes) {
  alignas(Secret<32>) std::array<std::byte, sizeof(Secret<32>)> place;
  SeededRng rng(2);
  auto* secret = std::construct_at(reinterpret_cast<Secret<32>*>(place.data()));
  *secret = Secret<32>::random(rng);
  ASSERT_FALSE(all_zero(place));
  std::destroy_at(secret);
  EXPECT_TRUE(all_zero(place));
}

TEST(Secret, FromTakesExactlyItsSize) {
  for (const std::size_t size : {0U, 1U, 31U, 33U, 64U}) {
    EXPECT_FALSE(Secret<32>::from(ByteVector(size)).has_value()) << size;
  }
  EXPECT_TRUE(Secret<32>::from(ByteVector(32)).has_value());
}

TEST(Secret, CloneIsIndependent) {
  SeededRng rng(3);
  Secret<16> secret = Secret<16>::random(rng);
  const Secret<16> copy = secret.clone();
  const ByteVector content = to_vector(secret.reveal());
  wipe(secret.reveal_mutable());
  EXPECT_TRUE(equal_bytes(copy.reveal(), content));
}

TEST(EqualConstantTime, TellsEveryBitAndLength) {
  const ByteVector a(33, std::byte{0x5a});
  EXPECT_TRUE(equal_constant_time(a, a));
  EXPECT_TRUE(equal_constant_time({}, {}));
  for (std::size_t bit = 0; bit < a.size() * 8; ++bit) {
    ByteVector b = a;
    b[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(equal_constant_time(a, b)) << bit;
  }
  for (std::size_t size = 0; size < a.size(); ++size) {
    EXPECT_FALSE(equal_constant_time(a, Bytes(a).first(size)));
    EXPECT_FALSE(equal_constant_time(Bytes(a).first(size), a));
  }
}

}  // namespace
}  // namespace ipop::crypto
