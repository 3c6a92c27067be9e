#include "member/refusal.h"

#include <array>

#include "base/check.h"

namespace ipop::member {
namespace {

constexpr std::array kRefusals{
    Refused{Refusal::BadName, Errc::BadValue, "a name has 1 to 32 of a-z, 0-9 and inner hyphens"},
    Refused{Refusal::NameTaken, Errc::BadValue, "this name is taken"},
    Refused{Refusal::AddressOutside, Errc::BadValue, "this address is not one of the network's"},
    Refused{Refusal::AddressTaken, Errc::BadValue, "this address is taken"},
    Refused{Refusal::SubnetSize, Errc::BadValue, "a subnet is between /8 and /30"},
    Refused{Refusal::SubnetReserved, Errc::BadValue,
            "no computer can have addresses of this subnet: 0.0.0.0/8, 127.0.0.0/8, "
            "169.254.0.0/16 and all from 224.0.0.0 on have meanings of their own"},
    Refused{Refusal::PoolFull, Errc::Busy, "the network has no free address left"},
    Refused{Refusal::FixedForMany, Errc::BadValue,
            "an invite with a name or an address is for one person"},
    Refused{Refusal::NoUses, Errc::BadValue, "an invite has at least one use"},
    Refused{Refusal::UsesOfPlain, Errc::Denied, "your invites may have at most 32 uses"},
    Refused{Refusal::InvitesNobody, Errc::BadValue, "an invite lets somebody join"},
    Refused{Refusal::ForeignRights, Errc::Denied, "you cannot give rights that you do not have"},
    Refused{Refusal::AlreadyOver, Errc::BadValue, "an invite expires in the future"},
    Refused{Refusal::DamagedInvite, Errc::BadValue, "the invite is damaged"},
    Refused{Refusal::ExpiredInvite, Errc::Denied, "the invite has expired"},
    Refused{Refusal::BadKey, Errc::BadValue, "a key that nobody can have"},
    Refused{Refusal::TooDeep, Errc::Busy, "too many invites between you and the founder"},
    Refused{Refusal::TooManyLive, Errc::Busy, "you have 1024 invites and grants that are in use"},
    Refused{Refusal::NoEpochLeft, Errc::Busy, "no epoch is left"},
    Refused{Refusal::KeyTooYoung, Errc::Busy, "the tunnel key is younger than an hour"},
    Refused{Refusal::NotAMember, Errc::Denied, "you are not a member of this network (any more)"},
    Refused{Refusal::MayNotInvite, Errc::Denied,
            "you may not invite, nor bring devices, into this network"},
    Refused{Refusal::MayNotKick, Errc::Denied, "you may not remove this member or its rights"},
    Refused{Refusal::EqualRank, Errc::Denied,
            "you may not kick this member: it is as near to the founder"},
    Refused{Refusal::KickOneself, Errc::Denied, "you cannot kick yourself"},
    Refused{Refusal::MayNotMakeAdmins, Errc::Denied, "you may not make somebody an admin"},
    Refused{Refusal::MayNotKeepMember, Errc::Denied,
            "you may not take this member's rights and leave it a member"},
    Refused{Refusal::UnknownMember, Errc::NotFound, "no such member"},
    Refused{Refusal::UnknownDevice, Errc::NotFound, "no such device"},
    Refused{Refusal::AlreadyAdmin, Errc::Busy, "this member is an admin already"},
    Refused{Refusal::NoAdmin, Errc::NotFound, "this member is no admin"},
};

// The table is indexed by the reason, so it must be complete and in order.
constexpr bool in_order() {
  for (std::size_t i = 0; i < kRefusals.size(); ++i) {
    if (static_cast<std::size_t>(kRefusals[i].why) != i) return false;
  }
  return kRefusals.size() == static_cast<std::size_t>(Refusal::NoAdmin) + 1;
}
static_assert(in_order());

}  // namespace

std::unexpected<Refused> refuse(Refusal why) {
  const auto index = static_cast<std::size_t>(why);
  check(index < kRefusals.size());
  return std::unexpected(kRefusals[index]);
}

}  // namespace ipop::member
