#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ipop::control {

/// Why a request failed, stable across releases: scripts compare the snake_case name that
/// error_name() gives (docs/control.md lists them).
enum class ErrorCode : std::uint8_t {
  // Between the command line and the daemon.
  Usage,               ///< the command line, or the request, is not understood
  UnreachableDaemon,   ///< no daemon answers at the socket
  NoPermission,        ///< the socket, or the daemon's work, needs more rights
  Unsupported,         ///< another version of the schema, or an unknown verb
  Busy,                ///< a limit is reached; later may work
  ConfirmationNeeded,  ///< done only when the request says `confirmed`
  // Invites.
  NotAnInvite,     ///< the text is no invite at all
  DamagedInvite,   ///< an invite with a typo or a part missing
  NewerInvite,     ///< made by a newer version
  ExpiredInvite,   ///< too late
  UsedInvite,      ///< as many came first as it allows
  RevokedInvite,   ///< withdrawn, or closed by a kick
  NoAnswer,        ///< no member of its network could be reached in time
  AlreadyMember,   ///< this computer is in that network already
  RemovedMember,   ///< this computer was kicked out of that network
  DepthExhausted,  ///< the chain of invites is too long to invite by it
  // Names and addresses.
  NameTaken,
  BadName,
  BadAddress,    ///< malformed, or outside the network's pool
  AddressTaken,  ///< another member has it
  PoolFull,      ///< no free address
  SubnetClash,   ///< a local network uses addresses of the network's subnet
  BadSubnet,     ///< too small, too large, or of addresses that no computer can have
  NetworkExists,
  // What the request names.
  UnknownMember,
  UnknownNetwork,
  NoNetwork,         ///< this computer is in no network yet
  AmbiguousNetwork,  ///< more than one network, and the request names none
  NetworkDown,       ///< the network is switched off here
  NotAllowed,        ///< this member has not the right
  AlreadyAdmin,      ///< `admin add` of one
  NotAdmin,          ///< `admin remove` of none
  // The daemon's own trouble.
  StateError,      ///< state could not be read or written
  InterfaceError,  ///< the virtual interface could not be made or set up
  ShuttingDown,
  Internal,  ///< a bug
};

/// "unreachable_daemon"; the name in JSON.
std::string_view error_name(ErrorCode code);
std::optional<ErrorCode> error_code(std::string_view name);

/// What a user is told: what happened, and what to do next. Both are whole sentences or commands,
/// without a final full stop; `next` may be empty.
struct ControlError {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
  std::string next;

  friend bool operator==(const ControlError&, const ControlError&) = default;
};

}  // namespace ipop::control
