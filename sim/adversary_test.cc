// Goal: what an attacker must not get from a whole node, without the network's secret and with it.
// Method: datagrams are caught on the way, changed, and sent by the attacker; a member that turned
// hostile is a node whose files were edited, or frames that its worker hands up.

#include <gtest/gtest.h>

#include "sim/scenario.h"
#include "wire/handshake.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;
using engine::FileKind;

const Endpoint kAttacker{Ipv4{0xcb007101}, 666};

std::size_t count_of(const std::vector<ByteVector>& seen, std::uint8_t type) {
  return static_cast<std::size_t>(std::ranges::count_if(
      seen, [type](const ByteVector& datagram) { return datagram.at(0) == std::byte{type}; }));
}

const ByteVector& first_of(const std::vector<ByteVector>& seen, std::uint8_t type) {
  return *std::ranges::find_if(
      seen, [type](const ByteVector& datagram) { return datagram.at(0) == std::byte{type}; });
}

/// A fresh initiation of bob's that alice has not seen; afterwards bob is off.
ByteVector catch_initiation(World& world) {
  std::vector<ByteVector> seen;
  world.set_path(world.node(0), world.node(1), {.blocked = true});
  world.node(1).crash();
  world.tap = &seen;
  world.node(1).start();
  world.node(1).crash();
  world.tap = nullptr;
  return first_of(seen, wire::kTypeInitiation);
}

/// A handshake between two nodes that goes no further than message 2: from then on nothing passes,
/// and the initiator's PROOF is caught.
struct Halted {
  SessionIndex at_responder;
  ByteVector proof;
};
Halted halt_after_message2(World& world, const Node& initiator, const Node& responder) {
  std::vector<ByteVector> seen;
  world.tap = &seen;
  world.run_until([&] { return count_of(seen, wire::kTypeResponse) != 0; }, 5s);
  const ByteVector message2 = first_of(seen, wire::kTypeResponse);
  world.set_path(initiator, responder, {.blocked = true});  // message 2 is in flight already
  seen.clear();
  world.run_until([&] { return count_of(seen, wire::kTypeData) != 0; }, 1s);
  world.tap = nullptr;
  return {wire::parse_response(wire::kNativeShape, message2)->sender,
          first_of(seen, wire::kTypeData)};
}

void become(Node& node, const std::string& network, const engine::StoredIdentity& identity) {
  node.replace_file(network, FileKind::Identity, write_stored_identity(identity));
}

TEST(Adversary, WhoLacksTheSecretHearsNothing) {
  World world(1);
  make_pair(world);
  const ByteVector initiation = catch_initiation(world);
  std::vector<ByteVector> seen;
  world.tap = &seen;
  for (std::size_t i = 0; i < wire::kMacSize; ++i) {
    ByteVector changed = initiation;
    changed[changed.size() - 2 * wire::kMacSize + i] ^= std::byte{1};
    world.inject(kAttacker, world.node(0), std::move(changed));
  }
  world.run_for(1s);
  EXPECT_EQ(count_of(seen, wire::kTypeResponse), 0U);
  world.inject(kAttacker, world.node(0), initiation);
  world.run_for(1s);
  EXPECT_EQ(count_of(seen, wire::kTypeResponse), 1U) << "it was the mac1 alone";
  EXPECT_EQ(count_of(seen, wire::kTypeCookie), 0U);
}

TEST(Adversary, AFloodOfInitiationsIsAskedForCookiesAndKeepsNobodyOut) {
  World world(2);
  make_pair(world);
  const ByteVector initiation = catch_initiation(world);
  std::vector<ByteVector> seen;
  world.tap = &seen;
  for (int i = 0; i < 100; ++i) world.inject(kAttacker, world.node(0), initiation, i * 5ms);
  world.run_for(1s);
  EXPECT_EQ(count_of(seen, wire::kTypeResponse), 1U) << "the others are replays";
  EXPECT_GE(count_of(seen, wire::kTypeCookie), 50U);
  world.tap = nullptr;

  for (int i = 0; i < 2000; ++i) world.inject(kAttacker, world.node(0), initiation, i * 5ms);
  world.run_for(1s);
  world.set_path(world.node(0), world.node(1), {});
  world.node(1).start();
  EXPECT_TRUE(world.run_until([&] { return world.node(1).is_online_with("alice"); }, 5s));
}

TEST(Adversary, ARevokedKeyHearsNothingEvenWithTheNewSecret) {
  World world(3);
  make_trio(world);
  Node& bob = world.node(1);
  Node& carol = world.node(2);
  world.run_for(2s);  // each remembers the others' addresses on its disk
  bob.crash();
  ASSERT_TRUE(world.node(0).engine().kick(world.node(0).now(), {}, "bob").has_value());
  world.node(0).drain();
  ASSERT_TRUE(world.run_until([&] { return carol.status().epoch == Epoch{1}; }, 10s));
  bob.replace_file("family", FileKind::Secrets, carol.file("family", FileKind::Secrets));
  std::vector<ByteVector> seen;
  world.tap = &seen;
  bob.start();
  world.run_for(10s);
  EXPECT_GT(count_of(seen, wire::kTypeInitiation), 2U);
  EXPECT_EQ(count_of(seen, wire::kTypeResponse), 0U);
}

TEST(Adversary, AMemberCannotProveToBeAnother) {
  World world(4);
  make_trio(world);
  Node& bob = world.node(1);
  Node& carol = world.node(2);
  world.run_for(2s);  // each remembers the others' addresses on its disk
  bob.crash();
  carol.crash();
  ASSERT_TRUE(world.run_until([&] { return !world.node(0).is_online_with("carol"); }, 60s));
  engine::StoredIdentity edited = identity_of(bob, "family");
  edited.grant = identity_of(carol, "family").grant;
  become(bob, "family", edited);
  bob.start();
  EXPECT_FALSE(world.run_until([&] { return world.node(0).is_online_with("carol"); }, 30s));
}

TEST(Adversary, AnothersRedemptionIsNotAdmitted) {
  World world(5);
  Node& alice = world.add_node();
  Node& dave = world.add_node();
  Node& mallory = world.add_node();
  found(alice);
  const std::string text = invite(alice, 2);
  for (Node* joiner : {&dave, &mallory}) {
    world.set_path(alice, *joiner, {.blocked = true});
    begin_join(*joiner, text, "dave");
    joiner->crash();
  }
  const engine::StoredIdentity theirs = identity_of(dave, dave.folders().at(0));
  const std::string folder = mallory.folders().at(0);
  engine::StoredIdentity edited = identity_of(mallory, folder);
  edited.grant = theirs.grant;
  edited.joining->redemption = theirs.joining->redemption;
  become(mallory, folder, edited);
  mallory.start();
  world.set_path(alice, mallory, {});
  begin_join(mallory, text, "dave");
  ASSERT_TRUE(world.run_until([&] { return is_done(mallory); }, 60s));
  EXPECT_FALSE(has_joined(mallory));
  EXPECT_TRUE(alice.status().members.empty());
}

// Whoever is admitted is called by all, and a refusal by any of them would end its join.
TEST(Adversary, AJoinerAnswersTheHostsOfItsInviteAlone) {
  World world(11);
  make_trio(world);
  Node& alice = world.node(0);
  Node& erin = world.add_node();
  Node& dave = world.add_node();
  begin_join(erin, invite(alice), "erin");
  ASSERT_TRUE(world.run_until([&] { return alice.is_online_with("erin"); }, 10s));
  for (const std::size_t host : {1U, 2U}) world.set_path(world.node(host), dave, {.blocked = true});
  const std::string text = invite(alice);  // names alice, bob and carol
  world.run_for(2s);
  begin_join(dave, text, "dave");
  // dave is admitted, and does not learn it.
  world.inject(dave.endpoint(), alice, halt_after_message2(world, dave, alice).proof);
  const auto admitted = [&]() -> const member::Member* {
    return erin.engine().networks().begin()->second->find_member("dave");
  };
  ASSERT_TRUE(world.run_until([&] { return admitted() != nullptr; }, 5s));
  world.run_for(1s);  // so that it is on erin's disk
  std::vector<ByteVector> seen;
  world.tap = &seen;
  // erin knows where dave is, and reaches nobody else.
  const wire::PeerHint hint{admitted()->node, 0, {dave.endpoint()}};
  erin.crash();
  erin.replace_file("family", FileKind::Peers, engine::write_stored_peers({{hint}, {}}));
  for (const std::size_t host : {0U, 1U, 2U})
    world.set_path(world.node(host), erin, {.blocked = true});
  world.run_for(100ms);
  seen.clear();
  erin.start();
  EXPECT_GT(count_of(seen, wire::kTypeInitiation), 0U) << "it calls";
  world.run_for(3s);
  EXPECT_EQ(count_of(seen, wire::kTypeResponse), 0U);
  world.tap = nullptr;
  world.set_path(alice, dave, {});
  EXPECT_TRUE(world.run_until([&] { return has_joined(dave); }, 60s));
}

// Its old key's peer is on the way out at alice's while the new one has no name yet, and the ring
// wants a session with it at that very moment.
TEST(Adversary, AKeyChangeThatOvertakesTheNewKeysProofHarmsNobody) {
  World world(12);
  make_trio(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  Node& carol = world.node(2);
  world.run_for(2h);  // a key holds for an hour at least
  engine::StoredIdentity identity = identity_of(bob, "family");
  const auto signer =
      crypto::SigningKey::from_seed(*crypto::Secret<32>::from(identity.identity_seed.reveal()));
  const auto keys = crypto::X25519KeyPair::random(world.rng());
  const auto statement = member::sign_statement({.network = identity.network,
                                                 .body = wire::Skey{.identity = signer.public_key(),
                                                                    .epoch = 2,
                                                                    .time = world.now().wall,
                                                                    .tunnel_key = keys.public_key}},
                                                signer);
  bob.crash();
  identity.tunnel_secret = *crypto::Secret<32>::from(keys.secret.reveal());
  become(bob, "family", identity);
  world.set_path(bob, carol, {.blocked = true});
  bob.start();
  static_cast<void>(halt_after_message2(world, bob, alice));
  hand_up(alice, session_with(alice, carol), carol.endpoint(),
          wire::StatementFrame{statement.bytes});
  world.run_for(5s);
  world.set_path(bob, alice, {});
  world.set_path(bob, carol, {});
  EXPECT_TRUE(world.run_until(
      [&] { return alice.is_online_with("bob") && carol.is_online_with("bob"); }, 6min));
}

TEST(Adversary, FramesBeforeProofAreIgnored) {
  World world(6);
  Node& alice = world.add_node();
  Node& dave = world.add_node();
  found(alice);
  begin_join(dave, invite(alice), "dave");
  const SessionIndex session = halt_after_message2(world, dave, alice).at_responder;
  const Endpoint from = dave.endpoint();
  alice.engine().handle_event(alice.now(), dataplane::ReceivedEvent{session, from});
  alice.drain();
  const std::uint64_t sent = alice.datagrams_sent();
  const wire::StatementId low;
  wire::StatementId high;
  high.bytes.fill(std::byte{0xff});
  const ByteVector secret(32);
  for (const wire::Frame& frame : std::initializer_list<wire::Frame>{
           wire::Ping{}, wire::Pong{}, wire::Recon{wire::Recon::Kind::Have, low, high, {}},
           wire::Peers{}, wire::Observed{kAttacker}, wire::SecretFrame{Epoch{1}, secret}}) {
    hand_up(alice, session, from, frame);
    EXPECT_EQ(alice.datagrams_sent(), sent) << "frame " << frame.index();
  }
  EXPECT_EQ(alice.status().epoch, Epoch{0});
}

TEST(Adversary, AMembersNewSessionCarriesNothingBeforeItsProof) {
  World world(7);
  make_pair(world);
  Node& alice = world.node(0);
  Node& bob = world.node(1);
  bob.crash();
  bob.start();
  const SessionIndex session = halt_after_message2(world, bob, alice).at_responder;
  alice.engine().handle_event(alice.now(), dataplane::ReceivedEvent{session, bob.endpoint()});
  alice.engine().handle_path_mtu(bob.endpoint(), 1400);  // so that there is a new snapshot
  alice.drain();
  EXPECT_FALSE(alice.snapshot().sessions.at(session).proven);
}

TEST(Adversary, OnlyTheAddressThatWasAnsweredIsProvenByTheFirstPacket) {
  World world(8);
  Node& alice = world.add_node();
  Node& dave = world.add_node();
  found(alice);
  begin_join(dave, invite(alice), "dave");
  const Halted halted = halt_after_message2(world, dave, alice);
  world.inject(kAttacker, alice, halted.proof);
  world.run_for(100ms);
  ASSERT_EQ(alice.status().members.size(), 1U) << "what was sent is genuine";
  EXPECT_EQ(alice.snapshot().sessions.at(halted.at_responder).way, std::nullopt);
}

TEST(Adversary, AMemberCannotGiveOutANetworkSecretOfItsOwn) {
  World world(9);
  make_trio(world);
  Node& alice = world.node(0);
  Node& carol = world.node(2);
  world.node(1).crash();
  world.set_path(alice, carol, {.blocked = true});
  ASSERT_TRUE(alice.engine().kick(alice.now(), {}, "bob").has_value());
  alice.drain();
  const SessionIndex session = session_with(carol, alice);
  const auto statements =
      engine::parse_stored_statements(alice.file("family", FileKind::Statements));
  for (const Bytes statement : *statements) {
    hand_up(carol, session, alice.endpoint(), wire::StatementFrame{statement});
  }
  ASSERT_EQ(carol.status().health.at(0).code, "secret_outdated");
  const ByteVector forged(32, std::byte{7});
  hand_up(carol, session, alice.endpoint(), wire::SecretFrame{Epoch{1}, forged});
  EXPECT_EQ(carol.status().epoch, Epoch{0});
  world.set_path(alice, carol, {});
  EXPECT_TRUE(world.run_until([&] { return carol.status().epoch == Epoch{1}; }, 60s));
}

TEST(Adversary, NobodyHearsOfAStatementBeforeItIsOnTheDisk) {
  World world(10);
  make_pair(world);
  Node& alice = world.node(0);
  ASSERT_TRUE(alice.engine().invite(alice.now(), {}, {}).has_value());
  bool stored = false;
  for (;;) {
    const engine::Output output = alice.engine().poll_output();
    if (const auto* store = std::get_if<engine::Store>(&output)) {
      stored = stored || store->kind == FileKind::Statements;
    } else if (std::holds_alternative<engine::Transmit>(output)) {
      break;
    } else {
      ASSERT_FALSE(std::holds_alternative<engine::WaitUntil>(output)) << "nobody was told";
    }
  }
  EXPECT_TRUE(stored);
}

}  // namespace
}  // namespace ipop::sim
