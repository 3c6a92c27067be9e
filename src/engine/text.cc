#include "engine/text.h"

namespace ipop::engine {

CommandError error_of(const Error& error) {
  const std::string what(error.what);
  switch (error.code) {
    case Errc::Denied:
      return {Failure::NotAllowed, what, "ask an admin of the network (`ipop status` marks them)"};
    case Errc::NotFound:
      return {Failure::UnknownMember, what, "`ipop status` lists the members"};
    case Errc::Busy:
      if (what.find("too many invites") != std::string::npos) {
        return {Failure::TooDeep, what,
                "`ipop invite` on the founder's computer, or on that of somebody whom the founder "
                "invited"};
      }
      return {Failure::TooMany, what, "wait, or let another member do it"};
    case Errc::Truncated:
    case Errc::BadValue:
    case Errc::Unsupported:
    case Errc::Os:
      break;
  }
  const bool about_address = what.find("address") != std::string::npos;
  const bool taken = what.find("taken") != std::string::npos;
  if (about_address && taken) {
    return {Failure::AddressTaken, what, "choose a free address inside the network's subnet"};
  }
  if (about_address) {
    return {Failure::BadAddress, what, "choose a free address inside the network's subnet"};
  }
  if (taken) return {Failure::NameTaken, what, "choose another name"};
  return {Failure::BadName, what,
          "names have 1 to 32 letters a-z, digits and hyphens inside, like `alice-laptop`"};
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
