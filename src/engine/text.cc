#include "engine/text.h"

namespace ipop::engine {

CommandError error_of(const member::Refused& refused) {
  using member::Refusal;
  const auto error = [&](Failure failure, const char* next) {
    return CommandError{failure, std::string(refused.what), next};
  };
  constexpr const char* kNames =
      "names have 1 to 32 letters a-z, digits and hyphens inside, like `alice-laptop`";
  constexpr const char* kFreeAddress = "choose a free address inside the network's subnet";
  constexpr const char* kSubnet =
      "choose one of private addresses, like 10.83.0.0/16 or 192.168.77.0/24, or leave --subnet "
      "away: a free one is drawn";
  constexpr const char* kAskAdmin = "ask an admin of the network (`ipop status` marks them)";
  constexpr const char* kMembers = "`ipop status` lists the members";
  switch (refused.why) {
    case Refusal::BadName:
      return error(Failure::BadName, kNames);
    case Refusal::NameTaken:
      return error(Failure::NameTaken, "choose another name");
    case Refusal::AddressOutside:
      return error(Failure::BadAddress, kFreeAddress);
    case Refusal::AddressTaken:
      return error(Failure::AddressTaken, kFreeAddress);
    case Refusal::SubnetSize:
    case Refusal::SubnetReserved:
      return error(Failure::BadSubnet, kSubnet);
    case Refusal::PoolFull:
      return error(Failure::PoolFull,
                   "kick members and devices that are gone, or found a network with a larger "
                   "--subnet");
    case Refusal::FixedForMany:
      return error(Failure::BadRequest, "leave --uses away, or --name and --address");
    case Refusal::NoUses:
    case Refusal::InvitesNobody:
      return error(Failure::BadRequest, "`ipop invite --help` shows what an invite may be");
    case Refusal::UsesOfPlain:
      return error(Failure::NotAllowed, "make several invites, or ask an admin for one");
    case Refusal::AlreadyOver:
      return error(Failure::BadRequest,
                   "give it time: --expires 24h; and look at this computer's "
                   "clock");
    case Refusal::DamagedInvite:
      return error(Failure::DamagedInvite, "copy the whole invite again, from IPOP1- to its end");
    case Refusal::ExpiredInvite:
      return error(Failure::ExpiredInvite,
                   "ask for a new one: `ipop invite` on a member's computer");
    case Refusal::BadKey:
      return error(Failure::BadRequest, "try again with another key");
    case Refusal::TooDeep:
      return error(Failure::TooDeep,
                   "`ipop invite` on the founder's computer, or on that of somebody whom the "
                   "founder invited");
    case Refusal::TooManyLive:
    case Refusal::NoEpochLeft:
    case Refusal::KeyTooYoung:
      return error(Failure::TooMany, "wait, or let another member do it");
    case Refusal::NotAMember:
      return error(Failure::NotAllowed, "`ipop leave`, then join with a new invite");
    case Refusal::KickOneself:
      return error(Failure::NotAllowed, "`ipop leave` ends this computer's own membership");
    case Refusal::MayNotInvite:
    case Refusal::ForeignRights:
    case Refusal::MayNotKick:
    case Refusal::MayNotMakeAdmins:
    case Refusal::MayNotKeepMember:
      return error(Failure::NotAllowed, kAskAdmin);
    case Refusal::EqualRank:
      return error(Failure::NotAllowed, "ask the founder, or the admin who made it one");
    case Refusal::UnknownMember:
      return error(Failure::UnknownMember, kMembers);
    case Refusal::UnknownDevice:
      return error(Failure::UnknownMember, "`ipop device list` shows the devices");
    case Refusal::AlreadyAdmin:
      return error(Failure::AlreadyAdmin,
                   "nothing is left to do; `ipop admin remove` would take the rights away");
    case Refusal::NoAdmin:
      return error(Failure::NotAdmin, "nothing is left to do; `ipop status` marks the admins");
  }
  return error(Failure::NotAllowed, kAskAdmin);
}

CommandError invite_error(const Error& error) {
  const std::string what(error.what);
  if (error.code == Errc::Unsupported) {
    return {Failure::NewerVersion, what, "install a newer ipop on this computer"};
  }
  if (what.find("damaged") != std::string::npos) {
    return {Failure::DamagedInvite, what, "copy the whole invite again, from IPOP1- to its end"};
  }
  return {Failure::NotAnInvite, what, "an invite starts with IPOP1-; `ipop invite` makes one"};
}

CommandError refusal_error(wire::ByeReason reason) {
  constexpr const char* kNew = "ask for a new one: `ipop invite` on a member's computer";
  switch (reason) {
    case wire::ByeReason::InviteExpired:
      return {Failure::ExpiredInvite, "this invite has expired", kNew};
    case wire::ByeReason::InviteUsed:
    case wire::ByeReason::Superseded:
      return {Failure::UsedInvite, "this invite has already been used", kNew};
    case wire::ByeReason::InviteRevoked:
      return {Failure::RevokedInvite, "this invite was withdrawn", kNew};
    case wire::ByeReason::NameTaken:
      return {Failure::NameTaken, "the name fixed in this invite is taken by now", kNew};
    case wire::ByeReason::PoolExhausted:
      return {
          Failure::PoolFull, "the network has no free address left",
          "the founder can kick members that are gone, or found a network with a larger --subnet"};
    case wire::ByeReason::TooDeep:
      return {Failure::TooDeep, "the chain of invites is too long",
              "ask an admin of the network for an invite"};
    case wire::ByeReason::NotMember:
    case wire::ByeReason::Revoked:
    case wire::ByeReason::Shutdown:
    case wire::ByeReason::Leaving:
    case wire::ByeReason::Idle:
      break;
  }
  if (reason == wire::ByeReason::Revoked) {
    return {Failure::RemovedMember, "this computer was removed from that network", kNew};
  }
  return {Failure::RevokedInvite, "the network does not accept this invite any more", kNew};
}

std::string held_advice(const std::string& network) {
  return "put the file back from a backup and restart ipopd; nothing of it was changed. Or "
         "`ipop leave " +
         network + " --yes` moves what is left out of the way";
}

std::string interface_advice(const std::string& network) {
  return "see that /dev/net/tun is there (`modprobe tun`) and that ipopd may use it, then `ipop "
         "up " +
         network + "`";
}

std::string taken_interface_advice(const std::string& network) {
  return "end the program that has it, or choose another name (`ipopd --interface`, or `interface` "
         "in ipopd.toml), then `ipop up " +
         network + "`";
}

std::string out_text(wire::ByeReason reason) {
  switch (reason) {
    case wire::ByeReason::Superseded:
    case wire::ByeReason::InviteUsed:
      return "somebody else's use of the same invite came first; this computer is not a member";
    case wire::ByeReason::InviteExpired:
      return "the membership has expired";
    case wire::ByeReason::Shutdown:
    case wire::ByeReason::Leaving:
    case wire::ByeReason::Idle:
    case wire::ByeReason::NotMember:
    case wire::ByeReason::NameTaken:
    case wire::ByeReason::PoolExhausted:
    case wire::ByeReason::Revoked:
    case wire::ByeReason::TooDeep:
    case wire::ByeReason::InviteRevoked:
      break;
  }
  return "this computer was removed from the network";
}

std::string secret_text(Bytes secret) {
  const std::string hex = to_hex(secret);
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 8) {
    if (i != 0) out += '-';
    out += hex.substr(i, 8);
  }
  return out;
}

}  // namespace ipop::engine
