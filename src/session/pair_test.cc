#include "session/pair.h"

#include <gtest/gtest.h>

#include <vector>

namespace ipop::session {
namespace {

struct RankCase {
  std::string_view name;
  Pair ours;    // we initiated
  Pair theirs;  // the peer did
  bool ours_where_lower;
  bool ours_where_higher;
};

TEST(Pair, RanksByWhatBothEndsKnow) {
  const std::vector<RankCase> cases{
      {"crossed: neither knew of the other",
       {.initiator = true, .began = 1, .established = 3},
       {.began = 2, .established = 4},
       true,
       false},
      {"theirs was answered after ours was complete",
       {.initiator = true, .began = 1, .established = 2},
       {.began = 3, .established = 4},
       false,
       false},
      {"ours was begun after theirs was confirmed",
       {.initiator = true, .began = 3, .established = 4},
       {.began = 1, .established = 2},
       true,
       true},
      {"ours was begun after theirs was answered, before it was confirmed",
       {.initiator = true, .began = 2, .established = 4},
       {.began = 1, .established = 3},
       true,
       false},
  };
  for (const RankCase& c : cases) {
    EXPECT_EQ(outranks(c.ours, c.theirs, true), c.ours_where_lower) << c.name;
    EXPECT_EQ(outranks(c.theirs, c.ours, true), !c.ours_where_lower) << c.name;
    EXPECT_EQ(outranks(c.ours, c.theirs, false), c.ours_where_higher) << c.name;
    EXPECT_EQ(outranks(c.theirs, c.ours, false), !c.ours_where_higher) << c.name;
  }
}

TEST(Pair, OfOneInitiatorTheLaterRanksHigher) {
  for (const bool initiator : {true, false}) {
    const Pair early{.initiator = initiator, .began = 1, .established = 9};
    const Pair late{.initiator = initiator, .began = 2, .established = 5};
    for (const bool lower : {true, false}) {
      EXPECT_TRUE(outranks(late, early, lower));
      EXPECT_FALSE(outranks(early, late, lower));
    }
  }
}

}  // namespace
}  // namespace ipop::session
