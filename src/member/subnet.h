#pragma once

#include "base/address.h"
#include "member/refusal.h"

namespace ipop::member {

/// Whether a network may have these addresses. Errors: SubnetSize (neither /8 to /30, or with host
/// bits), SubnetReserved (RFC 6890: this host, loopback, link-local, multicast, reserved and
/// broadcast; a system takes no such address, or keeps its packets to itself).
Authored<void> check_subnet(const Prefix4& subnet);

}  // namespace ipop::member
