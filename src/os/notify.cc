#include "os/notify.h"

#include <systemd/sd-daemon.h>

#include <string>

namespace ipop::os {
namespace {

/// A line break would start another assignment.
std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == '\n' || c == '\r' || c == '\0') c = ' ';
  }
  return out;
}

void send(const std::string& state) { sd_notify(0, state.c_str()); }

}  // namespace

void notify_ready(std::string_view status) { send("READY=1\nSTATUS=" + one_line(status)); }
void notify_stopping(std::string_view status) { send("STOPPING=1\nSTATUS=" + one_line(status)); }
void notify_status(std::string_view status) { send("STATUS=" + one_line(status)); }
void notify_watchdog() { send("WATCHDOG=1"); }

std::optional<Duration> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  // sd_watchdog_enabled(3) recommends half of the limit.
  return std::chrono::microseconds(microseconds / 2);
}

}  // namespace ipop::os
