// A checker that never finds anything proves nothing: each is shown what it must find.
#include "sim/run/checkers.h"

#include <gtest/gtest.h>

#include "sim/run/scenarios.h"
#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

Report report_of(std::size_t nodes) {
  Report report;
  report.nodes = nodes;
  return report;
}

TEST(Checkers, FindAMemberThatIsNotLinked) {
  Report report = report_of(4);
  Stage stage(report);
  grow(stage);
  check_state(stage);
  ASSERT_TRUE(report.passed()) << report_text(report);
  stage.node(3).crash();
  for (const std::size_t i : {0U, 1U, 2U}) {
    stage.world().set_path(stage.node(i), stage.node(3), {.blocked = true});
  }
  stage.node(3).start();
  stage.run(1s);
  EXPECT_LT(count_right(stage), 4U);
  check_state(stage);
  EXPECT_EQ(report.verdict(Property::NearestAreLinked).violations, 1U);
}

TEST(Checkers, FindPacketsThatDoNotArrive) {
  Report report = report_of(3);
  Stage stage(report);
  grow(stage);
  stage.world().set_path(stage.node(1), stage.node(2), {.blocked = true});
  stage.world().set_path(stage.node(0), stage.node(2), {.blocked = true});
  check_reach(stage, {});
  EXPECT_EQ(report.verdict(Property::PacketsArrive).violations, 4U);
  stage.run(60s);
  settle(stage, {.ring = 1s, .membership = 1s});
  EXPECT_EQ(report.verdict(Property::NearestAreLinked).violations, 1U);
}

TEST(Checkers, FindThatMembersDisagree) {
  Report report = report_of(3);
  Stage stage(report);
  grow(stage);
  for (const std::size_t i : {0U, 1U}) {
    stage.world().set_path(stage.node(i), stage.node(2), {.blocked = true});
  }
  invite(stage.node(0));
  check_state(stage);
  EXPECT_EQ(report.verdict(Property::MembershipIsAgreed).violations, 1U);
}

TEST(Checkers, FindContentOnTheWire) {
  Report report = report_of(2);
  Stage stage(report);
  grow(stage);
  stage.world().marker = {std::byte{0xc4}};  // the first byte of every DATA datagram
  check_reach(stage, {});
  close_report(stage);
  EXPECT_EQ(report.verdict(Property::OnlyEndsSeeContent).violations, 1U);
}

TEST(Checkers, FindPacketsThatComeTwiceOrToAnother) {
  Report report = report_of(3);
  Stage stage(report);
  grow(stage);
  const auto number = stage.traffic().send(0, 1);
  ASSERT_TRUE(number.has_value());
  stage.world().run_for(1s);
  ASSERT_EQ(stage.node(1).received.size(), 1U);
  const ByteVector packet = stage.node(1).received.front();
  stage.traffic().collect();
  EXPECT_TRUE(report.passed());
  stage.node(1).received.push_back(packet);
  stage.traffic().collect();
  EXPECT_EQ(report.verdict(Property::AtMostOnce).violations, 1U);
  stage.node(2).received.push_back(packet);
  stage.traffic().collect();
  EXPECT_EQ(report.verdict(Property::AtMostOnce).violations, 2U);
}

}  // namespace
}  // namespace ipop::sim
