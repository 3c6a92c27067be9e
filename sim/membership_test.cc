// Goal: what create, invite, join, kick and leave promise holds for whole nodes over slow and lossy
// links. Method: nodes in virtual time; every wait has a liveness budget; a failure prints its
// seed.

#include <gtest/gtest.h>

#include <set>

#include "engine/stored.h"
#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

TEST(Membership, FounderIsAloneAndReady) {
  World world(1);
  Node& alice = world.add_node();
  EXPECT_EQ(found(alice).size(), 71U);
  const auto status = alice.status();
  EXPECT_EQ(status.member, "alice");
  EXPECT_EQ(status.v4, *Ipv4::parse("10.83.0.1"));
  EXPECT_TRUE(status.admin);
  EXPECT_TRUE(status.members.empty());
  EXPECT_EQ(status.interface, "sim0");
}

TEST(Membership, JoinsOverSlowAndLossyLinks) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.default_path = {.delay = 50ms,
                          .jitter = 20ms,
                          .loss = static_cast<double>(seed % 4) / 10,
                          .duplication = 0.05};
    Node& alice = world.add_node();
    Node& bob = world.add_node();
    found(alice);
    begin_join(bob, invite(alice), "bob");
    ASSERT_TRUE(world.run_until([&] { return is_done(bob); }, 30s));
    ASSERT_TRUE(has_joined(bob));
    ASSERT_TRUE(world.run_until(
        [&] { return alice.is_online_with("bob") && bob.is_online_with("alice"); }, 30s));
    EXPECT_EQ(alice.status().members.at(0).v4, bob.status().v4);
    const NetworkSlot slot = bob.status().slot;
    world.default_path.loss = 0;
    bob.send_ip(slot, ip_packet(*bob.status().v4, *alice.status().v4));
    ASSERT_TRUE(world.run_until([&] { return !alice.received.empty(); }, 5s));
  }
}

TEST(Membership, WithoutLossTheFirstPacketPassesWithinThreeRoundTrips) {
  World world(7);
  world.default_path.delay = 50ms;
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  const std::string text = invite(alice);
  const Instant begun = world.at();
  begin_join(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 10s));
  bob.send_ip(bob.status().slot, ip_packet(*bob.status().v4, *alice.status().v4));
  ASSERT_TRUE(world.run_until([&] { return !alice.received.empty(); }, 5s));
  EXPECT_LE(world.at() - begun, 300ms);
}

TEST(Membership, ThreeMembersFindEachOther) {
  World world(2);
  make_trio(world);
}

// Whoever may issue GRANTs could otherwise name a key of its own for somebody else.
TEST(Membership, EveryMemberSignsItsOwnTunnelKey) {
  World world(9);
  make_trio(world);
  world.run_for(2s);
  for (std::size_t i = 0; i < world.size(); ++i) {
    const auto statements =
        engine::parse_stored_statements(world.node(i).file("family", engine::FileKind::Statements));
    ASSERT_TRUE(statements.has_value());
    std::set<IdentityKey> signers;
    std::size_t claims = 0;
    for (const Bytes bytes : *statements) {
      const auto statement = wire::parse_statement(bytes);
      ASSERT_TRUE(statement.has_value());
      const auto* skey = std::get_if<wire::Skey>(&statement->body);
      if (skey == nullptr) continue;
      EXPECT_EQ(skey->epoch, 1U);
      signers.insert(skey->identity);
      ++claims;
    }
    EXPECT_EQ(signers.size(), 3U) << "node " << i;
    EXPECT_EQ(claims, 3U) << "once each";
  }
}

TEST(Membership, AnyMemberAdmitsWhileTheInviterIsOff) {
  World world(3);
  make_trio(world);
  Node& dave = world.add_node();
  const std::string text = invite(world.node(0));
  world.run_for(1s);  // the invite's GRANT reaches the others
  world.node(0).crash();
  begin_join(dave, text, "dave");
  ASSERT_TRUE(world.run_until([&] { return has_joined(dave); }, 20s));
  world.node(0).start();
  ASSERT_TRUE(world.run_until([&] { return world.node(0).is_online_with("dave"); }, 60s));
}

TEST(Membership, SpoofedInnerSourceIsDroppedAndCounted) {
  World world(4);
  make_trio(world);
  Node& bob = world.node(1);
  const NetworkSlot slot = bob.status().slot;
  const Ipv4 carol = *world.node(2).status().v4;
  bob.send_ip(slot, ip_packet(carol, *world.node(0).status().v4));
  world.run_for(1s);
  EXPECT_EQ(bob.dropped(dataplane::Drop::ForeignSource), 1U);
  EXPECT_TRUE(world.node(0).received.empty());
}

TEST(Membership, RefusedInvitesSayWhy) {
  World world(5);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  Node& carol = world.add_node();
  found(alice);
  const std::string text = invite(alice);
  begin_join(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 10s));
  begin_join(carol, text, "carol");
  ASSERT_TRUE(world.run_until([&] { return is_done(carol); }, 10s));
  EXPECT_EQ(join_failure(carol), engine::Failure::UsedInvite);
  EXPECT_TRUE(carol.engine().status(carol.now()).empty());

  std::string damaged = text;
  damaged[40] = damaged[40] == 'A' ? 'B' : 'A';
  const auto refused = carol.engine().join(carol.now(), 9, damaged, {"carol", ""});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().failure, engine::Failure::DamagedInvite);

  world.shift_wall_clock(2 * 86400);
  const auto late = carol.engine().join(carol.now(), 10, text, {"carol", ""});
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().failure, engine::Failure::ExpiredInvite);
}

TEST(Membership, HundredRedemptionsOfAOneUseInviteAtThreeMembersMakeOneMember) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.default_path = {.delay = 20ms, .jitter = 30ms};
    make_trio(world);
    const std::string text = invite(world.node(0));
    world.run_for(2s);
    std::vector<Node*> joiners;
    for (int i = 0; i < 100; ++i) joiners.push_back(&world.add_node());
    for (std::size_t i = 0; i < joiners.size(); ++i) {
      // Each reaches one of the three members first.
      for (std::size_t m = 0; m < 3; ++m) {
        if (m != i % 3) world.set_path(*joiners[i], world.node(m), {.blocked = true});
      }
      begin_join(*joiners[i], text, "joiner-" + std::to_string(i));
    }
    ASSERT_TRUE(world.run_until(
        [&] { return std::ranges::all_of(joiners, [](Node* n) { return is_done(*n); }); }, 120s));
    world.run_for(60s);
    // Exactly one is a member, and on every node the same.
    const auto members = world.node(0).status().members;
    ASSERT_EQ(members.size(), 3U);
    for (std::size_t m = 1; m < 3; ++m) { EXPECT_EQ(world.node(m).status().members.size(), 3U); }
    int inside = 0;
    for (Node* n : joiners) {
      const auto networks = n->engine().status(n->now());
      const bool member = !networks.empty() && networks[0].health.empty();
      if (member) {
        ++inside;
      } else if (const auto failure = join_failure(*n)) {
        EXPECT_EQ(*failure, engine::Failure::UsedInvite);
      } else {
        // Joined at first, then displaced by an earlier one: told in its health.
        ASSERT_EQ(networks.size(), 1U);
        EXPECT_EQ(networks[0].health[0].code, "not_a_member");
      }
    }
    EXPECT_EQ(inside, 1);
  }
}

TEST(Membership, KickedMemberStaysOutWhateverItKept) {
  World world(6);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  Node& carol = world.node(2);
  const std::string from_bob = invite(bob);
  const std::string from_alice = invite(alice);
  world.run_for(1s);
  const auto kicked = alice.engine().kick(alice.now(), {}, "bob");
  ASSERT_TRUE(kicked.has_value());
  alice.drain();
  EXPECT_EQ(kicked->closed_invites.size(), 2U);
  ASSERT_TRUE(world.run_until(
      [&] {
        return alice.status().members.size() == 1 && carol.status().members.size() == 1 &&
               carol.status().epoch == Epoch{1};
      },
      5s));
  world.run_for(1s);
  EXPECT_FALSE(bob.status().health.empty());
  EXPECT_TRUE(alice.status().invites.empty()) << "they hold the old secret";
  EXPECT_TRUE(carol.status().invites.empty());

  // With its state restarted, it reaches nobody.
  bob.crash();
  bob.start();
  world.run_for(120s);
  EXPECT_FALSE(alice.is_online_with("bob"));
  EXPECT_FALSE(carol.is_online_with("bob"));

  // Invites from before the kick are dead, bob's own and others'.
  for (const std::string& text : {from_bob, from_alice}) {
    Node& stranger = world.add_node();
    begin_join(stranger, text, "stranger");
    ASSERT_TRUE(world.run_until([&] { return is_done(stranger); }, 60s));
    EXPECT_FALSE(has_joined(stranger));
  }
  EXPECT_EQ(alice.status().members.size(), 1U);
  EXPECT_EQ(carol.status().members.size(), 1U);

  // A new invite works.
  Node& dave = world.add_node();
  const std::string after = invite(carol);
  EXPECT_EQ(carol.status().invites.size(), 1U);
  begin_join(dave, after, "dave");
  ASSERT_TRUE(world.run_until([&] { return has_joined(dave); }, 20s));
}

TEST(Membership, WhoWasOffDuringAKickComesBackAndObeysIt) {
  World world(8);
  make_trio(world);
  Node& alice = world.node(0);
  Node& carol = world.node(2);
  carol.crash();
  ASSERT_TRUE(alice.engine().kick(alice.now(), {}, "bob").has_value());
  alice.drain();
  world.run_for(5s);
  carol.start();
  ASSERT_TRUE(world.run_until([&] { return carol.is_online_with("alice"); }, 30s));
  ASSERT_TRUE(world.run_until(
      [&] { return carol.status().members.size() == 1 && carol.status().epoch == Epoch{1}; }, 30s));
}

TEST(Membership, ALargeSetReachesANewcomer) {
  World world(11);
  world.default_path = {.delay = 20ms, .jitter = 10ms};
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  std::string text;
  for (int i = 0; i < 300; ++i) text = invite(alice);
  begin_join(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 10s));
  ASSERT_TRUE(world.run_until(
      [&] { return bob.status().invites.size() == alice.status().invites.size(); }, 20s));
}

TEST(Membership, TwoThatGrewApartExchangeOnlyWhatDiffers) {
  World world(17);
  make_pair(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  for (int i = 0; i < 400; ++i) invite(alice);
  world.run_for(60s);
  ASSERT_EQ(bob.status().invites.size(), alice.status().invites.size());

  world.set_path(alice, bob, {.blocked = true});
  for (int i = 0; i < 5; ++i) {
    invite(alice);
    invite(bob);
  }
  world.run_for(60s);
  world.set_path(alice, bob, {.delay = 20ms, .jitter = 20ms, .loss = 0.05});
  const auto before = alice.datagrams_sent() + bob.datagrams_sent();
  ASSERT_TRUE(world.run_until(
      [&] {
        return alice.status().invites.size() >= 410 &&
               bob.status().invites.size() == alice.status().invites.size();
      },
      5min));
  // One datagram for each statement would be more than 800, keepalives and the ring's apart.
  EXPECT_LE(alice.datagrams_sent() + bob.datagrams_sent() - before, 250U);
}

// The one who admitted the loser of a name, and could mend it at once, does not come back.
TEST(Membership, OthersMendWhatTheAdmitterCannot) {
  World world(18);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  const std::string bobs = invite(bob);
  const std::string alices = invite(alice);
  world.run_for(5s);
  Node& dave = world.add_node();
  Node& erin = world.add_node();
  for (Node* node : {&bob, &erin}) world.set_group(*node, 1);
  begin_join(dave, alices, "laptop");
  ASSERT_TRUE(world.run_until([&] { return has_joined(dave); }, 20s));
  world.run_for(2s);  // an ADMIT's time is in seconds: dave is first
  begin_join(erin, bobs, "laptop");
  ASSERT_TRUE(world.run_until([&] { return has_joined(erin); }, 20s));
  world.run_for(2s);
  ASSERT_EQ(self_of(erin)->name, "laptop");
  bob.crash();
  world.set_group(erin, 0);

  ASSERT_TRUE(world.run_until([&] { return self_of(erin)->name.empty(); }, 5min));
  ASSERT_TRUE(world.run_until([&] { return !self_of(erin)->name.empty(); }, 3min));
  EXPECT_NE(self_of(erin)->name, "laptop");
  ASSERT_TRUE(world.run_until([&] { return alice.is_online_with(self_of(erin)->name); }, 1min));
  EXPECT_EQ(self_of(dave)->name, "laptop");
}

TEST(Membership, AFounderThatRestartedOftenStillAdmits) {
  World world(12);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  for (int i = 0; i < 10; ++i) {
    alice.crash();
    world.run_for(1s);
    alice.start();
  }
  begin_join(bob, invite(alice), "bob");
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 10s));
}

TEST(Membership, LeavingIsSeenByAll) {
  World world(9);
  make_trio(world);
  Node& bob = world.node(1);
  ASSERT_TRUE(bob.engine().leave(bob.now(), {}).has_value());
  bob.drain();
  EXPECT_TRUE(bob.engine().status(bob.now()).empty());
  ASSERT_TRUE(world.run_until(
      [&] {
        return world.node(0).status().members.size() == 1 &&
               world.node(2).status().members.size() == 1;
      },
      5s));
}

TEST(Membership, AdminsKickAndAreUnmadeAgain) {
  World world(10);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  EXPECT_FALSE(bob.engine().kick(bob.now(), {}, "carol").has_value());
  ASSERT_TRUE(alice.engine().add_admin(alice.now(), {}, "bob").has_value());
  alice.drain();
  ASSERT_TRUE(world.run_until([&] { return bob.status().admin; }, 5s));
  EXPECT_FALSE(bob.engine().kick(bob.now(), {}, "alice").has_value());
  ASSERT_TRUE(alice.engine().remove_admin(alice.now(), {}, "bob").has_value());
  alice.drain();
  ASSERT_TRUE(world.run_until([&] { return !bob.status().admin; }, 5s));
  ASSERT_TRUE(alice.engine().add_admin(alice.now(), {}, "bob").has_value());
  alice.drain();
  ASSERT_TRUE(world.run_until([&] { return bob.status().admin; }, 5s));
  ASSERT_TRUE(bob.engine().kick(bob.now(), {}, "carol").has_value());
  bob.drain();
  ASSERT_TRUE(world.run_until([&] { return alice.status().members.size() == 1; }, 5s));
}

}  // namespace
}  // namespace ipop::sim
