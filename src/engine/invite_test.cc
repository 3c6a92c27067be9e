#include "member/invite.h"

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/stored.h"
#include "member/room_testing.h"

namespace ipop::engine {
namespace {

/// Person `n` of a room, as its computer restores it.
class RestoredMember {
 public:
  RestoredMember(member::Room& room, unsigned n) {
    StoredIdentity identity;
    identity.network = room.founded.network;
    identity.identity_seed = room.people.key(n).seed().clone();
    identity.tunnel_secret = crypto::Secret<32>::random(room.rng);
    identity.grant = room.grants[n];
    identity.name = "family";
    std::vector<StoredSecret> secrets;
    secrets.push_back({Epoch{0}, room.founded.secret.clone()});
    std::vector<Bytes> statements;
    for (const auto& [id, stored] : room.set.all()) statements.emplace_back(stored.bytes);
    now_.wall = room.now;
    const auto restored = engine_.restore(now_, "family",
                                          {.identity = write_stored_identity(identity),
                                           .secrets = write_stored_secrets(secrets),
                                           .statements = write_stored_statements(statements)});
    EXPECT_TRUE(restored) << restored.error();
    engine_.handle_local_network(now_, {{*IpAddress::parse("192.0.2.7")}, {}});
  }

  Outcome<InviteMade> invite() { return engine_.invite(now_, "family", {}); }
  std::size_t open_invites() const { return engine_.status(now_)[0].invites.size(); }

 private:
  Now now_{};
  SeededRng rng_{1};
  NullLogger log_;
  Engine engine_{rng_, log_, {.port = 41820}};
};

TEST(Invite, FromTheFarthestMemberIsGivenOut) {
  member::Room room;
  member::make_deepest_line(room);
  RestoredMember farthest(room, 6);
  const auto made = farthest.invite();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(member::read_invite(made->text));
  EXPECT_EQ(farthest.open_invites(), 1U);
}

TEST(Invite, WithTooLongAChainIsRefusedAndNothingIsSigned) {
  member::Room room;
  member::make_interwoven_lines(room);
  RestoredMember last(room, 16);
  const auto made = last.invite();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().failure, Failure::TooDeep);
  EXPECT_NE(made.error().next.find("founder's computer"), std::string::npos);
  EXPECT_EQ(last.open_invites(), 0U);
}

TEST(Invite, ByWhoMayNotInviteAnyFurtherNamesWhoMay) {
  member::Room room;
  member::make_deepest_line(room);
  room.join(7, 6);
  const auto made = RestoredMember(room, 7).invite();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().failure, Failure::TooDeep);
  EXPECT_NE(made.error().next.find("founder's computer"), std::string::npos);
}

TEST(Invite, WithoutTheSecretOfTheLastKickIsNotMade) {
  member::Room room;
  room.join(1);
  room.join(2);
  room.kick_out(0, 1);
  const auto made = RestoredMember(room, 2).invite();
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("new secret"), std::string::npos);
}

}  // namespace
}  // namespace ipop::engine
