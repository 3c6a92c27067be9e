#include "member/invite.h"

#include "crypto/blake2s.h"
#include "member/room_testing.h"

namespace ipop::member {
namespace {

wire::Invite invite_of(Room& room, const Invited& invited) {
  wire::Invite out{.network = room.founded.network, .grant = *invited.statement};
  copy_bytes(out.seed, invited.key.seed().reveal());
  copy_bytes(out.secret, room.founded.secret.reveal());
  out.hosts.push_back({tunnel_of(0), *Endpoint::parse("192.0.2.1:41820")});
  return out;
}

TEST(Invite, ReadsWhatItWrote) {
  Room room;
  const Invited invited = room.invite(0, 3);
  const wire::Invite invite = invite_of(room, invited);
  const auto read = read_invite(invite_string(invite));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->grant, invited.grant);
  EXPECT_EQ(read->key.public_key(), invited.key.public_key());
  EXPECT_EQ(read->invite.network, room.founded.network);
  EXPECT_EQ(statement_id_of(read->invite.grant), invited.grant);
  EXPECT_EQ(read->invite.grant.signature, invited.statement->signature);
}

TEST(Invite, OfTheFounderIsShort) {
  Room room;
  EXPECT_LE(wire::write_invite(invite_of(room, room.invite(0))).size(), 380U);
}

TEST(Invite, OfWhoIsFarthestFromTheFounderIsReadable) {
  Room room;
  make_deepest_line(room);
  InviteOptions options = room.options();
  options.name = std::string(wire::kNameMax, 'n');
  options.address = pool_address(77);
  const Invited invited = room.invite(6, options);
  wire::Invite invite = invite_of(room, invited);
  invite.chain = invite_chain(room.set, room.grants[6]);
  invite.hosts.clear();
  for (unsigned n = 0; n < wire::kInviteHostsMax; ++n) {
    invite.hosts.push_back({tunnel_of(n), *Endpoint::parse("[2001:db8::1]:41820")});
  }
  EXPECT_EQ(wire::write_invite(invite).size(), 4413U) << "the figure at kInviteSizeMax";
  EXPECT_TRUE(wire::is_invite_readable(invite));
  const auto read = read_invite(invite_string(invite));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->invite.chain, invite.chain);
  // Whoever comes by it is a member, and the first who may not invite.
  EXPECT_TRUE(room.let_in(0, room.redemption(7, invited)));
  const auto one_more =
      make_invite(room.view(), room.set, room.author(7), room.options(), room.now, room.rng);
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().what, "too many invites between you and the founder");
}

TEST(Invite, OfInterwovenLinesIsTooLong) {
  Room room;
  make_interwoven_lines(room);
  wire::Invite invite = invite_of(room, room.invite(16));
  invite.chain = invite_chain(room.set, room.grants[16]);
  EXPECT_FALSE(wire::is_invite_readable(invite)) << invite.chain.size() << " statements";
}

TEST(Invite, EveryChangedCharacterIsNoticed) {
  Room room;
  const std::string text = invite_string(invite_of(room, room.invite(0)));
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') continue;
    std::string typo = text;
    typo[i] = text[i] == 'B' ? 'C' : 'B';
    const auto read = read_invite(typo);
    ASSERT_FALSE(read) << i;
    EXPECT_FALSE(read.error().what.empty());
  }
}

TEST(Invite, ErrorsSayWhatIsWrong) {
  Room room;
  const std::string text = invite_string(invite_of(room, room.invite(0)));
  struct Case {
    std::string text;
    Errc code;
    std::string_view says;
  };
  ByteVector newer = wire::write_invite(invite_of(room, room.invite(0)));
  newer[0] = std::byte{3};
  const Case cases[] = {
      {"", Errc::BadValue, "not an ipop invite"},
      {"hello", Errc::BadValue, "not an ipop invite"},
      {"https://example.org/", Errc::BadValue, "not an ipop invite"},
      {text.substr(0, text.size() - 8), Errc::BadValue, "damaged"},
      {text + "AAAAAAAA", Errc::BadValue, "damaged"},
      {text.substr(0, 20), Errc::BadValue, "damaged"},
      {"IPOP2-" + text.substr(6), Errc::Unsupported, "newer"},
      {wire::invite_text(newer, {}), Errc::Unsupported, "newer"},
  };
  for (const Case& c : cases) {
    const auto read = read_invite(c.text);
    ASSERT_FALSE(read) << c.text;
    EXPECT_EQ(read.error().code, c.code) << c.text;
    EXPECT_NE(read.error().what.find(c.says), std::string_view::npos) << read.error().what;
  }
}

}  // namespace
}  // namespace ipop::member
