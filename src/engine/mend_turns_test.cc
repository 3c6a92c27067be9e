#include "engine/mend_turns.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ipop::engine {
namespace {

using namespace std::chrono_literals;
using Lost = MendTurns::Lost;

wire::NodeId node(std::uint8_t first) {
  wire::NodeId out;
  out.bytes[0] = std::byte{first};
  return out;
}

constexpr Instant kStart{std::chrono::hours(1)};

TEST(MendTurns, WhoAdmittedSignsAtOnceAndAgainWhileItDoesNotHelp) {
  MendTurns turns;
  const Lost lost[] = {{node(1), 0}};
  EXPECT_EQ(turns.take_due(kStart, lost), std::vector{node(1)});
  EXPECT_EQ(turns.deadline(), kStart + MendTurns::kTurn);
  EXPECT_TRUE(turns.take_due(kStart + 29s, lost).empty());
  EXPECT_EQ(turns.take_due(kStart + 30s, lost), std::vector{node(1)});
}

TEST(MendTurns, OthersComeLaterAndTheirNumberDoubles) {
  const auto waits = [](std::size_t place) {
    MendTurns turns;
    const Lost lost[] = {{node(1), place}};
    EXPECT_TRUE(turns.take_due(kStart, lost).empty());
    return turns.deadline() - kStart;
  };
  EXPECT_EQ(waits(1), 30s);
  EXPECT_EQ(waits(2), 60s);
  EXPECT_EQ(waits(3), 60s);
  EXPECT_EQ(waits(4), 90s);
  EXPECT_EQ(waits(100'000), 17 * 30s);
}

TEST(MendTurns, WhoIsMendedIsForgotten) {
  MendTurns turns;
  const Lost both[] = {{node(1), 1}, {node(2), 2}};
  EXPECT_TRUE(turns.take_due(kStart, both).empty());
  EXPECT_TRUE(turns.take_due(kStart + 10s, std::span(both).subspan(1)).empty());
  EXPECT_EQ(turns.deadline(), kStart + 60s);
  // Without a name once more: its turn begins afresh.
  EXPECT_TRUE(turns.take_due(kStart + 30s, both).empty());
  EXPECT_EQ(turns.deadline(), kStart + 60s);
  EXPECT_TRUE(turns.take_due(kStart + 60s, {}).empty());
  EXPECT_EQ(turns.deadline(), Instant::max());
}

TEST(MendTurns, PlacesAreSpreadOverAllMembers) {
  EXPECT_EQ(MendTurns::place_of(node(9), node(9), 1000), 1U);
  EXPECT_EQ(MendTurns::place_of(node(0), node(128), 1000), 1001U);  // the opposite of the ring
  EXPECT_EQ(MendTurns::place_of(node(0), node(64), 1000), 501U);
  EXPECT_EQ(MendTurns::place_of(node(64), node(0), 1000), 501U);
  EXPECT_EQ(MendTurns::place_of(node(0), node(128), 0xFFFFFFFF), 0x100000000U);
}

}  // namespace
}  // namespace ipop::engine
