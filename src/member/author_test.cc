#include "member/author.h"

#include "member/room_testing.h"

namespace ipop::member {
namespace {

using wire::ByeReason;

TEST(Found, RefusesWhatMakesNoNetwork) {
  SeededRng rng(1);
  const auto identity = crypto::SigningKey::from_seed(seed_of(1));
  struct Case {
    FoundOptions options;
    TunnelKey key = tunnel_of(1);
    bool ok = false;
  };
  const Case cases[] = {
      {{"family", "alice", kPool}, tunnel_of(1), true},
      {{"", "alice", kPool}},
      {{"Family", "alice", kPool}},
      {{"localhost", "alice", kPool}},
      {{"family", "", kPool}},
      {{"family", "-alice", kPool}},
      {{"family", std::string(33, 'a'), kPool}},
      {{"family", "alice", {{0x0a530001U}, 16}}},
      {{"family", "alice", {{0x0a530000U}, 31}}},
      {{"family", "alice", {{0x0a530000U}, 32}}},
      {{"family", "alice", {{0}, 0}}},
      {{"family", "alice", kPool}, TunnelKey{}},
  };
  for (const Case& c : cases) {
    const auto founded = found_network(c.options, identity, c.key, kStart, rng);
    EXPECT_EQ(founded.has_value(), c.ok) << c.options.network_name << c.options.member_name;
    if (!founded) { EXPECT_EQ(founded.error().code, Errc::BadValue); }
  }
}

TEST(Found, RefusesSubnetsThatNoComputerCanUse) {
  SeededRng rng(1);
  const auto identity = crypto::SigningKey::random(rng);
  const auto refused = [&](const char* pool) -> std::optional<Refusal> {
    const auto founded = found_network({"family", "alice", *Prefix4::parse(pool)}, identity,
                                       tunnel_of(1), kStart, rng);
    if (founded) return std::nullopt;
    return founded.error().why;
  };
  for (const char* pool : {"10.0.0.0/7", "10.0.0.0/31"}) {
    EXPECT_EQ(refused(pool), Refusal::SubnetSize) << pool;
  }
  for (const char* pool : {"0.0.0.0/8", "0.1.0.0/16", "127.0.0.0/8", "127.1.2.0/24",
                           "169.254.0.0/16", "169.254.9.0/24", "169.0.0.0/8", "224.0.0.0/8",
                           "239.255.0.0/16", "240.0.0.0/8", "255.255.255.0/24"}) {
    EXPECT_EQ(refused(pool), Refusal::SubnetReserved) << pool;
  }
  for (const char* pool : {"10.0.0.0/8", "192.168.1.0/24", "100.64.0.0/10", "1.0.0.0/8",
                           "126.0.0.0/8", "128.0.0.0/8", "169.253.0.0/16", "223.0.0.0/8"}) {
    EXPECT_EQ(refused(pool), std::nullopt) << pool;
  }
}

TEST(Found, DrawsAPoolThatNobodyElseUses) {
  SeededRng rng(1);
  std::set<Prefix4> drawn;
  const Prefix4 taken[] = {{{0x0a460000U}, 16}, {{0x0a500000U}, 13}};
  for (int i = 0; i < 2000; ++i) {
    const auto pool = draw_pool(taken, rng);
    ASSERT_TRUE(pool);
    const unsigned x = pool->base.value >> 16U & 0xffU;
    EXPECT_EQ(pool->base.value >> 24U, 10U);
    EXPECT_GE(x, 64U);
    for (const unsigned other : {70U, 80U, 87U, 88U, 96U, 111U, 128U, 131U, 152U, 217U, 244U}) {
      EXPECT_NE(x, other);
    }
    drawn.insert(*pool);
  }
  EXPECT_EQ(drawn.size(), 192U - 25U - 1U - 7U);
  const Prefix4 everything[] = {{{0x0a000000U}, 8}};
  EXPECT_FALSE(draw_pool(everything, rng));
}

TEST(MakeInvite, RefusesWhatWouldNotCount) {
  Room room;
  room.join(1);
  const UnixTime day = room.now.plus(kDay);
  struct Case {
    const char* what;
    unsigned by;
    InviteOptions options;
    std::optional<Errc> code;
  };
  const Case cases[] = {
      {"founder's", 0, {.redeem_until = day}, std::nullopt},
      {"founder's with many uses", 0, {.uses = 60000, .redeem_until = day}, std::nullopt},
      {"member's", 1, {.uses = 32, .redeem_until = day}, std::nullopt},
      {"member's with many uses", 1, {.uses = 33, .redeem_until = day}, Errc::Denied},
      {"no uses", 0, {.uses = 0, .redeem_until = day}, Errc::BadValue},
      {"over already", 0, {.redeem_until = kStart}, Errc::BadValue},
      {"members over already", 0, {.redeem_until = day, .not_after = kStart}, Errc::BadValue},
      {"stranger's", 7, {.redeem_until = day}, Errc::Denied},
      {"rights that the inviter lacks",
       1,
       {.redeem_until = day, .rights = wire::kRightsAll},
       Errc::Denied},
      {"no membership", 0, {.redeem_until = day, .rights = wire::kRightKick}, Errc::BadValue},
      {"unknown right", 0, {.redeem_until = day, .rights = 65}, Errc::BadValue},
      {"admin's", 0, {.redeem_until = day, .rights = wire::kRightsAll}, std::nullopt},
      {"name", 0, {.redeem_until = day, .name = "bob"}, std::nullopt},
      {"same name", 0, {.redeem_until = day, .name = "bob"}, Errc::BadValue},
      {"name of a member", 0, {.redeem_until = day, .name = "alice"}, Errc::BadValue},
      {"no name", 0, {.redeem_until = day, .name = "Bob!"}, Errc::BadValue},
      {"name for two", 0, {.uses = 2, .redeem_until = day, .name = "eve"}, Errc::BadValue},
      {"address", 0, {.redeem_until = day, .address = pool_address(9)}, std::nullopt},
      {"same address", 0, {.redeem_until = day, .address = pool_address(9)}, Errc::BadValue},
      {"address of a member", 0, {.redeem_until = day, .address = pool_address(1)}, Errc::BadValue},
      {"network address", 0, {.redeem_until = day, .address = pool_address(0)}, Errc::BadValue},
      {"broadcast address", 0, {.redeem_until = day, .address = kPool.last()}, Errc::BadValue},
      {"outside the pool", 0, {.redeem_until = day, .address = Ipv4{0x01020304U}}, Errc::BadValue},
      {"address for two",
       0,
       {.uses = 2, .redeem_until = day, .address = pool_address(10)},
       Errc::BadValue},
  };
  for (const Case& c : cases) {
    const std::size_t before = room.set.size();
    const auto made =
        make_invite(room.view(), room.set, room.author(c.by), c.options, room.now, room.rng);
    EXPECT_EQ(made.has_value(), !c.code) << c.what;
    EXPECT_EQ(room.set.size(), before);
    if (!made) {
      EXPECT_EQ(made.error().code, c.code) << c.what << ": " << made.error().what;
      continue;
    }
    room.add(made->statement);
    EXPECT_TRUE(room.view().invites().at(made->grant).open) << c.what;
  }
}

TEST(MakeInvite, NeedsAPolicyOrARight) {
  Room room(1, false);
  room.join(1);
  const auto made =
      make_invite(room.view(), room.set, room.author(1), room.options(), room.now, room.rng);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::Denied);
  room.make_admin(0, 1);
  EXPECT_TRUE(
      make_invite(room.view(), room.set, room.author(1), room.options(), room.now, room.rng));
}

TEST(MakeInvite, ReachesFifteenSteps) {
  Room room;
  unsigned last = 0;
  for (unsigned person = 1; person <= 7; ++person) {
    room.join(person, last);
    last = person;
  }
  EXPECT_EQ(room.member(last).rank, wire::kRankMax);
  const auto made =
      make_invite(room.view(), room.set, room.author(last), room.options(), room.now, room.rng);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::Busy);
}

TEST(Redeem, RefusesWhatWouldNotCount) {
  Room room;
  const Invited invited = room.invite(0);
  const Invited other = room.invite(0);
  const IdentityKey bob = room.people.identity(1);
  const auto error = [&](const wire::Statement& grant, const crypto::SigningKey& key,
                         const IdentityKey& identity, const TunnelKey& tunnel,
                         std::string_view wish, UnixTime at) -> std::optional<Errc> {
    const auto made = redeem(grant, key, identity, tunnel, wish, at);
    if (made) return std::nullopt;
    return made.error().code;
  };
  const wire::Statement& grant = *invited.statement;
  const UnixTime late = room.now.plus(kDay).plus(kTolerance).plus(std::chrono::seconds(1));
  EXPECT_EQ(error(grant, invited.key, bob, tunnel_of(1), "bob", room.now), std::nullopt);
  EXPECT_EQ(error(grant, invited.key, bob, tunnel_of(1), "", room.now), std::nullopt);
  EXPECT_EQ(error(grant, other.key, bob, tunnel_of(1), "bob", room.now), Errc::BadValue);
  EXPECT_EQ(error(grant, invited.key, bob, tunnel_of(1), "Bob", room.now), Errc::BadValue);
  EXPECT_EQ(error(grant, invited.key, bob, {}, "bob", room.now), Errc::BadValue);
  EXPECT_EQ(error(grant, invited.key, {}, tunnel_of(1), "bob", room.now), Errc::BadValue);
  EXPECT_EQ(error(grant, invited.key, invited.key.public_key(), tunnel_of(1), "bob", room.now),
            Errc::BadValue);
  EXPECT_EQ(error(grant, invited.key, bob, tunnel_of(1), "bob", late), Errc::Denied);
  EXPECT_EQ(error(room.set.genesis()->statement, invited.key, bob, tunnel_of(1), "bob", room.now),
            Errc::BadValue);
  EXPECT_EQ(error(room.set.find(room.founded.grant)->statement, room.people.key(0), bob,
                  tunnel_of(1), "bob", room.now),
            Errc::BadValue);
}

TEST(Admit, TellsTheJoinerWhy) {
  Room room;
  room.join(1);
  room.join(2);
  const auto reason = [&](unsigned by, const wire::StatementId& id) -> std::optional<ByeReason> {
    const auto made = admit(room.view(), room.set, room.author(by), id, room.now, room.rng);
    if (made) return std::nullopt;
    return made.error();
  };
  EXPECT_EQ(reason(0, {}), ByeReason::NotMember);
  EXPECT_EQ(reason(0, room.founded.grant), ByeReason::NotMember);
  const Invited invited = room.invite(0);
  EXPECT_EQ(reason(0, invited.grant), ByeReason::NotMember);
  const wire::StatementId redeemed = room.redemption(3, invited);
  EXPECT_EQ(reason(9, redeemed), ByeReason::NotMember) << "a stranger admits nobody";
  EXPECT_EQ(reason(3, redeemed), ByeReason::NotMember) << "nor does the joiner";
  EXPECT_EQ(reason(1, redeemed), std::nullopt);
  room.now = room.now.plus(kDay).plus(kTolerance);
  EXPECT_EQ(reason(1, redeemed), std::nullopt);
  room.now = room.now.plus(std::chrono::seconds(1));
  EXPECT_EQ(reason(1, redeemed), ByeReason::InviteExpired);

  InviteOptions fixed = room.options();
  fixed.name = "carol";
  const Invited named = room.invite(0, fixed);
  const wire::StatementId carol = room.redemption(4, named);
  const wire::StatementId other = room.redemption(5, room.invite(0));
  room.add_raw(
      wire::Admit{other, room.founded.grant, room.now.plus(kMinute), pool_address(40), "carol"},
      room.people.key(0));
  room.now = room.now.plus(kMinute);
  EXPECT_EQ(reason(0, carol), ByeReason::NameTaken);

  const Invited closed = room.invite(1);
  const wire::StatementId late = room.redemption(6, closed);
  room.add_raw(
      wire::Revoke{.target = closed.key.public_key(), .issuer = room.grants[1], .time = room.now},
      room.people.key(1));
  EXPECT_EQ(reason(0, late), ByeReason::InviteRevoked);
  room.kick_out(0, 2);
  const wire::StatementId again = room.redemption(2, room.invite(0));
  EXPECT_EQ(reason(0, again), ByeReason::Revoked);
}

TEST(Admit, IsGivenOnce) {
  Room room;
  room.join(1);
  const wire::StatementId redeemed = room.redemption(2, room.invite(0));
  room.now = room.now.plus(kMinute);
  const auto first = admit(room.view(), room.set, room.author(0), redeemed, room.now, room.rng);
  ASSERT_TRUE(first);
  room.add(*first);
  const auto second = admit(room.view(), room.set, room.author(1), redeemed, room.now, room.rng);
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, *first);
}

TEST(Admit, CountsThoughTheAdmittersClockIsSlow) {
  Room room;
  const wire::StatementId redeemed = room.redemption(2, room.invite(0));
  room.join(1);
  room.now = room.now.minus(kMinute * 5);
  const auto made = admit(Membership::evaluate(room.set, room.now.plus(kMinute * 5)), room.set,
                          room.author(1), redeemed, room.now, room.rng);
  ASSERT_TRUE(made);
  room.add(*made);
  EXPECT_TRUE(room.is_member(2)) << "within tolerance of its own clock";
}

TEST(Kick, RefusesWhatWouldNotCount) {
  Room room;
  room.join(1);
  room.join(2, 1);
  room.join(3);
  const auto code = [&](unsigned by, const wire::NodeId& target) -> std::optional<Errc> {
    const auto made = kick(room.view(), room.set, room.author(by), target, room.now, room.rng);
    if (made) return std::nullopt;
    return made.error().code;
  };
  EXPECT_EQ(code(0, {}), Errc::NotFound);
  EXPECT_EQ(code(0, room.node(9)), Errc::NotFound);
  EXPECT_EQ(code(0, room.node(0)), Errc::Denied);
  EXPECT_EQ(
      kick(room.view(), room.set, room.author(0), room.node(0), room.now, room.rng).error().why,
      Refusal::KickOneself);
  EXPECT_EQ(code(9, room.node(1)), Errc::Denied);
  EXPECT_EQ(code(1, room.node(0)), Errc::Denied);
  EXPECT_EQ(code(2, room.node(1)), Errc::Denied);
  EXPECT_EQ(code(3, room.node(2)), Errc::Denied);
  EXPECT_EQ(code(1, room.node(2)), std::nullopt) << "its inviter";
  room.make_admin(0, 3);
  EXPECT_EQ(code(3, room.node(2)), std::nullopt) << "an admin";
  room.kick_out(0, 2);
  EXPECT_EQ(code(0, room.node(2)), Errc::NotFound);
}

TEST(Leave, ClosesOwnInvitesAndKeepsTheRest) {
  Room room;
  room.join(1);
  const Invited half_used = room.join(2, 1, 1, 3);
  const Invited unused = room.invite(1);
  room.join(3, 0, 1);
  const auto before = room.view();
  room.now = room.now.plus(kMinute);
  const auto made = leave(before, room.set, room.author(1), room.now);
  ASSERT_TRUE(made);
  room.add(*made);
  const Membership after = room.view();
  auto expected = before.members();
  expected.erase(room.node(1));
  EXPECT_EQ(after.members(), expected);
  EXPECT_EQ(after.secret(), before.secret());
  EXPECT_EQ(room.let_in(0, room.redemption(4, half_used)).error(), ByeReason::InviteRevoked);
  EXPECT_EQ(room.let_in(0, room.redemption(5, unused)).error(), ByeReason::InviteRevoked);
  const auto again = leave(after, room.set, room.author(1), room.now);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::Denied);
}

TEST(Leave, OfAnAdminKeepsWhomItKickedOut) {
  Room room;
  room.join(1);
  room.make_admin(0, 1);
  room.join(2);
  room.kick_out(1, 2);
  room.now = room.now.plus(kMinute);
  const auto made = leave(room.view(), room.set, room.author(1), room.now);
  ASSERT_TRUE(made);
  room.add(*made);
  EXPECT_FALSE(room.is_member(1));
  EXPECT_FALSE(room.is_member(2));
  EXPECT_EQ(room.view().secret().epoch, (Epoch{1}));
}

TEST(Admin, RefusesWhatWouldNotCount) {
  Room room;
  room.join(1);
  room.join(2);
  const auto add_code = [&](unsigned by, const wire::NodeId& target) -> std::optional<Errc> {
    const auto made = add_admin(room.view(), room.set, room.author(by), target, room.now);
    if (made) return std::nullopt;
    return made.error().code;
  };
  const auto remove_code = [&](unsigned by, const wire::NodeId& target) -> std::optional<Errc> {
    const auto made = remove_admin(room.view(), room.set, room.author(by), target, room.now);
    if (made) return std::nullopt;
    return made.error().code;
  };
  EXPECT_EQ(add_code(0, {}), Errc::NotFound);
  EXPECT_EQ(add_code(1, room.node(2)), Errc::Denied);
  EXPECT_EQ(add_code(9, room.node(2)), Errc::Denied);
  EXPECT_EQ(add_code(0, room.node(0)), Errc::Busy);
  EXPECT_EQ(add_admin(room.view(), room.set, room.author(0), room.node(0), room.now).error().why,
            Refusal::AlreadyAdmin);
  EXPECT_EQ(remove_admin(room.view(), room.set, room.author(0), room.node(1), room.now).error().why,
            Refusal::NoAdmin);
  room.make_admin(0, 1);
  EXPECT_EQ(add_code(0, room.node(1)), Errc::Busy);
  EXPECT_EQ(add_code(1, room.node(2)), std::nullopt);
  EXPECT_EQ(remove_code(0, {}), Errc::NotFound);
  EXPECT_EQ(remove_code(0, room.node(2)), Errc::NotFound);
  EXPECT_EQ(remove_code(2, room.node(1)), Errc::Denied);
  EXPECT_EQ(remove_code(1, room.node(0)), Errc::Denied);
  EXPECT_EQ(remove_code(0, room.node(1)), std::nullopt);
}

TEST(Admin, LosesItsRightsAndKeepsWhatItDid) {
  Room room;
  room.join(1);
  const Member plain = room.member(1);
  room.make_admin(0, 1);
  room.join(2);
  room.join(3);
  room.make_admin(1, 2);
  room.kick_out(1, 3);
  room.now = room.now.plus(kMinute);
  const auto made = remove_admin(room.view(), room.set, room.author(0), room.node(1), room.now);
  ASSERT_TRUE(made);
  room.add(*made);
  EXPECT_EQ(room.member(1), plain);
  EXPECT_TRUE(room.member(2).admin());
  EXPECT_FALSE(room.is_member(3));
  EXPECT_FALSE(room.view().is_revoked(room.people.identity(1)));
  // The withdrawn GRANT is of no more use.
  wire::Grant grant{.issuer = room.raw(wire::Config{}, room.people.key(1)).id};
  const auto again = add_admin(room.view(), room.set, room.author(1), room.node(3), room.now);
  EXPECT_FALSE(again);
}

TEST(Admin, ByInviteBecomesAPlainMember) {
  Room room;
  InviteOptions options = room.options();
  options.rights = wire::kRightsAll;
  const wire::StatementId redeemed = room.redemption(1, room.invite(0, options));
  room.now = room.now.plus(kMinute);
  ASSERT_TRUE(room.let_in(0, redeemed));
  const Member before = room.member(1);
  EXPECT_TRUE(before.admin());
  room.now = room.now.plus(kMinute);
  const auto made = remove_admin(room.view(), room.set, room.author(0), room.node(1), room.now);
  ASSERT_TRUE(made);
  room.add(*made);
  const Member after = room.member(1);
  EXPECT_FALSE(after.admin());
  EXPECT_EQ(after.name, before.name);
  EXPECT_EQ(after.v4, before.v4);
  EXPECT_EQ(after.tunnel_key, before.tunnel_key);
}

TEST(Admin, StepsBackByItself) {
  Room room;
  room.join(1);
  room.make_admin(0, 1);
  room.join(2, 1);
  room.now = room.now.plus(kMinute);
  const auto made = remove_admin(room.view(), room.set, room.author(1), room.node(1), room.now);
  ASSERT_TRUE(made);
  room.add(*made);
  EXPECT_TRUE(room.is_member(1));
  EXPECT_FALSE(room.member(1).admin());
  EXPECT_TRUE(room.is_member(2));
}

TEST(TunnelKeys, ChangeOnceAnHour) {
  Room room;
  room.join(1);
  const auto rotate = [&](unsigned by, const TunnelKey& key) {
    return rotate_tunnel_key(room.view(), room.author(by), key, room.now);
  };
  EXPECT_EQ(rotate(9, tunnel_of(50)).error().code, Errc::Denied);
  EXPECT_EQ(rotate(1, {}).error().code, Errc::BadValue);
  room.add(claim_tunnel_key(room.founded.network, room.people.key(1), tunnel_of(1), room.now));
  EXPECT_EQ(room.member(1).skey_epoch, 1U);
  EXPECT_EQ(rotate(1, tunnel_of(50)).error().code, Errc::Busy);
  room.now = room.now.plus(kHour);
  const auto made = rotate(1, tunnel_of(50));
  ASSERT_TRUE(made);
  room.add(*made);
  EXPECT_EQ(room.member(1).tunnel_key, tunnel_of(50));
  EXPECT_EQ(room.member(1).skey_epoch, 2U);
}

}  // namespace
}  // namespace ipop::member
