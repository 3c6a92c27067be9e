#include "engine/door.h"

#include <gtest/gtest.h>

namespace ipop::engine {
namespace {

using namespace std::chrono_literals;

TEST(IngressLimit, OneMemberCannotBringMoreThanItsShare) {
  IngressLimit limit;
  Instant now{1h};
  int passed = 0;
  for (int i = 0; i < 1000; ++i) passed += limit.admit(now, PeerHandle{1}) ? 1 : 0;
  EXPECT_EQ(passed, 10);
  for (int second = 0; second < 10; ++second) {
    now += 1s;
    passed = 0;
    for (int i = 0; i < 100; ++i) passed += limit.admit(now, PeerHandle{1}) ? 1 : 0;
    EXPECT_EQ(passed, 5);
    EXPECT_TRUE(limit.admit(now, PeerHandle{2})) << "another one is not kept out";
  }
}

TEST(IngressLimit, ManyMembersTogetherBringTwentyASecond) {
  IngressLimit limit;
  Instant now{1h};
  for (int second = 0; second < 5; ++second) {
    int passed = 0;
    for (std::uint32_t i = 0; i < 100; ++i) passed += limit.admit(now, PeerHandle{i}) ? 1 : 0;
    EXPECT_EQ(passed, 20);
    now += 1s;
  }
}

}  // namespace
}  // namespace ipop::engine
