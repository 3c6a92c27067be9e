// Devices of stock WireGuard: who may bring one, what it takes from nobody, how it ends.
#include "member/room_testing.h"

namespace ipop::member {
namespace {

class DeviceTest : public ::testing::Test {
 protected:
  DeviceTest() {
    room_.join(1);
    room_.join(2);
  }
  MadeDevice make(unsigned by, const std::string& name, std::optional<Ipv4> address = {}) {
    room_.now = room_.now.plus(kMinute);
    const auto made = make_device(
        room_.view(), room_.set, room_.author(by),
        {.name = name, .address = address, .key = tunnel_of(50 + keys_++)}, room_.now, room_.rng);
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    room_.add(made->statement);
    return *made;
  }
  wire::Grant device_grant(unsigned by, TunnelKey key) {
    wire::Grant grant{.issuer = room_.grants[by],
                      .tunnel_key = key,
                      .kind = wire::GrantKind::Device,
                      .rank = static_cast<std::uint8_t>(room_.member(by).rank + 1),
                      .v4 = pool_address(77),
                      .not_before = room_.now,
                      .name = "phone"};
    copy_bytes(grant.subject.bytes, key.view());
    return grant;
  }
  /// Error of a statement that the set refuses.
  std::string_view refused(decltype(wire::Statement::body) body, unsigned by) {
    const auto added = room_.set.add(room_.raw(std::move(body), room_.people.key(by)).bytes);
    return added ? "nothing" : added.error().what;
  }

  Room room_;
  unsigned keys_ = 0;
};

TEST_F(DeviceTest, IsHostedByWhoMadeItAndIsNoMember) {
  const MadeDevice made = make(1, "phone", pool_address(9));
  const Membership all = room_.view();
  ASSERT_EQ(all.devices().size(), 1U);
  const Device& device = all.devices().begin()->second;
  EXPECT_EQ(device.grant, made.grant);
  EXPECT_EQ(device.host, room_.node(1));
  EXPECT_EQ(device.v4, pool_address(9));
  EXPECT_EQ(device.v6, device_ipv6_of(room_.founded.network, made.grant));
  EXPECT_EQ(device.name, "phone");
  EXPECT_EQ(all.device_by_name("phone"), &device);
  EXPECT_EQ(all.device_by_v4(pool_address(9)), &device);
  EXPECT_EQ(all.members().size(), 3U);
  EXPECT_EQ(all.by_name("phone"), nullptr);
  EXPECT_EQ(all.by_tunnel_key(device.key), nullptr);
}

TEST_F(DeviceTest, TakesAFreeAddressAndItsNameAndAddressAreTakenThen) {
  const MadeDevice made = make(1, "phone");
  const Membership all = room_.view();
  EXPECT_TRUE(all.is_address_taken(made.v4, room_.now));
  EXPECT_TRUE(all.is_name_taken("phone", room_.now));
  const auto refusal = [&](const DeviceOptions& options) {
    const auto result = make_device(all, room_.set, room_.author(2), options, room_.now, room_.rng);
    return result ? std::string_view("nothing") : result.error().what;
  };
  EXPECT_EQ(refusal({.name = "phone", .key = tunnel_of(90)}), "this name is taken");
  EXPECT_EQ(refusal({.name = "tablet", .address = made.v4, .key = tunnel_of(90)}),
            "this address is taken");
  EXPECT_EQ(refusal({.name = "tablet", .address = Ipv4{0x0a000001}, .key = tunnel_of(90)}),
            "this address is not one of the network's");
  EXPECT_NE(refusal({.name = "Bad Name", .key = tunnel_of(90)}), "nothing");
  for (int i = 0; i < 40; ++i)
    EXPECT_NE(all.free_address(room_.now, room_.rng.next_u64()), made.v4);
}

TEST_F(DeviceTest, TakesNothingFromAMemberWhateverItsTime) {
  wire::Grant grant = device_grant(1, tunnel_of(60));
  grant.not_before = kStart.minus(kDay);
  grant.v4 = *room_.member(2).v4;
  room_.add_raw(grant, room_.people.key(1));
  grant.v4 = pool_address(80);
  grant.name = room_.member(2).name;
  room_.add_raw(grant, room_.people.key(1));
  EXPECT_TRUE(room_.view().devices().empty());
  EXPECT_TRUE(room_.member(2).v4.has_value());
  EXPECT_FALSE(room_.member(2).name.empty());
}

TEST_F(DeviceTest, GrantToAMembersIdentityGivesNothingOfThatMember) {
  TunnelKey key;
  copy_bytes(key.bytes, room_.people.identity(2).view());
  const Member before = room_.member(2);
  const wire::StatementId id = room_.add_raw(device_grant(1, key), room_.people.key(1));
  EXPECT_EQ(room_.member(2), before);
  // Nor does its subject act by it.
  room_.grants[2] = id;
  EXPECT_EQ(refused(wire::Revoke{.target = room_.people.identity(1), .issuer = id}, 2),
            "revoke by an invite key or a device");
  const Invited invited = room_.invite(0);
  const wire::StatementId redeemed = room_.redemption(5, invited);
  EXPECT_EQ(refused(wire::Admit{redeemed, id, room_.now, pool_address(5), "x"}, 2),
            "admit by somebody who is no member");
  wire::Grant nested = device_grant(1, tunnel_of(61));
  nested.issuer = id;
  ++nested.rank;
  EXPECT_EQ(refused(nested, 2), "a device issues nothing");
  // Taking it away takes nothing else away.
  const auto gone = remove_device(room_.view(), room_.set, room_.author(1), id, room_.now);
  ASSERT_TRUE(gone);
  room_.add(*gone);
  EXPECT_TRUE(room_.view().devices().empty());
  EXPECT_EQ(room_.member(2).tunnel_key, before.tunnel_key);
}

TEST_F(DeviceTest, RulesOfItsGrant) {
  wire::Grant grant = device_grant(1, tunnel_of(60));
  grant.subject = room_.people.identity(2);
  EXPECT_EQ(refused(grant, 1), "device whose subject is not its tunnel key");
  for (const int field : {0, 1, 2, 3}) {
    grant = device_grant(1, tunnel_of(60));
    if (field == 0) grant.v4 = {};
    if (field == 1) grant.name.clear();
    if (field == 2) grant.rights = wire::kRightJoin | wire::kRightInvite;
    if (field == 3) grant.uses = 1;
    EXPECT_FALSE(wire::is_consistent(grant)) << field;
  }
}

TEST_F(DeviceTest, NeedsTheRightToInvite) {
  Room strict(3, false);
  strict.join(1);
  const DeviceOptions options{.name = "phone", .key = tunnel_of(60)};
  const auto made =
      make_device(strict.view(), strict.set, strict.author(1), options, strict.now, strict.rng);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::Denied);
  EXPECT_TRUE(
      make_device(strict.view(), strict.set, strict.author(0), options, strict.now, strict.rng));
}

TEST_F(DeviceTest, ItsHostAndAdminsRemoveItAndTheSecretStays) {
  for (const unsigned by : {1U, 0U}) {
    const MadeDevice made = make(1, "phone");
    EXPECT_FALSE(remove_device(room_.view(), room_.set, room_.author(2), made.grant, room_.now));
    room_.now = room_.now.plus(kMinute);
    const auto gone =
        remove_device(room_.view(), room_.set, room_.author(by), made.grant, room_.now);
    ASSERT_TRUE(gone);
    room_.add(*gone);
    EXPECT_TRUE(room_.view().devices().empty());
    EXPECT_EQ(room_.view().secret().epoch, Epoch{0});
    EXPECT_FALSE(room_.view().is_name_taken("phone", room_.now)) << "and may come again";
  }
}

TEST_F(DeviceTest, GoesWithItsHost) {
  make(1, "phone");
  make(2, "tablet");
  room_.kick_out(0, 1);
  const Membership all = room_.view();
  EXPECT_EQ(all.device_by_name("phone"), nullptr);
  EXPECT_NE(all.device_by_name("tablet"), nullptr);
  room_.now = room_.now.plus(kMinute);
  const auto gone = leave(room_.view(), room_.set, room_.author(2), room_.now);
  ASSERT_TRUE(gone);
  room_.add(*gone);
  EXPECT_TRUE(room_.view().devices().empty());
}

TEST_F(DeviceTest, ComesNotBackWithItsHost) {
  room_.make_admin(0, 1);
  room_.join(3);
  const MadeDevice made = make(3, "phone");
  room_.now = room_.now.plus(kMinute);
  const Author admin{&room_.people.key(1), room_.member(1).grant};
  const auto bundle = kick(room_.view(), room_.set, admin, room_.node(3), room_.now, room_.rng);
  ASSERT_TRUE(bundle) << bundle.error().what;
  const auto revoke = std::get<wire::Revoke>(parse(bundle->statements.front()).body);
  EXPECT_EQ(std::ranges::count(revoke.keep, made.grant), 0) << "nobody else depends on it";
  room_.add(bundle->statements);
  ASSERT_FALSE(room_.is_member(3));
  // Who is nearer to the root overrules the admin.
  room_.now = room_.now.plus(kMinute);
  wire::StatementId root;
  copy_bytes(root.bytes, room_.founded.network.view());
  room_.add_raw(wire::Grant{.issuer = root,
                            .subject = room_.people.identity(3),
                            .tunnel_key = tunnel_of(3),
                            .rank = 1,
                            .rights = wire::kRightJoin,
                            .not_before = room_.now},
                room_.founded.root);
  ASSERT_TRUE(room_.is_member(3));
  EXPECT_TRUE(room_.view().devices().empty());
}

TEST_F(DeviceTest, SurvivesWhenItsHostStopsBeingAnAdmin) {
  room_.make_admin(0, 1);
  room_.now = room_.now.plus(kMinute);
  const Author admin{&room_.people.key(1), room_.member(1).grant};
  const auto made = make_device(room_.view(), room_.set, admin,
                                {.name = "phone", .key = tunnel_of(60)}, room_.now, room_.rng);
  ASSERT_TRUE(made);
  room_.add(made->statement);
  room_.now = room_.now.plus(kMinute);
  const auto removed =
      remove_admin(room_.view(), room_.set, room_.author(0), room_.node(1), room_.now);
  ASSERT_TRUE(removed);
  room_.add(*removed);
  EXPECT_FALSE(room_.member(1).admin());
  EXPECT_NE(room_.view().device_by_name("phone"), nullptr);
}

TEST_F(DeviceTest, OfTwoForOneNameOrAddressTheFirstHasIt) {
  wire::Grant first = device_grant(1, tunnel_of(60));
  wire::Grant second = device_grant(2, tunnel_of(61));
  second.not_before = second.not_before.plus(kMinute);
  room_.add_raw(second, room_.people.key(2));
  const wire::StatementId winner = room_.add_raw(first, room_.people.key(1));
  const Membership all = room_.view();
  ASSERT_EQ(all.devices().size(), 1U);
  EXPECT_TRUE(all.devices().contains(winner));
}

}  // namespace
}  // namespace ipop::member
