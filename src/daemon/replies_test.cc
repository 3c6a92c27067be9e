#include "daemon/replies.h"

#include <gtest/gtest.h>

#include "engine/text.h"

namespace ipop::daemon {
namespace {

using member::Refusal;

std::vector<Endpoint> hosts(std::initializer_list<const char*> texts) {
  std::vector<Endpoint> out;
  for (const char* text : texts) out.push_back(*Endpoint::parse(text));
  return out;
}

TEST(AdviceOnHosts, WhoNamesLocalAddressesOnlyIsTold) {
  const auto advice =
      advice_on_hosts(hosts({"192.168.1.5:41820", "100.64.0.3:41820", "[fd00::5]:41820"}), 41820);
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice[0].code, "local_invite");
  EXPECT_NE(advice[0].next.find("UDP port 41820"), std::string::npos) << advice[0].next;
}

TEST(AdviceOnHosts, OneThatAnybodyMayCallIsEnough) {
  EXPECT_TRUE(advice_on_hosts(hosts({"192.168.1.5:41820", "203.0.113.7:41820"}), 41820).empty());
  EXPECT_TRUE(advice_on_hosts(hosts({"[2001:db8::1]:41820"}), 41820).empty());
}

// Bug: the code was guessed from words in the message, so that a subnet was called a bad name, and
// who was an admin already was told to wait.
TEST(Refusals, EachHasItsCodeAndItsNextStep) {
  struct Case {
    Refusal why;
    const char* code;
    const char* next;  ///< has these words
  };
  constexpr Case kCases[] = {
      {Refusal::BadName, "bad_name", "letters"},
      {Refusal::NameTaken, "name_taken", "another name"},
      {Refusal::AddressOutside, "bad_address", "free address"},
      {Refusal::AddressTaken, "address_taken", "free address"},
      {Refusal::SubnetSize, "bad_subnet", "--subnet"},
      {Refusal::SubnetReserved, "bad_subnet", "--subnet"},
      {Refusal::PoolFull, "pool_full", "kick"},
      {Refusal::FixedForMany, "usage", "--uses"},
      {Refusal::NoUses, "usage", "--help"},
      {Refusal::UsesOfPlain, "not_allowed", "several invites"},
      {Refusal::InvitesNobody, "usage", "--help"},
      {Refusal::ForeignRights, "not_allowed", "admin"},
      {Refusal::AlreadyOver, "usage", "--expires"},
      {Refusal::DamagedInvite, "damaged_invite", "copy"},
      {Refusal::ExpiredInvite, "expired_invite", "new one"},
      {Refusal::BadKey, "usage", "another key"},
      {Refusal::TooDeep, "depth_exhausted", "founder's computer"},
      {Refusal::TooManyLive, "busy", "wait"},
      {Refusal::NoEpochLeft, "busy", "wait"},
      {Refusal::KeyTooYoung, "busy", "wait"},
      {Refusal::NotAMember, "not_allowed", "new invite"},
      {Refusal::MayNotInvite, "not_allowed", "admin"},
      {Refusal::MayNotKick, "not_allowed", "admin"},
      {Refusal::EqualRank, "not_allowed", "founder"},
      {Refusal::KickOneself, "not_allowed", "ipop leave"},
      {Refusal::MayNotMakeAdmins, "not_allowed", "admin"},
      {Refusal::MayNotKeepMember, "not_allowed", "admin"},
      {Refusal::UnknownMember, "unknown_member", "ipop status"},
      {Refusal::UnknownDevice, "unknown_member", "ipop device list"},
      {Refusal::AlreadyAdmin, "already_admin", "nothing is left to do"},
      {Refusal::NoAdmin, "not_admin", "nothing is left to do"},
  };
  EXPECT_EQ(std::size(kCases), static_cast<std::size_t>(Refusal::NoAdmin) + 1) << "all of them";
  std::size_t index = 0;
  for (const Case& c : kCases) {
    const member::Refused refused = member::refuse(c.why).error();
    SCOPED_TRACE(refused.what);
    EXPECT_EQ(static_cast<std::size_t>(c.why), index++);
    const control::ControlError error = error_of(engine::error_of(refused));
    EXPECT_EQ(control::error_name(error.code), c.code);
    EXPECT_EQ(error.message, refused.what);
    EXPECT_NE(error.next.find(c.next), std::string::npos) << error.next;
  }
}

}  // namespace
}  // namespace ipop::daemon
