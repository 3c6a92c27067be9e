#include "member/room_testing.h"

namespace ipop::member {
namespace {

/// Person 0 founded the network, 1 and 2 are members, 1 an admin; X came by an invite of 2 that has
/// uses left, invited 6 and admitted 7; 8 is a member that helps X as far as it can.
constexpr unsigned kX = 5;
constexpr unsigned kInvitedByX = 6;
constexpr unsigned kAdmittedByX = 7;
constexpr unsigned kHelper = 8;
constexpr unsigned kFresh = 40;

class Kicked : public testing::Test {
 protected:
  explicit Kicked(std::uint64_t seed = 1, bool x_is_admin = false) : room_(seed) {
    room_.join(1);
    room_.make_admin(0, 1);
    room_.join(2, 1);
    room_.join(kHelper, 0);
    came_by_.emplace(room_.join(kX, 2, 2, 5));
    if (x_is_admin) room_.make_admin(1, kX);
    used_.emplace(room_.join(kInvitedByX, kX, kX, 4));
    room_.join(kAdmittedByX, 0, kX);
    unused_.emplace(room_.invite(kX, 3));
    room_.join(9, kInvitedByX);
    below_.emplace(room_.invite(kInvitedByX, 3));
    room_.now = room_.now.plus(kMinute);
  }

  Room room_;
  std::optional<Invited> came_by_, used_, unused_, below_;
};

using Kicking = Kicked;

std::map<wire::NodeId, Member> without(std::map<wire::NodeId, Member> members,
                                       const wire::NodeId& node) {
  members.erase(node);
  return members;
}

TEST_F(Kicking, RemovesOneAndNobodyElse) {
  const auto before = room_.view().members();
  const KickBundle bundle = room_.kick_out(1, kX);
  const Membership after = room_.view();
  EXPECT_EQ(after.members(), without(before, room_.node(kX)));
  EXPECT_TRUE(after.is_revoked(room_.people.identity(kX)));
  EXPECT_TRUE(after.is_revoked_tunnel_key(tunnel_of(kX)));
  EXPECT_EQ(after.refusal(room_.grants[kX]), wire::ByeReason::Revoked);
  EXPECT_EQ(after.secret().epoch, (Epoch{1}));
  EXPECT_EQ(bundle.next_epoch, (Epoch{1}));
  EXPECT_EQ(after.secret().commit, secret_commit_of(bundle.next_secret));
}

TEST_F(Kicking, ClosesEveryInviteAroundTheKicked) {
  const Invited other = room_.invite(0, 2);
  const KickBundle bundle = room_.kick_out(0, kX);
  std::vector<wire::StatementId> closed{came_by_->grant, used_->grant, unused_->grant,
                                        below_->grant};
  std::ranges::sort(closed);
  EXPECT_EQ(bundle.closed_invites, closed);
  unsigned person = 60;
  for (const Invited* invited : {&*came_by_, &*used_, &*unused_, &*below_}) {
    const auto in = room_.let_in(0, room_.redemption(++person, *invited));
    ASSERT_FALSE(in);
    EXPECT_TRUE(in.error() == wire::ByeReason::InviteRevoked) << static_cast<int>(in.error());
  }
  EXPECT_TRUE(room_.let_in(0, room_.redemption(90, other)));
}

TEST_F(Kicking, ByTheInviterWithoutRights) {
  const auto before = room_.view().members();
  room_.kick_out(2, kX);
  EXPECT_EQ(room_.view().members(), without(before, room_.node(kX)));
  EXPECT_EQ(room_.view().secret().epoch, (Epoch{1}));
}

TEST_F(Kicking, AKeyThatItsInviterRevokedIsNotLetInAgain) {
  room_.kick_out(2, kX);
  const auto in = room_.let_in(0, room_.redemption(kX, room_.invite(0)));
  ASSERT_FALSE(in);
  EXPECT_EQ(in.error(), wire::ByeReason::Revoked);
}

TEST_F(Kicking, ClosesAnInviteOfTheKickersOwnRank) {
  // The inviter is nearer to the root than the kicker; its invite stands level with the kicker.
  room_.make_admin(1, 2);
  const Invited invited = room_.join(20, 1, 1, 3);
  ASSERT_EQ(room_.grant(room_.member(2).grant).rank, 3);
  const Invited level = [&] {
    InviteOptions options = room_.options(3);
    options.rights = wire::kRightJoin | wire::kRightInvite | wire::kRightKick;
    return room_.invite(1, options);
  }();
  ASSERT_EQ(room_.grant(level.grant).rank, 3);
  ASSERT_TRUE(room_.let_in(0, room_.redemption(21, level)));
  const KickBundle bundle = room_.kick_out(2, 21);
  EXPECT_FALSE(room_.is_member(21));
  EXPECT_EQ(bundle.closed_invites, std::vector{level.grant});
  EXPECT_FALSE(room_.view().invites().at(level.grant).open);
  EXPECT_TRUE(room_.view().invites().at(invited.grant).open);
}

TEST_F(Kicking, SurvivesTheKickersOwnEnd) {
  room_.kick_out(1, kX);
  const auto before = room_.view().members();
  room_.kick_out(0, 1);
  EXPECT_EQ(room_.view().members(), without(before, room_.node(1)));
  EXPECT_FALSE(room_.is_member(kX));
  EXPECT_EQ(room_.view().secret().epoch, (Epoch{2}));
}

TEST_F(Kicking, OfTwoAtOnceLeavesWhatBothKeep) {
  // Two admins kick X without hearing of each other; one of them knows of an admission more.
  const Membership view = room_.view();
  const auto first = kick(view, room_.set, room_.author(0), room_.node(kX), room_.now, room_.rng);
  ASSERT_TRUE(first);
  const wire::StatementId late = room_.redemption(10, room_.invite(0));
  ASSERT_TRUE(room_.let_in(kX, late));
  const auto second =
      kick(room_.view(), room_.set, room_.author(1), room_.node(kX), room_.now, room_.rng);
  ASSERT_TRUE(second);
  room_.add(first->statements);
  room_.add(second->statements);
  EXPECT_FALSE(room_.is_member(kX));
  EXPECT_FALSE(room_.is_member(10)) << "removal wins";
  EXPECT_TRUE(room_.is_member(kInvitedByX));
  EXPECT_EQ(room_.view().secret().epoch, (Epoch{1}));
  // It asks again and comes in by somebody else.
  ASSERT_TRUE(room_.let_in(0, late));
  EXPECT_TRUE(room_.is_member(10));
}

TEST_F(Kicking, EqualsCannotKickEachOther) {
  room_.make_admin(0, 2);
  const auto bundle =
      kick(room_.view(), room_.set, room_.author(1), room_.node(2), room_.now, room_.rng);
  ASSERT_FALSE(bundle);
  EXPECT_EQ(bundle.error().code, Errc::Denied);
  const auto before = room_.view().members();
  room_.add_raw(
      wire::Revoke{
          .target = room_.people.identity(2), .issuer = room_.member(1).grant, .time = room_.now},
      room_.people.key(1));
  EXPECT_EQ(room_.view().members().at(room_.node(2)).rank, 2);
}

TEST_F(Kicking, NobodyRisesByGrantingToASuperior) {
  // Person 2 redeems an own invite for the admin's key and revokes it as its issuer.
  const Invited trap = room_.invite(2);
  const auto redeemed =
      redeem(*trap.statement, trap.key, room_.people.identity(1), tunnel_of(1), "guest", room_.now);
  ASSERT_TRUE(redeemed);
  room_.add(redeemed->statement);
  room_.now = room_.now.plus(kMinute);
  ASSERT_TRUE(room_.let_in(kHelper, redeemed->grant));
  const Member before = room_.member(1);
  room_.add_raw(
      wire::Revoke{
          .target = room_.people.identity(1), .issuer = room_.grants[2], .time = room_.now},
      room_.people.key(2));
  EXPECT_EQ(room_.member(1), before);
}

TEST_F(Kicking, NobodyIsExpelledByADeparture) {
  // X goes and takes nothing along: neither whom it admitted for others …
  room_.add_raw(
      wire::Revoke{
          .target = room_.people.identity(kX), .issuer = room_.grants[kX], .time = room_.now},
      room_.people.key(kX));
  EXPECT_FALSE(room_.is_member(kX));
  EXPECT_TRUE(room_.is_member(kAdmittedByX));
  // … but those it vouched for itself go with it.
  EXPECT_FALSE(room_.is_member(kInvitedByX));
}

TEST_F(Kicking, TheSecretCannotBeSentToAnEpochFarAhead) {
  wire::Revoke revoke{.target = room_.people.identity(kInvitedByX),
                      .issuer = room_.grants[kX],
                      .time = room_.now,
                      .next_epoch = {UINT32_MAX}};
  revoke.next_commit.bytes[0] = std::byte{1};
  room_.add_raw(revoke, room_.people.key(kX));
  EXPECT_FALSE(room_.is_member(kInvitedByX));
  EXPECT_EQ(room_.view().secret().epoch, (Epoch{0}));
  // Nor by closing an own invite, which expels nobody.
  revoke.target = unused_->key.public_key();
  revoke.next_epoch = {1};
  room_.add_raw(revoke, room_.people.key(kX));
  EXPECT_EQ(room_.view().secret().epoch, (Epoch{0}));
  room_.kick_out(0, kX);
  EXPECT_EQ(room_.view().secret().epoch, (Epoch{1}));
}

/// Everything X can still sign after it was kicked, with what it kept and with the helper's ADMITs.
class Adversary {
 public:
  Adversary(Room& room, std::uint64_t seed, std::vector<const Invited*> seeds, bool has_friend)
      : room_(&room), rng_(seed), seeds_(std::move(seeds)), has_friend_(has_friend) {
    own_ = room.set.grants_of(room.people.identity(kX));
    for (const auto& [id, stored] : room.set.all()) known_.push_back(id);
  }

  const std::vector<wire::StatementId>& redemptions() const { return redemptions_; }

  void act() {
    Room& room = *room_;
    const crypto::SigningKey& x = room.people.key(kX);
    switch (rng_.below(10)) {
      case 0:
      case 1:
      case 2:
        return redeem_something();
      case 3:
        return admit_something(one_of(own_), x);
      case 4:
        return admit_something(room.grants[kHelper], room.people.key(kHelper));
      case 5:
        // A redemption made up from nothing, admitted by another one.
        if (fresh_.empty()) return;
        return admit_something(one_of(redemptions_), room.people.key(one_of(fresh_)));
      case 6:
        return grant_something(x);
      case 7: {
        const unsigned people[] = {0, 1, 2, kX, kInvitedByX, kAdmittedByX, kHelper, 9};
        wire::Revoke revoke{.target = room.people.identity(people[rng_.below(8)]),
                            .issuer = one_of(own_),
                            .time = some_time(),
                            .next_epoch = {static_cast<std::uint32_t>(1 + rng_.below(3))},
                            .keep = some_ids()};
        revoke.next_commit.bytes[0] = std::byte{1};
        return put(revoke, x);
      }
      case 8:
        return put(wire::Skey{x.public_key(), static_cast<std::uint32_t>(1 + rng_.below(3)),
                              some_time(), tunnel_of(kFresh)},
                   x);
      default:
        return help_x_back();
    }
  }

 private:
  template <class T>
  const T& one_of(const std::vector<T>& list) {
    return list[rng_.below(list.size())];
  }
  UnixTime some_time() {
    return rng_.below(3) == 0 ? kStart : room_->now.minus(std::chrono::seconds(rng_.below(7200)));
  }
  std::vector<wire::StatementId> some_ids() {
    std::vector<wire::StatementId> out;
    for (const wire::StatementId& id : known_) {
      if (rng_.below(2) == 0) out.push_back(id);
    }
    return out;
  }
  wire::StatementId put(decltype(wire::Statement::body) body, const crypto::SigningKey& key, int) {
    const StoredStatement made = room_->raw(std::move(body), key);
    (void)room_->set.add(made.bytes);
    return made.id;
  }
  void put(decltype(wire::Statement::body) body, const crypto::SigningKey& key) {
    (void)put(std::move(body), key, 0);
  }
  void redeem_something() {
    const Invited& invited = *one_of(seeds_);
    const unsigned person = rng_.below(5) == 0 ? kX : kFresh + static_cast<unsigned>(rng_.below(9));
    const auto made =
        redeem(*invited.statement, invited.key, room_->people.identity(person),
               tunnel_of(kFresh + static_cast<unsigned>(rng_.below(50))), "back", room_->now);
    if (!made || !room_->set.add(made->statement)) return;
    redemptions_.push_back(made->grant);
    fresh_.push_back(person);
  }
  void admit_something(const wire::StatementId& by, const crypto::SigningKey& key) {
    if (redemptions_.empty()) return;
    put(wire::Admit{one_of(redemptions_), by, some_time(),
                    pool_address(2 + static_cast<std::uint32_t>(rng_.below(20))), "guest"},
        key);
  }
  void grant_something(const crypto::SigningKey& x) {
    const wire::StatementId by = one_of(own_);
    const unsigned person = kFresh + static_cast<unsigned>(rng_.below(9));
    wire::Grant grant{.issuer = by,
                      .subject = room_->people.identity(person),
                      .tunnel_key = tunnel_of(kFresh),
                      .rank = static_cast<std::uint8_t>(room_->grant(by).rank + 1),
                      .v4 = pool_address(3),
                      .not_before = some_time(),
                      .name = "guest"};
    if (rng_.below(2) == 0) {
      grant.kind = wire::GrantKind::Invite;
      grant.tunnel_key = {};
      grant.v4 = {};
      grant.name.clear();
      grant.not_before = {};
      grant.uses = 9;
      grant.redeem_until = UnixTime::never();
      invites_.push_back({{}, room_->people.key(person).clone(), nullptr});
      invites_.back().grant = put(grant, x, 0);
      const StoredStatement* stored = room_->set.find(invites_.back().grant);
      if (stored == nullptr) return;
      invites_.back().statement = &stored->statement;
      seeds_.push_back(&invites_.back());
      return;
    }
    put(grant, x);
  }
  /// The helper invites X's own key once more. (Where X was put out by its inviter alone, others
  /// may do so.)
  void help_x_back() {
    if (!has_friend_) return;
    Room& room = *room_;
    const Invited invited = room.invite(kHelper);
    const auto made = redeem(*invited.statement, invited.key, room.people.identity(kX),
                             tunnel_of(kX), "back", room.now);
    ASSERT_TRUE(made);
    room.add(made->statement);
    own_.push_back(made->grant);
    put(wire::Admit{made->grant, room.grants[kHelper], some_time(), pool_address(4), "back"},
        room.people.key(kHelper));
  }

  Room* room_;
  SeededRng rng_;
  std::vector<const Invited*> seeds_;
  bool has_friend_;
  std::vector<wire::StatementId> own_;
  std::vector<wire::StatementId> known_;
  std::vector<wire::StatementId> redemptions_;
  std::vector<unsigned> fresh_;
  std::deque<Invited> invites_;
};

struct Story : Kicked {
  Story(std::uint64_t seed, bool x_is_admin) : Kicked(seed, x_is_admin) {}
  void TestBody() override {}

  void stays_out(std::uint64_t seed, unsigned kicker) {
    room_.kick_out(kicker, kX);
    const Membership expected = room_.view();
    Adversary adversary(room_, seed, {&*came_by_, &*used_, &*unused_, &*below_}, kicker != 2);
    const std::size_t before = room_.set.size();
    for (int i = 0; i < 25; ++i) adversary.act();
    ASSERT_GT(room_.set.size(), before + 10) << "what it signs is well-formed";
    ASSERT_FALSE(adversary.redemptions().empty());
    const Membership after = room_.view();
    ASSERT_TRUE(after.is_revoked(room_.people.identity(kX)));
    ASSERT_EQ(after.members(), expected.members());
    ASSERT_EQ(after.secret(), expected.secret());
    for (const wire::StatementId& redeemed : adversary.redemptions()) {
      ASSERT_FALSE(admit(after, room_.set, room_.author(0), redeemed, room_.now, room_.rng));
    }
    // It was not too early for what was dated into the future, nor is it a matter of order.
    std::vector<ByteVector> all = bytes_of(room_.set);
    shuffle(all, room_.rng);
    StatementSet elsewhere(room_.founded.network);
    for (const ByteVector& bytes : all) ASSERT_TRUE(elsewhere.add(bytes));
    ASSERT_EQ(Membership::evaluate(elsewhere, room_.now.plus(kDay)).members(), expected.members());
  }
};

TEST(KickProperty, WhoWasKickedStaysOutWhateverItKept) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    const bool x_is_admin = seed % 2 == 0;
    const unsigned kickers[] = {0, 1, 2};
    Story story(seed, x_is_admin);
    story.stays_out(seed, kickers[seed % (x_is_admin ? 2 : 3)]);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Kick, OutdatesEverybodysInvites) {
  Room room;
  room.join(1);
  room.join(2);
  InviteOptions options = room.options();
  options.name = "printer";
  options.address = pool_address(77);
  const Invited before = room.invite(2, options);
  EXPECT_FALSE(room.view().invites().at(before.grant).outdated);
  EXPECT_TRUE(room.view().is_name_taken("printer", room.now));

  room.kick_out(0, 1);
  const Membership kicked = room.view();
  EXPECT_TRUE(kicked.invites().at(before.grant).outdated);
  EXPECT_FALSE(kicked.is_name_taken("printer", room.now)) << "what nobody can redeem keeps nothing";
  EXPECT_FALSE(kicked.is_address_taken(pool_address(77), room.now));

  options.epoch = kicked.secret().epoch;
  const Invited after = room.invite(2, options);
  EXPECT_FALSE(room.view().invites().at(after.grant).outdated);
  EXPECT_TRUE(room.view().is_name_taken("printer", room.now));
}

}  // namespace
}  // namespace ipop::member
