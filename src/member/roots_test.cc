// Who is the root: hand-over, recovery, and what a thief of the root's key can still do.

#include "member/membership.h"
#include "member/room_testing.h"

namespace ipop::member {
namespace {

class Roots : public testing::Test {
 protected:
  wire::StatementId roll(std::uint32_t epoch, unsigned root, wire::Roll::Signer signer,
                         const crypto::SigningKey& key) {
    return room_.add_raw(wire::Roll{.epoch = epoch,
                                    .root = room_.people.identity(root),
                                    .recovery = room_.people.identity(root + 1),
                                    .signer = signer},
                         key);
  }
  unsigned current() {
    const IdentityKey root = room_.view().root();
    for (unsigned n = 30; n < 50; ++n) {
      if (room_.people.identity(n) == root) return n;
    }
    return 0;
  }
  wire::Grant root_grant(const wire::StatementId& issuer, unsigned subject) {
    return {.issuer = issuer,
            .subject = room_.people.identity(subject),
            .tunnel_key = tunnel_of(subject),
            .not_before = room_.now};
  }

  Room room_;
};

TEST_F(Roots, HandOver) {
  const wire::StatementId first = roll(1, 30, wire::Roll::Signer::Root, room_.founded.root);
  EXPECT_EQ(current(), 30U);
  EXPECT_EQ(room_.view().root_issuer(), first);
  EXPECT_TRUE(room_.is_member(0));
  // The root of GENESIS keeps its name as an issuer; the new one is named by its ROLL.
  room_.add_raw(root_grant(first, 5), room_.people.key(30));
  EXPECT_TRUE(room_.is_member(5));
  EXPECT_FALSE(room_.set.add(room_.raw(root_grant(first, 6), room_.founded.root).bytes));
  roll(2, 32, wire::Roll::Signer::Root, room_.people.key(30));
  EXPECT_EQ(current(), 32U);
}

TEST_F(Roots, AnEpochMustFollowTheOneBefore) {
  const auto added = room_.set.add(room_
                                       .raw(wire::Roll{.epoch = 2,
                                                       .root = room_.people.identity(30),
                                                       .recovery = room_.people.identity(31)},
                                            room_.founded.root)
                                       .bytes);
  ASSERT_TRUE(added);
  EXPECT_EQ(*added, StatementSet::Added::Waiting);
  EXPECT_EQ(current(), 0U);
}

TEST_F(Roots, RecoveryBeatsTheRootAndTiesFallToTheLowerId) {
  roll(1, 30, wire::Roll::Signer::Root, room_.founded.root);
  roll(2, 32, wire::Roll::Signer::Root, room_.people.key(30));
  EXPECT_EQ(current(), 32U);
  roll(1, 34, wire::Roll::Signer::Recovery, room_.founded.recovery);
  EXPECT_EQ(current(), 34U) << "the thief's line is cut off where recovery branches";
  const wire::StatementId a = roll(2, 36, wire::Roll::Signer::Root, room_.people.key(34));
  const wire::StatementId b = roll(2, 38, wire::Roll::Signer::Root, room_.people.key(34));
  EXPECT_EQ(current(), a < b ? 36U : 38U);
}

TEST_F(Roots, NobodyButASuccessorRevokesARoot) {
  const wire::StatementId own = root_issuer_of(room_.founded.network);
  const wire::StatementId first = roll(1, 30, wire::Roll::Signer::Root, room_.founded.root);
  room_.add_raw(root_grant(first, 5), room_.people.key(30));
  for (const IdentityKey& target : {room_.people.identity(30), room_.founded.root.public_key()}) {
    room_.add_raw(wire::Revoke{.target = target, .issuer = own, .time = room_.now},
                  room_.founded.root);
  }
  room_.add_raw(wire::Revoke{.target = room_.founded.root.public_key(),
                             .issuer = room_.founded.grant,
                             .time = room_.now},
                room_.people.key(0));
  EXPECT_TRUE(room_.is_member(5));
  EXPECT_TRUE(room_.is_member(0));
}

TEST_F(Roots, AThiefOfTheRootIsShutOut) {
  room_.join(1);
  const wire::StatementId own = root_issuer_of(room_.founded.network);
  const wire::StatementId stolen = room_.add_raw(root_grant(own, 6), room_.founded.root);
  roll(1, 40, wire::Roll::Signer::Root, room_.founded.root);
  EXPECT_TRUE(room_.is_member(6));
  const wire::StatementId recovered =
      roll(1, 30, wire::Roll::Signer::Recovery, room_.founded.recovery);
  room_.add_raw(wire::Revoke{.target = room_.founded.root.public_key(),
                             .issuer = recovered,
                             .time = room_.now,
                             .keep = {room_.founded.grant}},
                room_.people.key(30));
  EXPECT_TRUE(room_.is_member(0));
  EXPECT_TRUE(room_.is_member(1));
  EXPECT_FALSE(room_.is_member(6));
  EXPECT_EQ(room_.view().effect_of(stolen), nullptr);
  // Whatever the thief signs from now on.
  wire::Grant grant = root_grant(own, 7);
  grant.not_before = kStart;
  room_.add_raw(grant, room_.founded.root);
  room_.add_raw(wire::Revoke{.target = room_.people.identity(0), .issuer = own, .time = kStart},
                room_.founded.root);
  room_.add_raw(wire::Revoke{.target = room_.people.identity(30), .issuer = own, .time = kStart},
                room_.founded.root);
  EXPECT_FALSE(room_.is_member(7));
  EXPECT_TRUE(room_.is_member(0));
  EXPECT_EQ(current(), 30U);
}

}  // namespace
}  // namespace ipop::member
