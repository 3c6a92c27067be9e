#include "dataplane/drop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dataplane/counters.h"

namespace ipop::dataplane {
namespace {

TEST(DropName, EveryReasonHasItsOwnSnakeCaseName) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropCount; ++i) {
    const std::string_view name = drop_name(static_cast<Drop>(i));
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(std::all_of(name.begin(), name.end(), [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z');
    })) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(DropNameDeathTest, TheCountIsNoReason) { EXPECT_DEATH(drop_name(Drop::Count_), ""); }

TEST(DropCounters, CountEachReasonApart) {
  DropCounters counters;
  counters.add(Drop::BadTag);
  counters.add(Drop::BadTag, 4);
  counters.add(Drop::SendFailed);
  for (std::size_t i = 0; i < kDropCount; ++i) {
    const auto drop = static_cast<Drop>(i);
    EXPECT_EQ(counters.read(drop), drop == Drop::BadTag ? 5U : drop == Drop::SendFailed ? 1U : 0U);
  }
}

}  // namespace
}  // namespace ipop::dataplane
