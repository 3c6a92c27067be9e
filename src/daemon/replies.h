#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "control/schema.h"
#include "dataplane/counters.h"
#include "engine/engine.h"

/// The engine's words in the control socket's.
namespace ipop::daemon {

control::ControlError error_of(const engine::CommandError& error);
control::NetworkInfo info_of(const engine::NetworkStatus& status);
control::InviteStatus invite_of(const engine::InviteStatus& invite);
/// `via` names the member that relays; empty: it is known no more.
control::PathStatus path_of(const std::optional<Way>& leg, const std::optional<std::string>& via,
                            std::optional<Duration> rtt);
control::NetworkStatus status_of(const engine::NetworkStatus& status, std::uint16_t port);
/// By reason, all reasons.
std::map<std::string, std::uint64_t> drops_of(const dataplane::DropTotals& drops);
std::vector<control::DeviceStatus> devices_of(const engine::NetworkStatus& status);
/// What wg-quick(8) and WireGuard's apps read; without a private key there is a comment in its
/// place.
std::string wg_quick_file(const engine::DeviceConfig& config,
                          const crypto::Secret<32>* private_key);
control::NetworkSummary summary_of(const engine::NetworkStatus& status);
control::Health health_of(const engine::Health& health);
/// What to mind of an invite by which these addresses are called; `port`: the daemon's.
std::vector<control::Health> advice_on_hosts(const std::vector<Endpoint>& hosts,
                                             std::uint16_t port);

}  // namespace ipop::daemon
