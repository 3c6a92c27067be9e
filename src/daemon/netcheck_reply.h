#pragma once

#include <vector>

#include "control/schema.h"
#include "nat/outer_addresses.h"

/// The NAT in front of us, in the control socket's words.
namespace ipop::daemon {

/// `local`: the addresses of this machine's interfaces. Port, settings and advice are the caller's.
control::NetcheckReply netcheck_of(const nat::OuterAddresses::Report& report,
                                   const std::vector<IpAddress>& local);
/// What stands in the way of direct paths, and what the user can do about it.
std::vector<control::Health> advice_on(const control::NetcheckReply& reply);

}  // namespace ipop::daemon
