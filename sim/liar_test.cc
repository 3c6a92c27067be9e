// Goal: what a member, or a former one, gains by lying about its statements: nothing, and little of
// the others' work. Method: frames that its session's other end is handed as if it had sent them.

#include <gtest/gtest.h>

#include "member/author.h"
#include "member/reconcile.h"
#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;
using engine::FileKind;

std::vector<ByteVector> statements_of(const Node& node) {
  const auto stored = engine::parse_stored_statements(node.file("family", FileKind::Statements));
  check(stored.has_value());
  std::vector<ByteVector> out;
  for (const Bytes statement : *stored) out.push_back(to_vector(statement));
  return out;
}

member::StatementSet set_of(const Node& node) {
  member::StatementSet set(identity_of(node, "family").network);
  // Issuers may come after what they issued: the file is in the order of ids.
  for (int round = 0; round < 2; ++round) {
    for (const ByteVector& statement : statements_of(node)) static_cast<void>(set.add(statement));
  }
  return set;
}

/// Alice with many statements, bob and carol.
void make_large(World& world) {
  make_trio(world);
  Node& alice = world.node(0);
  alice.crash();
  add_to_file(alice, "family", make_statements(alice, "family", 2000));
  alice.start();
  ASSERT_TRUE(world.run_until(
      [&] {
        return statements_stored(world.node(1), "family") > 2000 &&
               statements_stored(world.node(2), "family") > 2000;
      },
      60s));
  world.run_for(30s);
}

/// Ranges in which nothing is as we have it.
wire::ReconRanges lie_about_everything() {
  wire::ReconRanges out;
  for (unsigned i = 0; i < wire::kReconRangesMax; ++i) {
    wire::ReconRanges::Range range;
    range.upper.bytes.fill(std::byte{0xff});
    range.upper.bytes[0] = std::byte((i + 1) * 16 - 1);
    range.count = 1;
    out.ranges.push_back(range);
  }
  return out;
}

TEST(Liar, AMemberThatAsksWithoutEndIsNotAnsweredWithoutEnd) {
  World world(1);
  make_large(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  const SessionIndex session = session_with(alice, bob);
  constexpr int kAsked = 5000;
  const Duration time = 20s;
  const wire::ReconRanges lie = lie_about_everything();
  const std::size_t answers = member::answer_recon(set_of(alice), lie).frames.size();
  ASSERT_EQ(answers, wire::kReconRangesMax) << "each would be answered";
  const auto sent = alice.datagrams_sent();
  for (int i = 0; i < kAsked; ++i) {
    hand_up(alice, session, bob.endpoint(), lie);
    world.run_for(time / kAsked);
  }
  EXPECT_LE(alice.datagrams_sent() - sent, 1024U + 64U * 20U + 500U);

  // All statements, again and again.
  const auto before = alice.datagrams_sent();
  wire::StatementId high;
  high.bytes.fill(std::byte{0xff});
  for (int i = 0; i < 1200; ++i) {
    hand_up(alice, session_with(alice, bob), bob.endpoint(),
            wire::Recon{wire::Recon::Kind::Have, wire::StatementId{}, high, {}});
    world.run_for(100ms);
  }
  const auto statements = alice.datagrams_sent() - before;
  EXPECT_GE(statements, 4000U) << "what may be lost twice is sent";
  EXPECT_LE(statements, 2U * 2020U + 512U + 64U * 120U + 1500U);

  // Neither is kept from what it lacks, nor are the others.
  world.set_path(alice, bob, {.blocked = true});
  world.set_path(world.node(2), bob, {.blocked = true});
  for (int i = 0; i < 20; ++i) invite(alice);
  world.run_for(60s);
  ASSERT_LT(bob.status().invites.size(), 20U);
  world.set_path(alice, bob, {});
  EXPECT_TRUE(world.run_until([&] { return bob.status().invites.size() == 20; }, 6min));
  EXPECT_EQ(world.node(2).status().invites.size(), 20U);
}

TEST(Liar, RevokesThatTakeNothingAreNotEvaluatedOneByOne) {
  World world(4);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  const engine::StoredIdentity his = identity_of(bob, "family");
  const auto key =
      crypto::SigningKey::from_seed(*crypto::Secret<32>::from(his.identity_seed.reveal()));
  const engine::StoredIdentity hers = identity_of(alice, "family");
  const auto target =
      crypto::SigningKey::from_seed(*crypto::Secret<32>::from(hers.identity_seed.reveal()))
          .public_key();
  const SessionIndex session = session_with(alice, bob);
  const std::uint64_t before = network_of(alice).evaluations();
  constexpr unsigned kRevokes = 1000;
  for (unsigned i = 0; i < kRevokes; ++i) {
    const auto revoke = member::sign_statement(
        {.network = his.network,
         .body = wire::Revoke{.target = target,
                              .issuer = his.grant,
                              .time = UnixTime{alice.now().wall.seconds - i}}},
        key);
    hand_up(alice, session, bob.endpoint(), wire::StatementFrame{revoke.bytes});
    world.run_for(2ms);
  }
  EXPECT_LE(network_of(alice).evaluations() - before, 60U);
  EXPECT_EQ(alice.status().members.size(), 2U) << "and they took nothing";
  EXPECT_TRUE(alice.is_online_with("carol"));
}

// He says at each occasion that his set is the other's, so that nobody compares with him, and
// brings up what is old.
TEST(Liar, AKickedMemberIsCutOffEverywhereWhateverItSaysAboutItsSet) {
  World world(2);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  for (const char* name : {"dave", "erin"}) {
    Node& joiner = world.add_node();
    begin_join(joiner, invite(alice), name);
    ASSERT_TRUE(world.run_until([&] { return has_joined(joiner); }, 10s));
  }
  Node& dave = world.node(3);
  world.run_for(10s);
  ASSERT_TRUE(dave.is_online_with("bob"));
  const Ipv4 bobs = *bob.status().v4;  // later he may hear from dave that he is out
  const auto old_statements = statements_of(bob);
  const auto old_digest = set_of(bob).digest();
  ASSERT_EQ(old_digest, set_of(dave).digest());
  // Bob never hears that he is out, and dave hears nobody but him.
  for (const std::size_t other : {0U, 2U, 4U}) {
    world.set_path(bob, world.node(other), {.blocked = true});
    world.set_path(dave, world.node(other), {.blocked = true});
  }
  ASSERT_TRUE(alice.engine().kick(alice.now(), {}, "bob").has_value());
  alice.drain();
  const SessionIndex session = session_with(dave, bob);
  const std::uint64_t evaluations = network_of(dave).evaluations();
  const auto lie = [&] {
    const auto digest = set_of(dave).digest();
    hand_up(dave, session, bob.endpoint(), wire::Ping{1, Epoch{9}, digest});
    hand_up(dave, session, bob.endpoint(), wire::Pong{1, Epoch{9}, digest});
    for (const ByteVector& s : old_statements) {
      hand_up(dave, session, bob.endpoint(), wire::StatementFrame{s});
    }
    world.run_for(100ms);
  };
  for (int i = 0; i < 300; ++i) lie();
  ASSERT_TRUE(dave.is_online_with("bob")) << "the partition hides the kick from dave";
  EXPECT_LE(network_of(dave).evaluations() - evaluations, 2U) << "old statements cost nothing";
  for (const std::size_t other : {0U, 2U, 4U}) world.set_path(dave, world.node(other), {});
  for (int i = 0; i < 3600 && dave.is_online_with("bob"); ++i) lie();

  for (int i = 0; i < 600; ++i) lie();
  bob.received.clear();
  for (const std::size_t i : {0U, 2U, 3U, 4U}) {
    Node& node = world.node(i);
    EXPECT_FALSE(node.is_online_with("bob")) << i;
    EXPECT_EQ(node.status().members.size(), 3U) << i;
    EXPECT_EQ(node.status().epoch, Epoch{1}) << i;
    for (const auto& [index, entry] : node.snapshot().sessions) {
      EXPECT_NE(entry.source4, bobs) << "no session of his is left at " << i;
    }
    const std::size_t before = node.received.size();
    bob.send_ip(bob.status().slot, ip_packet(bobs, *node.status().v4));
    node.send_ip(node.status().slot, ip_packet(*node.status().v4, bobs));
    world.run_for(5s);
    EXPECT_EQ(node.received.size(), before) << i;
  }
  EXPECT_TRUE(bob.received.empty());
  EXPECT_TRUE(dave.is_online_with("erin"));
}

}  // namespace
}  // namespace ipop::sim
