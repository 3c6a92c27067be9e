#include "daemon/caller_limits.h"

#include <gtest/gtest.h>

namespace ipop::daemon {
namespace {

using namespace std::chrono_literals;

IpAddress caller(std::uint32_t n) { return Ipv4{0xc6336400 + n}; }
IpAddress v6(const char* text) { return *IpAddress::parse(text); }

TEST(CallerLimits, ANetworkOfIpv6IsOneOrigin) {
  EXPECT_EQ(origin_of(v6("2001:db8::1")), origin_of(v6("2001:db8::ffff:0:0:2")));
  EXPECT_NE(origin_of(v6("2001:db8::1")), origin_of(v6("2001:db8:0:1::1")));
  EXPECT_EQ(origin_of(caller(1)), caller(1));
}

/// Fifty calls a second of one origin, for a minute; another one calls now and then.
TEST(CallerLimits, OneOriginKeepsNobodyOut) {
  CallerLimits limits;
  Instant now(1h);
  int taken = 0;
  for (int i = 0; i < 60 * 50; ++i, now += 20ms) {
    ASSERT_TRUE(limits.has_room(now)) << i;
    taken += limits.take(now, caller(1)) ? 1 : 0;
    ASSERT_TRUE(i % 100 != 0 || limits.take(now, caller(2))) << i;
  }
  const auto& one = CallerLimits::kOfOne;
  EXPECT_NEAR(taken, one.burst + 60 * one.per_second, 2);
}

TEST(CallerLimits, ThereIsALimitForAll) {
  CallerLimits limits;
  const Instant now(1h);
  int taken = 0;
  for (std::uint32_t i = 0; i < 200; ++i) taken += limits.take(now, caller(i)) ? 1 : 0;
  EXPECT_EQ(taken, CallerLimits::kOfAll.burst);
  EXPECT_FALSE(limits.has_room(now));
  EXPECT_TRUE(limits.has_room(now + 1s));
}

TEST(CallerLimits, RemembersSoManyAndNotMore) {
  CallerLimits limits;
  Instant now(1h);
  for (std::uint32_t i = 0; i < 3 * CallerLimits::kOriginsMax; ++i) {
    static_cast<void>(limits.take(now, caller(i)));
    ASSERT_LE(limits.origins(), CallerLimits::kOriginsMax);
  }
  // A while later nobody's calls matter any more.
  static_cast<void>(limits.take(now += 1min, caller(1 << 20)));
  EXPECT_EQ(limits.origins(), 1U);
}

}  // namespace
}  // namespace ipop::daemon
