#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/error.h"

namespace ipop::member {

/// Why a verb signs nothing (author.h): one value for each thing that a user would do differently.
enum class Refusal : std::uint8_t {
  BadName,
  NameTaken,
  AddressOutside,  ///< no address of the network's that a member may have
  AddressTaken,
  SubnetSize,      ///< neither /8 to /30, or with host bits
  SubnetReserved,  ///< no computer can have addresses of it
  PoolFull,
  FixedForMany,  ///< a name or an address for an invite of several uses
  NoUses,
  UsesOfPlain,  ///< more than a member without the right to invite may give
  InvitesNobody,
  ForeignRights,  ///< that the author does not have
  AlreadyOver,
  DamagedInvite,
  ExpiredInvite,
  BadKey,
  TooDeep,       ///< the chain of invites or grants
  TooManyLive,   ///< grants of one issuer
  NoEpochLeft,   ///< of a counter that no network ever gets to the end of
  KeyTooYoung,   ///< the last tunnel key is younger than an hour
  NotAMember,    ///< the author
  MayNotInvite,  ///< not by this network's policy
  MayNotKick,
  EqualRank,  ///< the target is as near to the founder as the author
  KickOneself,
  MayNotMakeAdmins,
  MayNotKeepMember,  ///< as one without rights
  UnknownMember,
  UnknownDevice,
  AlreadyAdmin,
  NoAdmin,
};

struct [[nodiscard]] Refused {
  Refusal why{};
  Errc code{};
  std::string_view what;  ///< for people; a string literal

  friend bool operator==(const Refused&, const Refused&) = default;
};

template <class T>
using Authored = std::expected<T, Refused>;

/// With the reason's code and text.
std::unexpected<Refused> refuse(Refusal why);

}  // namespace ipop::member
