#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace ipop {
namespace {

using namespace std::chrono_literals;

constexpr TokenBucket::Limit kLimit{.per_second = 4, .burst = 10};

TEST(TokenBucket, GivesTheBurstAndThenTheRate) {
  TokenBucket bucket;
  Instant now{1h};
  EXPECT_TRUE(bucket.is_full(now, kLimit));
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += bucket.take(now, kLimit) ? 1 : 0;
  EXPECT_EQ(taken, 10);
  for (int i = 0; i < 100; ++i) {
    now += 100ms;
    taken += bucket.take(now, kLimit) ? 1 : 0;
  }
  EXPECT_EQ(taken, 10 + 40);
  EXPECT_FALSE(bucket.is_full(now, kLimit));
  EXPECT_TRUE(bucket.is_full(now + 1h, kLimit));
  EXPECT_EQ(bucket.available(now + 1h, kLimit), kLimit.burst);
}

TEST(TokenBucket, TakesNothingWhereThereIsNotEnough) {
  TokenBucket bucket;
  const Instant now{1h};
  EXPECT_TRUE(bucket.take(now, kLimit, 8));
  EXPECT_FALSE(bucket.take(now, kLimit, 3));
  EXPECT_TRUE(bucket.take(now, kLimit, 2));
  EXPECT_FALSE(bucket.take(now - 1s, kLimit)) << "time that runs back gives nothing";
}

}  // namespace
}  // namespace ipop
