#include "member/membership.h"

#include "member/room_testing.h"

namespace ipop::member {
namespace {

using wire::ByeReason;

TEST(Membership, OfNothingIsEmpty) {
  const Membership none = Membership::evaluate(StatementSet({}), kStart);
  EXPECT_TRUE(none.members().empty());
  EXPECT_EQ(none.next_change(), UnixTime::never());
  EXPECT_FALSE(none.free_address(kStart, 0));
  EXPECT_FALSE(none.is_assignable(pool_address(1)));
}

TEST(Membership, BeginsWithItsFounder) {
  Room room;
  const Member alice = room.member(0);
  EXPECT_EQ(alice.rank, 1);
  EXPECT_EQ(alice.rights, wire::kRightsAll);
  EXPECT_TRUE(alice.admin());
  EXPECT_EQ(alice.name, "alice");
  EXPECT_EQ(alice.v4, pool_address(1));
  EXPECT_EQ(alice.v6, ipv6_of(room.founded.network, alice.identity));
  EXPECT_EQ(alice.grant, room.founded.grant);
  EXPECT_EQ(alice.tunnel_key, tunnel_of(0));
  const Membership all = room.view();
  EXPECT_EQ(all.secret(), (SecretCommit{{0}, secret_commit_of(room.founded.secret)}));
  EXPECT_EQ(all.root(), room.founded.root.public_key());
  EXPECT_EQ(all.find(alice.node)->identity, alice.identity);
  EXPECT_EQ(all.by_tunnel_key(tunnel_of(0))->node, alice.node);
  EXPECT_EQ(all.by_tunnel_key(tunnel_of(1)), nullptr);
  EXPECT_EQ(all.find({}), nullptr);
}

TEST(Membership, ARedemptionCountsFromItsAdmitOn) {
  Room room;
  const Invited invited = room.invite(0);
  const wire::StatementId redeemed = room.redemption(1, invited);
  EXPECT_FALSE(room.is_member(1));
  EXPECT_EQ(room.view().refusal(redeemed), std::nullopt);
  ASSERT_TRUE(room.let_in(0, redeemed));
  const Member bob = room.member(1);
  EXPECT_EQ(bob.rank, 3);
  EXPECT_EQ(bob.rights, wire::kRightJoin | wire::kRightInvite);
  EXPECT_FALSE(bob.admin());
  EXPECT_EQ(bob.name, "guest");
  EXPECT_EQ(bob.v4, pool_address(2));
  EXPECT_EQ(room.view().invites().at(invited.grant).used, 1);
  EXPECT_FALSE(room.view().invites().at(invited.grant).open);
}

TEST(Membership, AnotherNodeOfTheInviterMayBeOffline) {
  Room room;
  room.join(1);
  const wire::StatementId redeemed = room.redemption(2, room.invite(0));
  room.now = room.now.plus(kMinute);
  ASSERT_TRUE(room.let_in(1, redeemed));
  EXPECT_TRUE(room.is_member(2));
}

TEST(Membership, AnAdmitNeedsAMemberInGoodTime) {
  Room room;
  room.join(1);
  const Invited invited = room.invite(0, 9);
  const wire::Grant& invite = room.grant(invited.grant);
  const UnixTime joined = room.member(1).since;
  const UnixTime last = invite.redeem_until.plus(kTolerance);
  struct Case {
    const char* what;
    UnixTime time;
    bool counts;
    std::optional<ByeReason> refusal;
  };
  const std::chrono::seconds second{1};
  const Case cases[] = {
      {"before the admitter was a member", joined.minus(second), false, std::nullopt},
      {"right after", joined.plus(second), true, std::nullopt},
      {"at the end", invite.redeem_until, true, std::nullopt},
      {"within tolerance", last, true, std::nullopt},
      {"too late", last.plus(second), false, ByeReason::InviteExpired},
  };
  unsigned person = 10;
  for (const Case& c : cases) {
    const wire::StatementId redeemed = room.redemption(++person, invited);
    room.add_raw(wire::Admit{redeemed, room.grants[1], c.time, pool_address(person), "guest"},
                 room.people.key(1));
    const Membership all = Membership::evaluate(room.set, c.time);
    EXPECT_EQ(all.by_identity(room.people.identity(person)) != nullptr, c.counts) << c.what;
    EXPECT_EQ(all.refusal(redeemed), c.refusal) << c.what;
    if (!c.counts) continue;
    // One from the future counts when it comes within tolerance.
    const UnixTime edge = c.time.minus(kTolerance);
    EXPECT_NE(Membership::evaluate(room.set, edge).by_identity(room.people.identity(person)),
              nullptr);
    EXPECT_EQ(Membership::evaluate(room.set, edge.minus(second))
                  .by_identity(room.people.identity(person)),
              nullptr);
    EXPECT_LE(Membership::evaluate(room.set, edge.minus(second)).next_change(), edge);
  }
}

TEST(Membership, AnInviteThatExpiresExpelsNobody) {
  Room room;
  room.join(1, 0);
  room.now = room.now.plus(kDay * 400);
  EXPECT_TRUE(room.is_member(1));
}

TEST(Membership, EndsTenMinutesAfterItsTime) {
  Room room;
  InviteOptions options = room.options();
  options.not_after = room.now.plus(kDay);
  const Invited invited = room.invite(0, options);
  const wire::StatementId redeemed = room.redemption(1, invited);
  ASSERT_TRUE(room.let_in(0, redeemed));
  EXPECT_EQ(room.member(1).not_after, options.not_after);
  room.now = options.not_after.plus(kTolerance);
  EXPECT_TRUE(room.is_member(1));
  EXPECT_EQ(room.view().next_change(), room.now.plus(std::chrono::seconds(1)));
  room.now = room.view().next_change();
  EXPECT_FALSE(room.is_member(1));
  EXPECT_EQ(room.view().refusal(redeemed), ByeReason::NotMember);
  EXPECT_EQ(room.view().next_change(), UnixTime::never());
}

TEST(Membership, UsesAreBounded) {
  Room room;
  const Invited invited = room.invite(0, 2);
  std::vector<wire::StatementId> redeemed;
  for (unsigned person = 1; person <= 3; ++person) {
    redeemed.push_back(room.redemption(person, invited));
    room.now = room.now.plus(kMinute);
    const auto admitted = room.let_in(0, redeemed.back());
    EXPECT_EQ(admitted.has_value(), person <= 2);
    if (!admitted) { EXPECT_EQ(admitted.error(), ByeReason::InviteUsed); }
  }
  // A member that admits all the same changes nothing.
  room.add_raw(wire::Admit{redeemed[2], room.founded.grant, room.now, pool_address(9), "late"},
               room.people.key(0));
  EXPECT_TRUE(room.is_member(1));
  EXPECT_TRUE(room.is_member(2));
  EXPECT_FALSE(room.is_member(3));
  EXPECT_EQ(room.view().refusal(redeemed[2]), ByeReason::Superseded);
  EXPECT_EQ(room.view().invites().at(invited.grant).used, 2);
}

TEST(Membership, AHundredRedemptionsOfOneUseLeaveOneMember) {
  Room room;
  for (unsigned person = 1; person <= 2; ++person) room.join(person);
  const Invited invited = room.invite(0, 1);
  room.now = room.now.plus(kMinute);
  // Three members that do not hear of each other admit whom they meet.
  std::vector<StatementSet> sets(3, room.set);
  std::vector<wire::StatementId> redeemed;
  for (unsigned person = 100; person < 200; ++person) {
    const auto made = redeem(*invited.statement, invited.key, room.people.identity(person),
                             tunnel_of(person), "guest", room.now);
    ASSERT_TRUE(made);
    redeemed.push_back(made->grant);
    StatementSet& set = sets[person % 3];
    ASSERT_TRUE(set.add(made->statement));
    const auto admitted = admit(Membership::evaluate(set, room.now), set, room.author(person % 3),
                                made->grant, room.now, room.rng);
    if (admitted) {
      ASSERT_TRUE(set.add(*admitted));
    } else {
      EXPECT_EQ(admitted.error(), ByeReason::InviteUsed);
    }
  }
  std::vector<ByteVector> all;
  for (const StatementSet& set : sets) {
    for (const ByteVector& bytes : bytes_of(set)) all.push_back(bytes);
  }
  std::optional<Membership> agreed;
  for (int round = 0; round < 3; ++round) {
    shuffle(all, room.rng);
    StatementSet merged(room.founded.network);
    for (int again = 0; again < 2; ++again) {
      for (const ByteVector& bytes : all) ASSERT_TRUE(merged.add(bytes));
    }
    const Membership view = Membership::evaluate(merged, room.now);
    EXPECT_EQ(view.members().size(), 4U);
    int members = 0;
    for (const wire::StatementId& id : redeemed) {
      const auto reason = view.refusal(id);
      members += !reason;
      if (reason) {
        EXPECT_TRUE(reason == ByeReason::InviteUsed || reason == ByeReason::Superseded);
      }
    }
    EXPECT_EQ(members, 1);
    if (agreed) { EXPECT_TRUE(*agreed == view); }
    agreed = view;
  }
}

TEST(Membership, AConflictIsDecidedAlikeAndMended) {
  Room room;
  room.join(1);
  room.join(2);
  const Invited first = room.invite(0);
  const Invited second = room.invite(0);
  const wire::StatementId one = room.redemption(3, first);
  const wire::StatementId two = room.redemption(4, second);
  room.now = room.now.plus(kMinute);
  // Two members admit at once and choose the same name and address.
  room.add_raw(wire::Admit{one, room.grants[1], room.now, pool_address(50), "carol"},
               room.people.key(1));
  room.add_raw(wire::Admit{two, room.grants[2], room.now.plus(kMinute), pool_address(50), "carol"},
               room.people.key(2));
  room.now = room.now.plus(kMinute * 2);
  EXPECT_EQ(room.member(3).name, "carol");
  EXPECT_EQ(room.member(3).v4, pool_address(50));
  EXPECT_EQ(room.member(4).name, "");
  EXPECT_EQ(room.member(4).v4, std::nullopt);
  EXPECT_TRUE(room.view().refusal(two) == std::nullopt);

  const auto nothing =
      mend(room.view(), room.set, room.author(1), room.node(3), room.now, room.rng);
  EXPECT_FALSE(nothing) << "it has all it needs";
  EXPECT_FALSE(mend(room.view(), room.set, room.author(4), room.node(4), room.now, room.rng))
      << "nobody admits itself";
  const auto mended = mend(room.view(), room.set, room.author(1), room.node(4), room.now, room.rng);
  ASSERT_TRUE(mended);
  room.add(*mended);
  EXPECT_EQ(room.member(4).name, "carol-2");
  ASSERT_TRUE(room.member(4).v4);
  EXPECT_EQ(room.member(3).name, "carol");
  // Long after the invite could be redeemed.
  room.now = room.now.plus(kDay * 30);
  EXPECT_EQ(room.member(4).name, "carol-2");
}

TEST(Membership, AddressesOutsideThePoolAreNone) {
  Room room(1, true, Prefix4{{0xc0a80100U}, 24});
  const Ipv4 bad[] = {{0xc0a80100U}, {0xc0a801ffU}, {0xc0a80201U}, {0x08080808U}, {0xc0a80101U}};
  unsigned person = 1;
  for (const Ipv4 address : bad) {
    const wire::StatementId redeemed = room.redemption(person, room.invite(0));
    room.add_raw(wire::Admit{redeemed, room.founded.grant, room.now.plus(kMinute), address,
                             "guest-" + std::to_string(person)},
                 room.people.key(0));
    room.now = room.now.plus(kMinute);
    EXPECT_EQ(room.member(person).v4, std::nullopt) << address.to_string();
    EXPECT_FALSE(room.member(person).name.empty());
    ++person;
  }
}

TEST(Membership, WhatAnInviteFixesIsGivenAsItIs) {
  Room room;
  InviteOptions options = room.options();
  options.name = "bob";
  options.address = pool_address(77);
  const Invited invited = room.invite(0, options);
  EXPECT_TRUE(room.view().is_name_taken("bob", room.now));
  EXPECT_TRUE(room.view().is_address_taken(pool_address(77), room.now));
  const wire::StatementId redeemed = room.redemption(1, invited, "eve");
  room.add_raw(
      wire::Admit{redeemed, room.founded.grant, room.now.plus(kMinute), pool_address(5), "mallory"},
      room.people.key(0));
  room.now = room.now.plus(kMinute * 2);
  EXPECT_EQ(room.member(1).name, "");
  EXPECT_EQ(room.member(1).v4, std::nullopt);
  room.join(2);
  const auto mended = mend(room.view(), room.set, room.author(0), room.node(1), room.now, room.rng);
  ASSERT_TRUE(mended);
  room.add(*mended);
  EXPECT_EQ(room.member(1).name, "bob");
  EXPECT_EQ(room.member(1).v4, pool_address(77));
}

TEST(Membership, WhatAnInviteFixesGivesWayToAHolder) {
  Room room;
  InviteOptions options = room.options();
  options.address = pool_address(77);
  const Invited invited = room.invite(0, options);
  // Somebody who did not know of the invite gave the address to another one.
  const wire::StatementId other = room.redemption(1, room.invite(0));
  room.add_raw(
      wire::Admit{other, room.founded.grant, room.now.plus(kMinute), pool_address(77), "x"},
      room.people.key(0));
  room.now = room.now.plus(kMinute * 2);
  ASSERT_TRUE(room.let_in(0, room.redemption(2, invited)));
  EXPECT_EQ(room.member(1).v4, pool_address(77));
  ASSERT_TRUE(room.member(2).v4);
  EXPECT_NE(room.member(2).v4, pool_address(77));
}

TEST(Membership, SeveralGrantsAreOneMember) {
  Room room;
  room.join(1);
  const Member before = room.member(1);
  room.make_admin(0, 1);
  const Member after = room.member(1);
  EXPECT_EQ(room.view().members().size(), 2U);
  EXPECT_EQ(after.rank, 2);
  EXPECT_NE(after.grant, before.grant);
  EXPECT_EQ(after.rights, wire::kRightsAll);
  EXPECT_EQ(after.name, before.name);
  EXPECT_EQ(after.v4, before.v4);
  EXPECT_EQ(after.since, before.since);
}

TEST(Membership, NobodyTakesAnothersTunnelKey) {
  Room room;
  room.join(1);
  room.add(claim_tunnel_key(room.founded.network, room.people.key(1), tunnel_of(1), room.now));
  room.join(2);
  // Person 2 issues an invite and redeems it for person 1's identity with a key of its own.
  const Invited trap = room.invite(2);
  const auto stolen =
      redeem(*trap.statement, trap.key, room.people.identity(1), tunnel_of(99), "guest", room.now);
  ASSERT_TRUE(stolen);
  room.add(stolen->statement);
  room.add_raw(wire::Admit{stolen->grant, room.grants[2], room.member(2).since.plus(kMinute),
                           pool_address(66), "thief"},
               room.people.key(2));
  room.now = room.now.plus(kMinute * 5);
  EXPECT_EQ(room.member(1).tunnel_key, tunnel_of(1));
  EXPECT_EQ(room.member(1).v4, pool_address(2));
  EXPECT_EQ(room.view().by_tunnel_key(tunnel_of(99)), nullptr);
}

TEST(Membership, NewestSkeyCounts) {
  Room room;
  room.join(1);
  const UnixTime start = room.now;
  const auto skey = [&](std::uint32_t epoch, UnixTime time, unsigned key) {
    return room.add_raw(wire::Skey{room.people.identity(1), epoch, time, tunnel_of(key)},
                        room.people.key(1));
  };
  const auto current = [&] { return room.member(1).tunnel_key; };
  EXPECT_EQ(room.member(1).skey_epoch, 0U);
  EXPECT_TRUE(room.member(1).skey.is_zero());
  skey(1, start, 31);
  EXPECT_EQ(current(), tunnel_of(31));
  skey(2, start.plus(kHour).minus(std::chrono::seconds(1)), 32);
  room.now = start.plus(kHour);
  EXPECT_EQ(current(), tunnel_of(31)) << "sooner than an hour after the one before";
  const wire::StatementId third = skey(3, start.plus(kHour), 33);
  EXPECT_EQ(current(), tunnel_of(33));
  EXPECT_EQ(room.member(1).skey, third);
  EXPECT_EQ(room.member(1).skey_epoch, 3U);
  skey(5, start.plus(kHour * 9), 35);
  EXPECT_EQ(current(), tunnel_of(33)) << "from the future";
  EXPECT_EQ(room.view().next_change(), start.plus(kHour * 9).minus(kTolerance));
  skey(4, start.minus(kHour), 34);
  EXPECT_EQ(current(), tunnel_of(33)) << "back-dated";
  room.now = room.view().next_change();
  EXPECT_EQ(current(), tunnel_of(35));
  EXPECT_EQ(room.view().by_tunnel_key(tunnel_of(35))->identity, room.people.identity(1));
  EXPECT_EQ(room.view().by_tunnel_key(tunnel_of(1)), nullptr);
}

TEST(Membership, HighestConfigCounts) {
  Room room;
  room.join(1);
  room.make_admin(0, 1);
  EXPECT_EQ(room.view().config(), std::nullopt);
  const auto config = [&](unsigned person, std::uint64_t version, unsigned blob) {
    return room.add_raw(wire::Config{room.member(person).grant, version, {std::byte(blob)}},
                        room.people.key(person));
  };
  const wire::StatementId five = config(0, 5, 1);
  config(1, 4, 2);
  EXPECT_EQ(room.view().config(), five);
  const wire::StatementId same = config(1, 5, 3);
  EXPECT_EQ(room.view().config(), std::min(five, same));
  const wire::StatementId nine = config(1, 9, 4);
  EXPECT_EQ(room.view().config(), nine);
  room.kick_out(0, 1);
  EXPECT_EQ(room.view().config(), nine) << "what was in force survives";
}

TEST(Membership, BoundsLiveGrantsOfAnIssuer) {
  Room room;
  room.join(1);
  const UnixTime start = room.now;
  std::vector<wire::StatementId> grants;
  for (unsigned i = 0; i < 1026; ++i) {
    wire::Grant grant{.issuer = room.founded.grant,
                      .subject = room.people.identity(2),
                      .tunnel_key = tunnel_of(2),
                      .rank = 2,
                      .v4 = pool_address(1000 + i),
                      .not_before = start.plus(std::chrono::seconds(i)),
                      .not_after = i == 0 ? start.plus(kDay) : UnixTime::never()};
    grants.push_back(room.add_raw(grant, room.people.key(0)));
  }
  room.now = start.plus(kHour);
  const auto stands = [&](std::size_t i) {
    const Effect* effect = room.view().effect_of(grants[i]);
    return effect != nullptr;
  };
  // The invite by which person 1 came is one of the 1024, the oldest by its time 0.
  EXPECT_TRUE(stands(0));
  EXPECT_TRUE(stands(1022));
  EXPECT_FALSE(stands(1023));
  EXPECT_FALSE(stands(1025));
  EXPECT_TRUE(room.is_member(1));
  const auto more =
      make_invite(room.view(), room.set, room.author(0), room.options(), room.now, room.rng);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Errc::Busy);
  room.now = start.plus(kDay * 2);
  EXPECT_TRUE(stands(1023)) << "one expired";
  EXPECT_FALSE(stands(1024));
}

TEST(Membership, FreeNamesAndAddresses) {
  Room room(1, true, Prefix4{{0xc0a80100U}, 29});
  Membership all = room.view();
  EXPECT_EQ(all.free_name("alice", room.now), "alice-2");
  EXPECT_EQ(all.free_name("", room.now), "member");
  EXPECT_EQ(all.free_name("Not A Name", room.now), "member");
  EXPECT_EQ(all.free_name("bob", room.now), "bob");
  const std::string longest(32, 'a');
  EXPECT_EQ(all.free_name(longest, room.now), longest);
  EXPECT_EQ(all.free_address(room.now, 7), Ipv4{0xc0a80102U});
  InviteOptions options = room.options();
  options.name = "bob";
  options.address = Ipv4{0xc0a80102U};
  room.invite(0, options);
  all = room.view();
  EXPECT_EQ(all.free_name("bob", room.now), "bob-2");
  EXPECT_EQ(all.free_address(room.now, 0), Ipv4{0xc0a80103U});
  const UnixTime later = room.now.plus(kDay * 2);
  EXPECT_EQ(all.free_name("bob", later), "bob");
  EXPECT_EQ(all.free_address(later, 0), Ipv4{0xc0a80102U});
  for (unsigned person = 1; person <= 4; ++person) room.join(person);
  EXPECT_EQ(room.view().free_address(room.now, 3), std::nullopt) << "192.168.1.2 is reserved";
  room.now = room.now.plus(kMinute);
  const auto full = room.let_in(0, room.redemption(9, room.invite(0)));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error(), ByeReason::PoolExhausted);
}

TEST(Membership, AddressesSpreadOnceThereAreSeveralMembers) {
  Room room;
  for (unsigned person = 1; person <= 2; ++person) room.join(person);
  std::set<Ipv4> drawn;
  for (std::uint64_t spread = 0; spread < 64; ++spread) {
    drawn.insert(*room.view().free_address(room.now, spread));
  }
  EXPECT_EQ(drawn.size(), 16U);
  EXPECT_EQ(*drawn.begin(), pool_address(4));
}

}  // namespace
}  // namespace ipop::member
