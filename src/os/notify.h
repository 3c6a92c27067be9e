#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

/// Messages to the service manager (systemd `Type=notify`). Without one (no NOTIFY_SOCKET) they do
/// nothing. Never block, never fail: the daemon's work does not depend on them. Any thread.
namespace ipop::os {

void notify_ready(std::string_view status);
void notify_stopping(std::string_view status);
/// One line for `systemctl status`.
void notify_status(std::string_view status);
/// "Still alive"; to be sent at least every watchdog_interval().
void notify_watchdog();
/// Half of the time after which the manager would kill us; nullopt when it does not watch.
std::optional<Duration> watchdog_interval();

}  // namespace ipop::os
