#include "overlay/full_mesh.h"

#include <gtest/gtest.h>

namespace ipop::overlay {
namespace {

using namespace std::chrono_literals;

wire::NodeId node(std::uint8_t n) {
  wire::NodeId id;
  id.bytes[0] = std::byte{n};
  return id;
}
Endpoint endpoint(std::uint32_t n) { return {Ipv4{0xc6120000U + n}, 4000}; }

struct Bench {
  SeededRng rng{1};
  FullMesh mesh{rng};
  Instant now{1h};
  std::vector<FullMesh::Call> calls;
  std::vector<FullMesh::Rest> rests;
  std::vector<FullMesh::Tell> tells;
  Instant wait = Instant::max();

  void drain() {
    for (;;) {
      auto output = mesh.poll_output();
      if (const auto* w = std::get_if<FullMesh::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (auto* c = std::get_if<FullMesh::Call>(&output)) calls.push_back(std::move(*c));
      if (auto* r = std::get_if<FullMesh::Rest>(&output)) rests.push_back(*r);
      if (auto* t = std::get_if<FullMesh::Tell>(&output)) tells.push_back(std::move(*t));
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 10000) << "the deadline stands still";
      now = std::max(now, wait);
      mesh.handle_timeout(now);
      drain();
    }
    now = end;
  }
};

TEST(FullMesh, CallsWhomItHasAnAddressFor) {
  Bench b;
  b.mesh.set_members(b.now, {node(1), node(2)});
  b.drain();
  EXPECT_TRUE(b.calls.empty());
  b.mesh.remember(b.now, node(1), {endpoint(1)});
  b.mesh.remember(b.now, node(9), {endpoint(9)});  // not a member
  b.drain();
  ASSERT_EQ(b.calls.size(), 1U);
  EXPECT_EQ(b.calls[0].node, node(1));
  EXPECT_EQ(b.calls[0].candidates, std::vector{endpoint(1)});
}

TEST(FullMesh, CallsLessAndLessOftenButForEver) {
  Bench b;
  b.mesh.set_members(b.now, {node(1)});
  b.mesh.remember(b.now, node(1), {endpoint(1)});
  b.drain();
  b.run_for(10min);
  const std::size_t early = b.calls.size();
  EXPECT_GE(early, 5U);
  EXPECT_LE(early, 9U);
  b.calls.clear();
  b.run_for(10h);
  // At most every 300 s and 8 s of calling, a fifth of the pause more at the most.
  EXPECT_GE(b.calls.size(), 36000U / 369);
  EXPECT_LE(b.calls.size(), 36000U / 308 + 1);
}

TEST(FullMesh, NewsStartTheCallsAfresh) {
  Bench b;
  b.mesh.set_members(b.now, {node(1)});
  b.mesh.remember(b.now, node(1), {endpoint(1)});
  b.drain();
  b.run_for(1h);
  b.calls.clear();
  b.mesh.handle_peers(b.now, {{{node(1), 0, {endpoint(2)}}}});
  b.drain();
  ASSERT_EQ(b.calls.size(), 1U);
  EXPECT_EQ(b.calls[0].candidates, (std::vector{endpoint(2), endpoint(1)}));
}

TEST(FullMesh, ConnectedMembersAreIntroducedToEachOther) {
  Bench b;
  b.mesh.set_members(b.now, {node(1), node(2), node(3)});
  b.mesh.handle_connected(b.now, node(1), endpoint(1), {});
  b.drain();
  EXPECT_TRUE(b.tells.empty());
  b.mesh.handle_connected(b.now, node(2), endpoint(2), {endpoint(22)});
  b.drain();
  ASSERT_EQ(b.tells.size(), 2U);
  EXPECT_EQ(b.tells[0].to, node(1));
  EXPECT_EQ(b.tells[0].peers.peers[0].node, node(2));
  EXPECT_EQ(b.tells[0].peers.peers[0].candidates, (std::vector{endpoint(2), endpoint(22)}));
  EXPECT_EQ(b.tells[1].to, node(2));
  EXPECT_EQ(b.tells[1].peers.peers[0].node, node(1));
  b.tells.clear();
  b.mesh.handle_connected(b.now, node(2), endpoint(2), {endpoint(22)});  // nothing new
  b.drain();
  EXPECT_TRUE(b.tells.empty());
}

TEST(FullMesh, AConnectedMemberIsNotCalledAndALostOneIs) {
  Bench b;
  b.mesh.set_members(b.now, {node(1)});
  b.mesh.handle_connected(b.now, node(1), endpoint(1), {});
  b.drain();
  b.run_for(10min);
  EXPECT_TRUE(b.calls.empty());
  b.mesh.handle_disconnected(b.now, node(1));
  b.drain();
  ASSERT_EQ(b.calls.size(), 1U);
  b.mesh.set_members(b.now, {});
  b.calls.clear();
  b.run_for(10min);
  EXPECT_TRUE(b.calls.empty());
}

TEST(FullMesh, ManyAddressesOfOneMemberAreBounded) {
  Bench b;
  b.mesh.set_members(b.now, {node(1)});
  std::vector<Endpoint> many;
  for (std::uint32_t i = 0; i < 50; ++i) many.push_back(endpoint(i));
  b.mesh.remember(b.now, node(1), many);
  EXPECT_LE(b.mesh.remembered().at(0).candidates.size(), 6U);
}

}  // namespace
}  // namespace ipop::overlay
