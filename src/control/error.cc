#include "control/error.h"

#include <array>
#include <utility>

namespace ipop::control {
namespace {

using Entry = std::pair<ErrorCode, std::string_view>;

constexpr std::array kNames{
    Entry{ErrorCode::Usage, "usage"},
    Entry{ErrorCode::UnreachableDaemon, "unreachable_daemon"},
    Entry{ErrorCode::NoPermission, "no_permission"},
    Entry{ErrorCode::Unsupported, "unsupported"},
    Entry{ErrorCode::Busy, "busy"},
    Entry{ErrorCode::ConfirmationNeeded, "confirmation_needed"},
    Entry{ErrorCode::NotAnInvite, "not_an_invite"},
    Entry{ErrorCode::DamagedInvite, "damaged_invite"},
    Entry{ErrorCode::NewerInvite, "newer_invite"},
    Entry{ErrorCode::ExpiredInvite, "expired_invite"},
    Entry{ErrorCode::UsedInvite, "used_invite"},
    Entry{ErrorCode::RevokedInvite, "revoked_invite"},
    Entry{ErrorCode::NoAnswer, "no_answer"},
    Entry{ErrorCode::AlreadyMember, "already_member"},
    Entry{ErrorCode::RemovedMember, "removed_member"},
    Entry{ErrorCode::DepthExhausted, "depth_exhausted"},
    Entry{ErrorCode::NameTaken, "name_taken"},
    Entry{ErrorCode::BadName, "bad_name"},
    Entry{ErrorCode::BadAddress, "bad_address"},
    Entry{ErrorCode::AddressTaken, "address_taken"},
    Entry{ErrorCode::PoolFull, "pool_full"},
    Entry{ErrorCode::SubnetClash, "subnet_clash"},
    Entry{ErrorCode::BadSubnet, "bad_subnet"},
    Entry{ErrorCode::NetworkExists, "network_exists"},
    Entry{ErrorCode::UnknownMember, "unknown_member"},
    Entry{ErrorCode::UnknownNetwork, "unknown_network"},
    Entry{ErrorCode::NoNetwork, "no_network"},
    Entry{ErrorCode::AmbiguousNetwork, "ambiguous_network"},
    Entry{ErrorCode::NetworkDown, "network_down"},
    Entry{ErrorCode::NotAllowed, "not_allowed"},
    Entry{ErrorCode::AlreadyAdmin, "already_admin"},
    Entry{ErrorCode::NotAdmin, "not_admin"},
    Entry{ErrorCode::StateError, "state_error"},
    Entry{ErrorCode::InterfaceError, "interface_error"},
    Entry{ErrorCode::ShuttingDown, "shutting_down"},
    Entry{ErrorCode::Internal, "internal"},
};
// The table is indexed by the code, so it must be complete and in order.
constexpr bool in_order() {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (static_cast<std::size_t>(kNames[i].first) != i) return false;
  }
  return kNames.size() == static_cast<std::size_t>(ErrorCode::Internal) + 1;
}
static_assert(in_order());

}  // namespace

std::string_view error_name(ErrorCode code) {
  return kNames[static_cast<std::size_t>(code)].second;
}

std::optional<ErrorCode> error_code(std::string_view name) {
  for (const auto& [code, text] : kNames) {
    if (text == name) return code;
  }
  return std::nullopt;
}

}  // namespace ipop::control
