// Goal: no identity is lost, and nothing is answered that is not on the disk, whatever a user does
// in which order and whenever the machine stops. Method: whole nodes whose disk is full, copied, or
// read again after kill -9.

#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;
using engine::FileKind;
using Folders = std::vector<std::string>;

bool is_out(Node& node) {
  const auto networks = node.engine().status(node.now());
  return networks.size() == 1 && !networks[0].health.empty() &&
         networks[0].health[0].code == "not_a_member";
}

void join_again(Node& node, const std::string& text, const std::string& name) {
  node.updates.clear();
  begin_join(node, text, name);
}

void expect_joins_and_stays(World& world, Node& node, const std::string& text,
                            const std::string& name) {
  join_again(node, text, name);
  ASSERT_TRUE(world.run_until([&] { return is_done(node); }, 20s));
  ASSERT_TRUE(has_joined(node));
  EXPECT_EQ(node.folders(), Folders{"family"}) << "it is the same network";
  node.crash();
  world.run_for(1s);
  node.start();
  ASSERT_TRUE(world.run_until([&] { return node.is_online_with("alice"); }, 60s));
  EXPECT_EQ(node.folders(), Folders{"family"});
}

TEST(Rejoining, AfterAKickWithoutLeaving) {
  World world(1);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  ASSERT_TRUE(alice.engine().kick(alice.now(), {}, "bob").has_value());
  alice.drain();
  ASSERT_TRUE(world.run_until([&] { return is_out(bob); }, 10s));
  expect_joins_and_stays(world, bob, invite(alice), "bob");
}

TEST(Rejoining, AfterALostRedemptionWithoutLeaving) {
  World world(2);
  make_trio(world);
  Node& alice = world.node(0);
  const std::string text = invite(alice);
  world.run_for(5s);
  Node& dave = world.add_node();
  Node& erin = world.add_node();
  for (Node* node : {&world.node(1), &world.node(2), &erin}) world.set_group(*node, 1);
  begin_join(dave, text, "dave");
  ASSERT_TRUE(world.run_until([&] { return has_joined(dave); }, 20s));
  world.run_for(2s);  // an ADMIT's time is in seconds: dave is first
  begin_join(erin, text, "erin");
  ASSERT_TRUE(world.run_until([&] { return has_joined(erin); }, 20s));
  for (Node* node : {&world.node(1), &world.node(2), &erin}) world.set_group(*node, 0);
  ASSERT_TRUE(world.run_until([&] { return is_out(erin); }, 5min));
  expect_joins_and_stays(world, erin, invite(alice), "erin");
}

TEST(Rejoining, KilledAmidItBothIdentitiesAreThere) {
  World world(3);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  ASSERT_TRUE(alice.engine().kick(alice.now(), {}, "bob").has_value());
  alice.drain();
  ASSERT_TRUE(world.run_until([&] { return is_out(bob); }, 10s));
  world.run_for(2s);  // it is on the disk
  const std::string text = invite(alice);
  join_again(bob, text, "bob");
  bob.crash();
  bob.start();
  EXPECT_EQ(bob.folders().size(), 2U);
  EXPECT_TRUE(is_out(bob));
  expect_joins_and_stays(world, bob, text, "bob");
}

TEST(Rejoining, ACopyOfAFolderIsLeftAlone) {
  for (const char* copy : {"family-backup", "backup"}) {  // sorted after the other, and before
    SCOPED_TRACE(copy);
    World world(4);
    make_pair(world);
    Node& bob = world.node(1);
    bob.crash();
    bob.copy_folder("family", copy);
    const ByteVector before = to_vector(bob.file(copy, FileKind::Identity));
    bob.start();
    ASSERT_TRUE(world.run_until([&] { return bob.is_online_with("alice"); }, 60s));
    EXPECT_EQ(bob.engine().held().count(copy), 1U);
    EXPECT_EQ(to_vector(bob.file(copy, FileKind::Identity)), before);
    EXPECT_FALSE(bob.file("family", FileKind::Identity).empty());
  }
}

TEST(Joining, TwoInvitesAreTwoJoinersUntilOneIsAdmitted) {
  World world(5);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  const std::string first = invite(alice);
  const std::string second = invite(alice);
  alice.crash();
  for (const std::string& text : {first, second}) {
    join_again(bob, text, "bob");
    ASSERT_TRUE(world.run_until([&] { return is_done(bob); }, 60s));
    EXPECT_EQ(join_failure(bob), engine::Failure::NoAnswer);
  }
  ASSERT_EQ(bob.folders().size(), 2U) << "either may have been redeemed";
  alice.start();
  expect_joins_and_stays(world, bob, first, "bob");
}

TEST(Joining, AnUnfinishedOneCanBeGivenUp) {
  World world(6);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  const std::string text = invite(alice);
  alice.crash();
  begin_join(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return is_done(bob); }, 60s));
  ASSERT_EQ(bob.folders().size(), 1U);
  const std::string name = bob.folders()[0];
  EXPECT_FALSE(bob.engine().set_up(bob.now(), name, true).has_value());
  EXPECT_FALSE(bob.engine().status_of(bob.now(), name).has_value());
  ASSERT_TRUE(bob.engine().leave(bob.now(), name).has_value());
  bob.drain();
  EXPECT_EQ(bob.folders(), Folders{});
  EXPECT_TRUE(bob.engine().networks().empty());
}

TEST(Joining, WhoTriesTheSameInviteAgainTakesOver) {
  World world(7);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  const std::string text = invite(alice);
  ASSERT_TRUE(bob.engine().join(bob.now(), 1, text, {"bob", ""}).has_value());
  ASSERT_TRUE(bob.engine().join(bob.now(), 2, text, {"bob", ""}).has_value());
  bob.drain();
  const auto last_of = [&](engine::CommandId command) {
    return std::ranges::find_if(bob.updates, [&](const engine::CommandUpdate& update) {
      return update.command == command && update.last;
    });
  };
  const auto first = last_of(1);
  ASSERT_NE(first, bob.updates.end()) << "its client would wait for ever";
  EXPECT_TRUE(std::holds_alternative<engine::CommandError>(first->update));
  ASSERT_TRUE(world.run_until([&] { return last_of(2) != bob.updates.end(); }, 20s));
  EXPECT_TRUE(std::holds_alternative<engine::Joined>(last_of(2)->update));
}

TEST(FullDisk, OfTheJoinerKeepsItsKeysUntilThereIsRoom) {
  World world(8);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  const std::string text = invite(alice);
  begin_join(bob, text, "bob");
  bob.disk_full = true;
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 20s));
  const Folders before = bob.folders();
  ASSERT_EQ(before.size(), 1U) << "the joiner's";
  bob.crash();
  bob.disk_full = false;
  bob.start();
  join_again(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return has_joined(bob); }, 20s));
  EXPECT_EQ(bob.folders(), Folders{"family"});
  EXPECT_EQ(alice.status().members.size(), 1U) << "it is the same joiner";
}

// PROTOCOL 3: an admission is stored before it is answered.
TEST(FullDisk, OfTheAdmitterAdmitsNobody) {
  World world(9);
  Node& alice = world.add_node();
  Node& bob = world.add_node();
  found(alice);
  const std::string text = invite(alice);
  const auto stored_before = statements_stored(alice, "family");
  alice.disk_full = true;
  begin_join(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return is_done(bob); }, 60s));
  EXPECT_EQ(join_failure(bob), engine::Failure::NoAnswer);
  EXPECT_TRUE(alice.status().members.empty());
  EXPECT_EQ(statements_stored(alice, "family"), stored_before);
  EXPECT_GT(alice.stores(FileKind::Statements), 2U) << "it was tried";

  alice.disk_full = false;
  join_again(bob, text, "bob");
  ASSERT_TRUE(world.run_until([&] { return is_done(bob); }, 20s));
  ASSERT_TRUE(has_joined(bob));
  alice.crash();
  alice.start();
  EXPECT_EQ(alice.status().members.size(), 1U);
}

// PROTOCOL 14: a copy of this machine's memory may run elsewhere.
TEST(Suspended, ForAMinuteEveryKeyIsDropped) {
  for (const auto& [time, dropped] : {std::pair(58s, false), std::pair(61s, true)}) {
    SCOPED_TRACE(dropped);
    World world(10);
    make_pair(world);
    Node& bob = world.node(1);
    const SessionIndex before = session_with(bob, world.node(0));
    bob.sleep();
    world.run_for(time);
    bob.wake();
    EXPECT_EQ(bob.snapshot().sessions.contains(before), !dropped);
    ASSERT_TRUE(world.run_until([&] { return bob.is_online_with("alice"); }, 60s));
  }
}

}  // namespace
}  // namespace ipop::sim
