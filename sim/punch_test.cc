// Goal: a member looks for the ports of those that ask it to, all of them, one after the other.
// Method: members that reach each other through a third one; what their NATs' ports are is handed
// up as their frames, and bystanders stand where the ports are looked for.

#include <gtest/gtest.h>

#include "base/check.h"
#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

const Ipv4 kOuter[] = {{0xcb007132}, {0xcb00713c}};  // 203.0.113.50 and .60

TEST(Punch, WhoAsksWhileAnotherIsLookedForHasItsTurn) {
  World world(1);
  make_trio(world);
  begin_join(world.add_node(), invite(world.node(0)), "dave");
  Node& searcher = world.node(1);
  for (const std::size_t other : {2U, 3U}) {
    world.set_path(searcher, world.node(other), {.blocked = true});
  }
  ASSERT_TRUE(world.run_until(
      [&] { return searcher.is_online_with("carol") && searcher.is_online_with("dave"); }, 20s));
  world.run_for(5s);
  Node* bystanders[] = {&world.add_node(), &world.add_node()};
  for (const std::size_t i : {0U, 1U}) {
    found(*bystanders[i]);
    bystanders[i]->move_to({kOuter[i], 5040});
  }

  for (const std::size_t i : {0U, 1U}) {
    hand_up(searcher, session_with(searcher, world.node(2 + i)), world.node(0).endpoint(),
            wire::Ports{.newest = {kOuter[i], 5001}, .lowest = 5001, .highest = 5100});
  }
  const auto was_asked = [&](std::size_t i) {
    return bystanders[i]->dropped(dataplane::Drop::UnknownSession) != 0;
  };
  EXPECT_TRUE(world.run_until([&] { return was_asked(0) || was_asked(1); }, 5s));
  EXPECT_FALSE(was_asked(1)) << "one at a time: each probe is a mapping in our own router, too";
  EXPECT_TRUE(world.run_until([&] { return was_asked(0) && was_asked(1); }, 10s));
}

/// Three public members, who tell the others how they are seen and carry for them; and such as are
/// behind NATs, a fourth one and others.
class Behind : public World {
 public:
  Behind(std::uint64_t seed, NatKind fourth, const std::vector<NatKind>& others) : World(seed) {
    default_path = {.delay = 25ms, .jitter = 5ms, .loss = 0.01};
    for (std::size_t i = 0; i < 4 + others.size(); ++i) {
      Node& joiner = add_node();
      if (i == 3) joiner.move_behind(fourth, 30s);
      if (i > 3) joiner.move_behind(others[i - 4], 30s);
      if (i == 0) {
        found(joiner);
        continue;
      }
      begin_join(joiner, invite(node(0)), name(i));
      check(run_until([&] { return has_joined(joiner); }, 30s));
    }
    // What their NATs do is known when each public one has said how it sees them.
    for (std::size_t i = 3; i < size(); ++i) {
      for (std::size_t other = 0; other < 3; ++other) {
        check(run_until([&] { return talk(node(i), node(other)); }, 60s));
      }
    }
  }
  static std::string name(std::size_t i) { return "m" + std::to_string(i); }
  Node& fourth() { return node(3); }
  Node& other(std::size_t i = 0) { return node(4 + i); }

  /// A packet each way; whether they are direct by now.
  bool talk(Node& one, Node& other) {
    send(one, other);
    send(other, one);
    run_for(100ms);
    return is_direct(one, other) && is_direct(other, one);
  }
  static void send(Node& from, Node& to) {
    const auto self = from.status();
    const auto address = to.status().v4;
    // Right after another one joined, a member may be without its address until it is mended
    // (docs/scale.md).
    if (self.v4 && address) from.send_ip(self.slot, ip_packet(*self.v4, *address));
  }
  static bool is_direct(Node& at, Node& with) {
    const auto status = at.status();
    const auto address = with.status().v4;
    return std::ranges::any_of(status.members, [&](const engine::MemberStatus& m) {
      return m.v4 == address && m.online && m.endpoint.has_value();
    });
  }
};

/// Of these instants, the most in any second.
std::size_t most_a_second(const std::vector<Instant>& at) {
  std::size_t most = 0;
  for (std::size_t i = 0, first = 0; i < at.size(); ++i) {
    while (at[i] - at[first] >= 1s) ++first;
    most = std::max(most, i - first + 1);
  }
  return most;
}

// Birthday search: reference figures in docs/nat.md.
TEST(Punch, ANatThatDrawsFromAllPortsIsPassed) {
  constexpr std::uint64_t kRuns = 40;
  std::size_t direct_soon = 0;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    Behind world(seed, NatKind::Symmetric, {NatKind::PortRestricted});
    Node& drawing = world.fourth();
    Node& easy = world.other();
    const Instant begun = world.at();
    while (world.at() - begun < 6s && !world.talk(drawing, easy)) {}
    if (world.talk(drawing, easy)) ++direct_soon;

    const auto& probes = easy.nat()->flows_to(drawing.nat()->outside());
    EXPECT_LE(probes.size(), nat::ProbeBudget::kProbesMax + 64) << seed << ": and a few hints";
    EXPECT_LE(most_a_second(probes), 520U) << seed;
    EXPECT_LE(most_a_second(drawing.nat()->flows_to(easy.nat()->outside())), 520U) << seed;
    EXPECT_LE(drawing.spares_max(), nat::Spread::kSocketsMax + 1) << seed;
    EXPECT_EQ(easy.spares_max(), 0U) << seed;

    // The winner stays, with what goes by it; the others do not.
    world.run_for(20s);
    EXPECT_LE(drawing.spares(), 1U) << seed;
    if (!Behind::is_direct(drawing, easy)) continue;
    const std::size_t before = drawing.received.size() + easy.received.size();
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(world.talk(drawing, easy)) << seed << ' ' << i;
    EXPECT_GE(drawing.received.size() + easy.received.size() - before, 90U) << seed << ": 1 % lost";
  }
  EXPECT_GE(direct_soon, kRuns * 19 / 20);
}

// One caller after the other: 256 sockets are open at a time, not for each peer.
TEST(Punch, SocketsAreOpenForOneOfSeveralThatLookForUs) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Behind world(seed, NatKind::Symmetric,
                 {NatKind::PortRestricted, NatKind::PortRestricted, NatKind::PortRestricted});
    std::size_t direct = 0;
    for (const Instant begun = world.at(); world.at() - begun < 20s;) {
      direct = 0;
      for (const std::size_t i : {0U, 1U, 2U}) {
        if (world.talk(world.fourth(), world.other(i))) ++direct;
      }
    }
    EXPECT_GE(direct, 1U) << seed;
    EXPECT_LE(world.fourth().spares_max(), nat::Spread::kSocketsMax + 3) << seed;
  }
}

TEST(Punch, NoSocketOutlivesThePathThatItIsFor) {
  for (const bool leaves : {false, true}) {
    Behind world(1, NatKind::Symmetric, {NatKind::PortRestricted});
    Node& fourth = world.fourth();
    const Instant begun = world.at();
    while (world.at() - begun < 60s && !world.talk(fourth, world.other())) {}
    world.run_for(20s);
    ASSERT_EQ(fourth.spares(), 1U);
    if (leaves) {
      ASSERT_TRUE(fourth.engine().leave(fourth.now(), {}));
      fourth.drain();
    } else {
      world.other().crash();
      world.run_for(2min);
    }
    EXPECT_EQ(fourth.spares(), 0U) << leaves;
  }
}

}  // namespace
}  // namespace ipop::sim
