// The parts of a ring that have answers of their own: directory, calls, sizes, next hops.
#include <gtest/gtest.h>

#include <cmath>

#include "overlay/calls.h"
#include "overlay/directory.h"
#include "overlay/near_set.h"
#include "overlay/router.h"
#include "overlay/size_estimate.h"
#include "overlay/transit.h"

namespace ipop::overlay {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

/// The member at this part of the circle, in 256ths.
NodeId at(unsigned part, std::uint8_t last = 0) {
  NodeId id;
  id.bytes[0] = static_cast<std::byte>(part);
  id.bytes[15] = static_cast<std::byte>(last);
  return id;
}

Link& add(LinkTable& links, const NodeId& node, const std::vector<unsigned>& listed = {}) {
  Link& link = links.add(node);
  link.near = NearState::Up;
  for (const unsigned part : listed) link.neighbours.push_back({.id = ring_id(at(part))});
  return link;
}

TEST(Directory, NamesTheNearestOnEachSideWhetherInsideOrNot) {
  const Directory directory({at(30), at(10), at(20), at(10)});
  EXPECT_EQ(directory.size(), 3U);
  EXPECT_TRUE(directory.contains(at(20)));
  EXPECT_FALSE(directory.contains(at(20, 1)));
  EXPECT_EQ(*directory.find(ring_id(at(30))), at(30));
  EXPECT_EQ(directory.find(ring_id(at(31))), nullptr);
  EXPECT_EQ(*directory.nearest(at(20), Side::After, 0), at(30));
  EXPECT_EQ(*directory.nearest(at(20), Side::After, 1), at(10));
  EXPECT_EQ(directory.nearest(at(20), Side::After, 2), nullptr);
  EXPECT_EQ(*directory.nearest(at(20), Side::Before, 0), at(10));
  EXPECT_EQ(*directory.nearest(at(20), Side::Before, 1), at(30));
  EXPECT_EQ(*directory.nearest(at(25), Side::After, 0), at(30));
  EXPECT_EQ(*directory.nearest(at(25), Side::Before, 0), at(20));
  EXPECT_EQ(*directory.nearest(at(25), Side::Before, 2), at(30));
  EXPECT_EQ(Directory().nearest(at(1), Side::After, 0), nullptr);
}

TEST(Calls, RestLongerAfterEachFailureUpToFiveMinutes) {
  SeededRng rng(1);
  Calls calls;
  Instant now{};
  Duration last{};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(calls.start(now, at(1)));
    EXPECT_FALSE(calls.start(now, at(1)));
    EXPECT_EQ(calls.next(now), now + Calls::kAttempt);
    now += Calls::kAttempt;
    EXPECT_EQ(calls.expire(now, rng).size(), 1U);
    EXPECT_TRUE(calls.resting(now, at(1)));
    const Duration rest = calls.next(now) - now;
    EXPECT_GE(rest, std::min(Calls::kPauseMax, Calls::kPauseMin * (1 << i)));
    EXPECT_LE(rest, Calls::kPauseMax * 6 / 5);
    EXPECT_GE(rest * 6 / 5, last);
    last = rest;
    now += rest;
  }
  EXPECT_TRUE(calls.failed_before(at(1)));
  calls.forget(at(1));
  EXPECT_FALSE(calls.failed_before(at(1)));
}

TEST(Calls, RestLessWhenSomebodySaysThatItLives) {
  SeededRng rng(1);
  Calls calls;
  const Instant now{};
  for (int i = 0; i < 5; ++i) calls.fail(now, at(1), rng);
  calls.hasten(now + 1s, at(1));
  EXPECT_EQ(calls.next(now + 1s), now + Calls::kPauseMin);
  calls.wake(now + 2s);
  EXPECT_FALSE(calls.resting(now + 2s, at(1)));
}

TEST(Calls, AreBounded) {
  SeededRng rng(1);
  Calls calls;
  const Instant now{};
  for (unsigned i = 0; i < Calls::kEntriesMax; ++i) EXPECT_TRUE(calls.start(now, at(i)));
  EXPECT_FALSE(calls.start(now, at(200)));
  calls.fail(now, at(3), rng);
  EXPECT_TRUE(calls.start(now, at(200)));
  EXPECT_FALSE(calls.failed_before(at(3)));
}

TEST(SizeEstimate, LogarithmsAgreeWithTheLibrary) {
  SeededRng rng(2);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t value = (rng.next_u64() >> rng.below(64)) | 1U;
    EXPECT_NEAR(log2_256(value), 256 * std::log2(static_cast<double>(value)), 1.0);
    const auto log = static_cast<std::uint32_t>(rng.below(std::uint64_t{64} * 256));
    EXPECT_NEAR(std::log2(static_cast<double>(exp2_256(log)) + 0.5), log / 256.0,
                log < 10 * 256 ? 1.0 : 0.01);
  }
  EXPECT_EQ(exp2_256(64 * 256), UINT64_MAX);
}

TEST(SizeEstimate, CountsSmallNetworksAndEstimatesLargeOnes) {
  LinkTable few;
  EXPECT_EQ(own_size_log2_256(ring_id(at(0)), few, 4), 0);
  for (const unsigned part : {10U, 20U, 30U}) add(few, at(part));
  EXPECT_EQ(own_size_log2_256(ring_id(at(0)), few, 4), 512);
  LinkTable dense;  // every 256th of the circle
  for (const unsigned part : {1U, 2U, 3U, 4U, 252U, 253U, 254U, 255U}) add(dense, at(part));
  EXPECT_NEAR(own_size_log2_256(ring_id(at(0)), dense, 4), 8 * 256, 2);
}

TEST(SizeEstimate, AFewLiarsMoveNothing) {
  LinkTable links;
  for (unsigned i = 1; i <= 9; ++i) {
    add(links, at(i)).size_log2_256 = i <= 4 ? 60'000 : static_cast<std::uint16_t>(2000 + i);
  }
  EXPECT_LT(network_size_log2_256(2000, links), 2100);
}

RouteQuery query(wire::ForwardMode mode, const NodeId& source, const NodeId& destination) {
  RouteQuery out;
  out.self = at(100);
  out.mode = mode;
  out.source = source;
  out.destination = destination;
  return out;
}

TEST(NextHop, LooksTwoHopsAheadAndPrefersTheMemberItself) {
  LinkTable links;
  add(links, at(120), {200}).rtt = 1ms;
  add(links, at(150));
  auto q = query(wire::ForwardMode::Exact, at(1), at(201));
  EXPECT_EQ(next_hop(q, links).link->node, at(120));
  add(links, at(200)).rtt = 99ms;
  EXPECT_EQ(next_hop(q, links).link->node, at(200));
  add(links, at(201));
  EXPECT_EQ(next_hop(q, links).link->node, at(201));
  const std::vector<RingId> tried = {ring_id(at(201))};
  q.tried = tried;
  EXPECT_EQ(next_hop(q, links).link->node, at(200));
}

TEST(NextHop, DoesNotBelieveWhoseFindsStayUnanswered) {
  LinkTable links;
  add(links, at(120), {200}).unanswered = kUnansweredMax;
  add(links, at(150));
  EXPECT_EQ(next_hop(query(wire::ForwardMode::Exact, at(1), at(201)), links).link->node, at(150));
}

TEST(NextHop, PrefersDirectOverRelayedAndLeavesSuspectsForLast) {
  LinkTable links;
  add(links, at(120), {200}).direct = false;
  add(links, at(130), {200});
  const auto q = query(wire::ForwardMode::Exact, at(1), at(201));
  EXPECT_EQ(next_hop(q, links).link->node, at(130));
  links.find(at(130))->suspect = true;
  EXPECT_EQ(next_hop(q, links).link->node, at(120));
  links.find(at(120))->suspect = true;
  EXPECT_EQ(next_hop(q, links).link->node, at(130));
}

TEST(NextHop, EndsAFindWhereNobodyIsNearerAndTakesADetourWithADatagram) {
  LinkTable links;
  add(links, at(90));
  add(links, at(110));
  EXPECT_EQ(next_hop(query(wire::ForwardMode::Closest, at(1), at(101)), links).link, nullptr);
  EXPECT_EQ(next_hop(query(wire::ForwardMode::Successor, at(1), at(99)), links).link, nullptr);
  EXPECT_EQ(next_hop(query(wire::ForwardMode::Successor, at(1), at(100)), links).link->node,
            at(110));
  EXPECT_EQ(next_hop(query(wire::ForwardMode::Predecessor, at(1), at(100)), links).link->node,
            at(90));
  auto q = query(wire::ForwardMode::Exact, at(1), at(101));
  const Hop detour = next_hop(q, links);
  ASSERT_NE(detour.link, nullptr);
  EXPECT_FALSE(detour.nearer);
  const std::vector<RingId> visited = {ring_id(at(90)), ring_id(at(110))};
  q.visited = visited;
  EXPECT_EQ(next_hop(q, links).link, nullptr);
}

TEST(NextHop, SendsAFindBackToAVisitedMemberThatWasNearer) {
  LinkTable links;
  add(links, at(140));
  auto q = query(wire::ForwardMode::Closest, at(1), at(160));
  const std::vector<RingId> visited = {ring_id(at(140))};
  q.visited = visited;
  EXPECT_EQ(next_hop(q, links).link->node, at(140));
}

TEST(NearPlan, ToCallAreThoseNearerThanTheNearestSessions) {
  const Directory directory({at(10), at(20), at(30), at(40), at(50), at(60)});
  LinkTable links;
  add(links, at(40), {20, 30, 50});
  Calls calls;
  Hints hints;
  SeededRng rng(1);
  NearPlan plan = plan_near({at(10), 1, Instant{}, links, calls, hints, directory});
  EXPECT_EQ(plan.near, std::vector{at(40)});
  EXPECT_NE(std::find(plan.call.begin(), plan.call.end(), at(20)), plan.call.end());
  EXPECT_NE(std::find(plan.call.begin(), plan.call.end(), at(60)), plan.call.end());
  EXPECT_EQ(plan.call.size(), 4U);  // 20, 30 after us; 60, 50 before
  calls.fail(Instant{}, at(20), rng);
  plan = plan_near({at(10), 1, Instant{}, links, calls, hints, directory});
  EXPECT_EQ(std::find(plan.call.begin(), plan.call.end(), at(20)), plan.call.end());
}

TEST(SeenTable, ForgetsTheOldAndNamesWhereFindsWereLost) {
  SeenTable seen;
  const Instant now{};
  seen.add(now, {.message = 1, .next = RingId{7}, .find = true});
  seen.add(now, {.message = 2, .next = RingId{8}, .find = true, .answered = true});
  seen.add(now + 5s, {.message = 3});
  EXPECT_EQ(seen.expire(now + SeenTable::kLife), std::vector{RingId{7}});
  EXPECT_EQ(seen.find(1), nullptr);
  EXPECT_NE(seen.find(3), nullptr);
  for (std::uint64_t i = 10; i < 10 + SeenTable::kMax; ++i) seen.add(now, {.message = i});
  EXPECT_EQ(seen.find(3), nullptr);
}

}  // namespace
}  // namespace ipop::overlay
