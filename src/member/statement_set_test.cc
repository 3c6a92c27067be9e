#include "member/statement_set.h"

#include "member/room_testing.h"

namespace ipop::member {
namespace {

using Added = StatementSet::Added;

TEST(Ids, FollowFromContent) {
  Room room;
  Room other(2);
  EXPECT_NE(room.founded.network, other.founded.network);
  EXPECT_EQ(network_id_of(room.set.genesis()->statement), room.founded.network);
  for (const auto& [id, stored] : room.set.all()) EXPECT_EQ(statement_id_of(stored.statement), id);
  EXPECT_NE(node_id_of(room.founded.network, room.people.identity(1)),
            node_id_of(room.founded.network, room.people.identity(2)));
  EXPECT_NE(node_id_of(room.founded.network, room.people.identity(1)),
            node_id_of(other.founded.network, room.people.identity(1)));
}

TEST(Ids, Ipv6IsInTheNetworksPrefix) {
  Room room;
  const Ipv6 prefix = ipv6_prefix_of(room.founded.network);
  EXPECT_EQ(prefix.bytes[0], std::byte{0xfd});
  EXPECT_TRUE(std::all_of(prefix.bytes.begin() + 6, prefix.bytes.end(),
                          [](std::byte b) { return b == std::byte{0}; }));
  std::set<Ipv6> seen;
  for (unsigned person = 0; person < 20; ++person) {
    const Ipv6 address = ipv6_of(room.founded.network, room.people.identity(person));
    EXPECT_TRUE(std::equal(prefix.bytes.begin(), prefix.bytes.begin() + 6, address.bytes.begin()));
    EXPECT_TRUE(seen.insert(address).second);
  }
}

TEST(Ids, ARollsCoversItsSignature) {
  Room room;
  const wire::Roll roll{.root = room.people.identity(8), .recovery = room.people.identity(9)};
  EXPECT_NE(room.raw(roll, room.founded.root).id, room.raw(roll, room.founded.recovery).id);
  const wire::Config config{root_issuer_of(room.founded.network), 1, {}};
  EXPECT_EQ(room.raw(config, room.founded.root).id, room.raw(config, room.founded.recovery).id);
}

/// A network with one of everything, and what a table of wrong statements is made from.
class StatementRules : public testing::Test {
 protected:
  StatementRules() {
    invited_.emplace(room_.join(1));
    room_.join(2, 1);
    room_.make_admin(0, 1);
    open_.emplace(room_.invite(0, 2));
    pending_ = room_.redemption(3, *open_);
    admin_ = room_.member(1).grant;
    closed_.emplace(room_.invite(0, {.redeem_until = room_.now.plus(kDay),
                                     .not_after = room_.now.plus(kDay * 2),
                                     .name = "bob",
                                     .address = pool_address(77)}));
  }

  wire::Grant member_grant() const {
    return {.issuer = room_.founded.grant,
            .subject = crypto::SigningKey::from_seed(seed_of(77)).public_key(),
            .tunnel_key = tunnel_of(7),
            .rank = 2};
  }
  wire::Grant invite_grant() const {
    return {.issuer = room_.founded.grant,
            .subject = crypto::SigningKey::from_seed(seed_of(78)).public_key(),
            .kind = wire::GrantKind::Invite,
            .rank = 2,
            .uses = 1,
            .redeem_until = room_.now.plus(kDay)};
  }
  wire::Grant redemption_grant(const Invited& invited) const {
    const wire::Grant& invite = room_.grant(invited.grant);
    return {.issuer = invited.grant,
            .subject = crypto::SigningKey::from_seed(seed_of(79)).public_key(),
            .tunnel_key = tunnel_of(7),
            .kind = wire::GrantKind::Redemption,
            .rank = static_cast<std::uint8_t>(invite.rank + 1),
            .v4 = invite.v4,
            .not_after = invite.not_after,
            .name = invite.name};
  }
  void expect(const char* what, decltype(wire::Statement::body) body, const crypto::SigningKey& key,
              std::optional<Errc> code) {
    const auto added = room_.set.add(room_.raw(std::move(body), key).bytes);
    if (!code) {
      EXPECT_TRUE(added && *added == Added::New) << what << (added ? "" : added.error().what);
    } else if (added) {
      ADD_FAILURE() << what << " was accepted: " << static_cast<int>(*added);
    } else {
      EXPECT_EQ(added.error().code, *code) << what << ": " << added.error().what;
    }
  }

  Room room_;
  std::optional<Invited> invited_;
  std::optional<Invited> open_;
  std::optional<Invited> closed_;
  wire::StatementId pending_;
  wire::StatementId admin_;
};

TEST_F(StatementRules, OfGrants) {
  const auto& founder = room_.people.key(0);
  struct Case {
    const char* what;
    void (*change)(wire::Grant&);
    std::optional<Errc> code;
  };
  const Case cases[] = {
      {"as it should be", [](wire::Grant&) {}, std::nullopt},
      {"rank too small", [](wire::Grant& g) { g.rank = 1; }, Errc::BadValue},
      {"rank too large", [](wire::Grant& g) { g.rank = 3; }, Errc::BadValue},
      {"no membership", [](wire::Grant& g) { g.rights = wire::kRightKick; }, Errc::BadValue},
      {"no rights", [](wire::Grant& g) { g.rights = 0; }, Errc::BadValue},
      {"unknown right", [](wire::Grant& g) { g.rights = 64; }, Errc::BadValue},
      {"not a redemption's issuer", [](wire::Grant& g) { g.kind = wire::GrantKind::Redemption; },
       Errc::BadValue},
      {"member with uses", [](wire::Grant& g) { g.uses = 1; }, Errc::BadValue},
      {"no tunnel key", [](wire::Grant& g) { g.tunnel_key = {}; }, Errc::BadValue},
  };
  for (const Case& c : cases) {
    wire::Grant grant = member_grant();
    c.change(grant);
    expect(c.what, grant, founder, c.code);
  }
  wire::Grant grant = member_grant();
  grant.name = "other";
  expect("signed by somebody else", grant, room_.people.key(2), Errc::Denied);
  expect("signed by the root", grant, room_.founded.root, Errc::Denied);
}

TEST_F(StatementRules, OfWhatAnIssuerLacks) {
  const wire::StatementId plain = room_.grants[2];
  const std::uint8_t rank = static_cast<std::uint8_t>(room_.grant(plain).rank + 1);
  const auto& bob = room_.people.key(2);
  wire::Grant member = member_grant();
  member.issuer = plain;
  member.rank = rank;
  expect("member grant without the right", member, bob, Errc::BadValue);
  wire::Grant invite = invite_grant();
  invite.issuer = plain;
  invite.rank = rank;
  expect("invite by policy", invite, bob, std::nullopt);
  invite.uses = 33;
  expect("too many uses", invite, bob, Errc::BadValue);
  invite.uses = 32;
  expect("as many uses as policy gives", invite, bob, std::nullopt);
  invite.rights = wire::kRightJoin | wire::kRightKick;
  expect("rights beyond its issuer's", invite, bob, Errc::BadValue);
  invite.rights = wire::kRightJoin;
  invite.groups = 4;
  expect("groups beyond its issuer's", invite, bob, Errc::BadValue);
  wire::Grant root = member_grant();
  root.issuer = root_issuer_of(room_.founded.network);
  root.rank = 1;
  expect("the root's", root, room_.founded.root, std::nullopt);
  root.name = "other";
  expect("the root's, signed by the founder", root, room_.people.key(0), Errc::Denied);

  Room closed(5, false);
  closed.join(1);
  wire::Grant one = invite_grant();
  one.issuer = closed.grants[1];
  one.rank = static_cast<std::uint8_t>(closed.grant(one.issuer).rank + 1);
  const auto added = closed.set.add(closed.raw(one, closed.people.key(1)).bytes);
  ASSERT_FALSE(added) << "policy says that members may not invite";
  EXPECT_EQ(added.error().code, Errc::BadValue);
}

TEST_F(StatementRules, OfRedemptions) {
  struct Case {
    const char* what;
    void (*change)(wire::Grant&);
    std::optional<Errc> code;
  };
  const Case cases[] = {
      {"as it should be", [](wire::Grant&) {}, std::nullopt},
      {"another name than the fixed one", [](wire::Grant& g) { g.name = "eve"; }, Errc::BadValue},
      {"no name", [](wire::Grant& g) { g.name.clear(); }, Errc::BadValue},
      {"another address", [](wire::Grant& g) { g.v4 = pool_address(78); }, Errc::BadValue},
      {"no address", [](wire::Grant& g) { g.v4 = {}; }, Errc::BadValue},
      {"outlives the invite", [](wire::Grant& g) { g.not_after = UnixTime::never(); },
       Errc::BadValue},
      {"more rights", [](wire::Grant& g) { g.rights |= wire::kRightInvite; }, Errc::BadValue},
      {"groups", [](wire::Grant& g) { g.groups = 1; }, Errc::BadValue},
      {"same rank", [](wire::Grant& g) { g.rank = 2; }, Errc::BadValue},
      {"a member's grant", [](wire::Grant& g) { g.kind = wire::GrantKind::Member; },
       Errc::BadValue},
  };
  for (const Case& c : cases) {
    wire::Grant grant = redemption_grant(*closed_);
    c.change(grant);
    expect(c.what, grant, closed_->key, c.code);
  }
  wire::Grant grant = redemption_grant(*open_);
  grant.v4 = pool_address(5);
  expect("address where none is fixed", grant, open_->key, Errc::BadValue);
  grant = redemption_grant(*open_);
  expect("signed by the inviter", grant, room_.people.key(0), Errc::Denied);
  grant.subject = open_->key.public_key();
  expect("for the invite's own key", grant, open_->key, Errc::BadValue);
}

TEST_F(StatementRules, OfDepth) {
  // The root stands at 0, the founder at 1; each invite and each redemption is one more.
  wire::StatementId issuer = room_.founded.grant;
  const crypto::SigningKey* key = &room_.people.key(0);
  for (unsigned person = 20; room_.grant(issuer).rank + 2 <= wire::kRankMax; ++person) {
    room_.grants[person + 1] = issuer;
    wire::Grant grant = member_grant();
    grant.issuer = issuer;
    grant.subject = room_.people.identity(person);
    grant.rank = static_cast<std::uint8_t>(room_.grant(issuer).rank + 1);
    grant.rights = wire::kRightsAll;
    issuer = room_.add_raw(grant, *key);
    key = &room_.people.key(person);
  }
  ASSERT_EQ(room_.grant(issuer).rank, wire::kRankMax - 1);
  wire::Grant grant = member_grant();
  grant.issuer = issuer;
  grant.rank = wire::kRankMax;
  expect("rank 15", grant, *key, std::nullopt);
  const wire::StatementId last = room_.raw(grant, *key).id;
  grant.issuer = last;
  grant.rank = wire::kRankMax + 1;
  expect("rank 16", grant, crypto::SigningKey::from_seed(seed_of(77)), Errc::BadValue);
}

TEST_F(StatementRules, OfAdmits) {
  const wire::Admit good{pending_, room_.founded.grant, room_.now, pool_address(9), "carol"};
  const auto& founder = room_.people.key(0);
  wire::Admit admit = good;
  expect("signed by another member", admit, room_.people.key(1), Errc::Denied);
  admit.redemption = open_->grant;
  expect("of an invite", admit, founder, Errc::BadValue);
  admit.redemption = room_.founded.grant;
  expect("of a member grant", admit, founder, Errc::BadValue);
  admit = good;
  admit.admitter = open_->grant;
  expect("by an invite key", admit, open_->key, Errc::BadValue);
  admit.admitter = root_issuer_of(room_.founded.network);
  expect("by the root", admit, room_.founded.root, Errc::BadValue);
  admit.admitter = pending_;
  expect("by the joiner itself", admit, room_.people.key(3), Errc::BadValue);
  admit.admitter = room_.raw(good, founder).id;
  expect("as it should be", good, founder, std::nullopt);
  expect("by something that is no grant", admit, founder, Errc::BadValue);
}

TEST_F(StatementRules, OfTheRest) {
  const wire::Revoke revoke{.target = room_.people.identity(2), .issuer = room_.founded.grant};
  expect("revoke signed by another", revoke, room_.people.key(1), Errc::Denied);
  expect("revoke", revoke, room_.people.key(0), std::nullopt);
  wire::Revoke by_invite = revoke;
  by_invite.issuer = open_->grant;
  expect("revoke by an invite key", by_invite, open_->key, Errc::BadValue);
  const wire::Config config{room_.grants[2], 1, {}};
  expect("config without the right", config, room_.people.key(2), Errc::BadValue);
  const wire::Config by_admin{admin_, 1, {}};
  expect("config", by_admin, room_.people.key(1), std::nullopt);
  const wire::Skey skey{room_.people.identity(2), 1, room_.now, tunnel_of(9)};
  expect("skey signed by the founder", skey, room_.people.key(0), Errc::Denied);
  expect("skey", skey, room_.people.key(2), std::nullopt);
  const wire::Roll roll{.root = room_.people.identity(8), .recovery = room_.people.identity(9)};
  expect("roll signed by the founder", roll, room_.people.key(0), Errc::Denied);
  expect("roll by recovery as root", roll, room_.founded.recovery, Errc::Denied);
  expect("roll", roll, room_.founded.root, std::nullopt);
}

TEST_F(StatementRules, OfEveryByte) {
  // One bit of any statement changed, anywhere, and it never joins as what it was.
  SeededRng rng(3);
  for (const ByteVector& bytes : bytes_of(room_.set)) {
    for (int i = 0; i < 40; ++i) {
      ByteVector changed = bytes;
      changed[rng.below(bytes.size())] ^= std::byte(1U << rng.below(8));
      StatementSet set = room_.set;
      const auto added = set.add(changed);
      // A signature that waits for its issuer, or another signature of a known body, changes
      // nothing either.
      EXPECT_TRUE(!added || *added != Added::New);
      EXPECT_EQ(set.digest(), room_.set.digest());
    }
  }
}

TEST(StatementSet, RefusesOtherNetworks) {
  Room room;
  Room other(2);
  for (const ByteVector& bytes : bytes_of(other.set)) {
    const auto added = room.set.add(bytes);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Errc::BadValue);
  }
  EXPECT_FALSE(room.set.add({}));
  EXPECT_FALSE(room.set.add(ByteVector(wire::kStatementSizeMax + 1)));
}

TEST(StatementSet, DomainsDoNotMix) {
  Room room;
  wire::Statement statement{.network = room.founded.network,
                            .body = wire::Config{root_issuer_of(room.founded.network), 1, {}}};
  ByteVector body;
  wire::write_statement_body(statement, body);
  for (const auto type : {wire::StatementType::Grant, wire::StatementType::Revoke}) {
    statement.signature = room.founded.root.sign(as_bytes(wire::domain_of(type)), body);
    ByteVector bytes;
    wire::write_statement(statement, bytes);
    const auto added = room.set.add(bytes);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Errc::Denied);
  }
}

TEST(StatementSet, TakesStatementsInAnyOrder) {
  Room room;
  room.join(1);
  room.join(2, 1);
  room.make_admin(0, 1);
  room.join(3, 2);
  room.kick_out(1, 3);
  room.add_raw(wire::Skey{room.people.identity(2), 1, room.now, tunnel_of(9)}, room.people.key(2));
  const wire::Roll first{.root = room.people.identity(8), .recovery = room.people.identity(9)};
  room.add_raw(first, room.founded.root);
  wire::Roll second = first;
  second.epoch = 2;
  room.add_raw(second, room.people.key(8));
  std::vector<ByteVector> all = bytes_of(room.set);
  const Membership expected = room.view();
  SeededRng rng(9);
  for (int i = 0; i < 40; ++i) {
    shuffle(all, rng);
    StatementSet set(room.founded.network);
    std::vector<wire::StatementId> joined;
    for (const ByteVector& bytes : all) {
      ASSERT_TRUE(set.add(bytes, &joined));
      if (rng.below(4) == 0) { ASSERT_TRUE(set.add(bytes, &joined)); }
    }
    EXPECT_EQ(joined.size(), all.size());
    EXPECT_EQ(std::set(joined.begin(), joined.end()).size(), all.size());
    EXPECT_EQ(set.digest(), room.set.digest());
    EXPECT_TRUE(Membership::evaluate(set, room.now) == expected);
  }
}

TEST(StatementSet, AddSaysWhatHappened) {
  Room room;
  room.join(1);
  StatementSet set(room.founded.network);
  const ByteVector& grant = room.set.find(room.founded.grant)->bytes;
  EXPECT_EQ(set.genesis(), nullptr);
  EXPECT_EQ(*set.add(grant), Added::Waiting);
  EXPECT_EQ(*set.add(grant), Added::Waiting);
  EXPECT_EQ(set.size(), 0U);
  std::vector<wire::StatementId> joined;
  EXPECT_EQ(*set.add(room.set.genesis()->bytes, &joined), Added::New);
  EXPECT_EQ(joined, (std::vector{room.set.genesis()->id, room.founded.grant}));
  EXPECT_EQ(*set.add(grant), Added::Known);
}

TEST(StatementSet, AWrongSignatureThatCameFirstDoesNotShutOutTheRightOne) {
  Room room;
  StatementSet set(room.founded.network);
  const ByteVector grant = room.set.find(room.founded.grant)->bytes;
  ByteVector wrong = grant;
  wrong.back() ^= std::byte{1};
  EXPECT_EQ(*set.add(wrong), Added::Waiting);
  EXPECT_EQ(*set.add(grant), Added::Waiting);
  ASSERT_TRUE(set.add(room.set.genesis()->bytes));
  ASSERT_NE(set.find(room.founded.grant), nullptr);
  EXPECT_EQ(set.find(room.founded.grant)->bytes, grant);
}

TEST(StatementSet, WhatWaitsIsBounded) {
  Room room;
  room.join(1);
  StatementSet set(room.founded.network);
  ASSERT_TRUE(set.add(room.set.genesis()->bytes));
  const ByteVector orphan =
      room.raw(wire::Config{room.founded.grant, 1, {}}, room.people.key(0)).bytes;
  ASSERT_EQ(*set.add(orphan), Added::Waiting);
  wire::Statement junk{.network = room.founded.network};
  for (std::uint64_t i = 0; i < StatementSet::kWaitingMax; ++i) {
    junk.body = wire::Config{{.bytes = {std::byte{1}}}, i, {}};
    ByteVector bytes;
    wire::write_statement(junk, bytes);
    ASSERT_EQ(*set.add(bytes), Added::Waiting);
  }
  // The oldest was dropped, so its issuer's arrival brings nothing; sent again, it joins.
  std::vector<wire::StatementId> joined;
  ASSERT_TRUE(set.add(room.set.find(room.founded.grant)->bytes, &joined));
  EXPECT_EQ(joined.size(), 1U);
  EXPECT_EQ(*set.add(orphan), Added::New);
}

TEST(StatementSet, DigestIsOfTheSortedIds) {
  Room room;
  const wire::Digest before = room.set.digest();
  const Invited invited = room.invite(0);
  EXPECT_NE(room.set.digest(), before);
  StatementSet other(room.founded.network);
  std::vector<ByteVector> all = bytes_of(room.set);
  std::reverse(all.begin(), all.end());
  for (const ByteVector& bytes : all) ASSERT_TRUE(other.add(bytes));
  EXPECT_EQ(other.digest(), room.set.digest());
  EXPECT_NE(StatementSet(room.founded.network).digest(), before);
}

TEST(StatementSet, IdsBetweenIncludesItsBounds) {
  Room room;
  room.join(1);
  std::vector<wire::StatementId> ids;
  for (const auto& [id, stored] : room.set.all()) ids.push_back(id);
  wire::StatementId last;
  last.bytes.fill(std::byte{0xff});
  EXPECT_EQ(room.set.ids_between({}, last), ids);
  EXPECT_EQ(room.set.ids_between(ids[1], ids[3]), (std::vector{ids[1], ids[2], ids[3]}));
  EXPECT_EQ(room.set.ids_between(ids[2], ids[2]), std::vector{ids[2]});
  EXPECT_TRUE(room.set.ids_between(ids[3], ids[1]).empty());
}

TEST(StatementSet, ChainIsEnoughForAStranger) {
  Room room;
  room.join(1);
  room.join(2, 1);
  room.join(3, 2, 1);
  room.join(4, 0);
  const ByteVector skey =
      claim_tunnel_key(room.founded.network, room.people.key(3), tunnel_of(3), room.now);
  room.add(skey);
  const auto chain = room.set.chain_of(room.grants[3]);
  StatementSet stranger(room.founded.network);
  for (const wire::StatementId& id : chain) {
    const auto added = stranger.add(room.set.find(id)->bytes);
    ASSERT_TRUE(added);
    EXPECT_EQ(*added, Added::New);
  }
  EXPECT_NE(Membership::evaluate(stranger, room.now).by_identity(room.people.identity(3)), nullptr);
  EXPECT_EQ(chain.front(), room.set.genesis()->id);
  EXPECT_EQ(chain.back(), statement_id_of(parse(skey)));
  EXPECT_EQ(stranger.find(room.grants[4]), nullptr);
  EXPECT_TRUE(room.set.chain_of({}).empty());
  EXPECT_TRUE(room.set.chain_of(room.set.genesis()->id).empty());
  EXPECT_TRUE(StatementSet(room.founded.network).chain_of(room.founded.grant).empty());
}

TEST(StatementSet, ChainEndsWhereAdmitsLoop) {
  Room room;
  const wire::StatementId a = room.redemption(1, room.invite(0));
  const wire::StatementId b = room.redemption(2, room.invite(0));
  room.add_raw(wire::Admit{a, b, room.now, pool_address(5), "one"}, room.people.key(2));
  room.add_raw(wire::Admit{b, a, room.now, pool_address(6), "two"}, room.people.key(1));
  EXPECT_FALSE(room.set.chain_of(a).empty());
  EXPECT_FALSE(room.is_member(1));
  EXPECT_FALSE(room.is_member(2));
}

}  // namespace
}  // namespace ipop::member
