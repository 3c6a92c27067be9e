#include "cli/device_text.h"

#include <fmt/format.h>

#include "cli/format.h"
#include "cli/qr.h"
#include "cli/text.h"

namespace ipop::cli {
namespace {

/// What can be said from here: another member's device is as reachable as that member.
std::string state_text(const control::DeviceStatus& device) {
  if (!device.hosted_here) return "-";
  if (device.online) return "online";
  if (!device.last_seen) return "offline";
  return "seen " + span_text(*device.last_seen) + " ago";
}

/// For the phone: without the comments, which would make the code larger than a terminal.
std::string without_comments(std::string_view config) {
  std::string out;
  while (!config.empty()) {
    const std::string_view line = config.substr(0, config.find('\n') + 1);
    if (!line.starts_with('#')) out += line;
    config.remove_prefix(line.empty() ? config.size() : line.size());
  }
  return out;
}

}  // namespace

std::string devices_table(const std::vector<control::DeviceStatus>& devices) {
  Table table({"DEVICE", "ADDRESS", "HOST", "STATE", "AT", "RECEIVED", "SENT"});
  for (const std::size_t column : {5U, 6U}) table.align_right(column);
  for (const control::DeviceStatus& device : devices) {
    table.add({device.name, device.ipv4.to_string(), device.host, state_text(device),
               device.endpoint ? device.endpoint->to_string() : "-",
               device.hosted_here ? bytes_text(device.rx_bytes) : "-",
               device.hosted_here ? bytes_text(device.tx_bytes) : "-"});
  }
  return table.text(2);
}

std::string text_of(const control::DeviceReply& reply, int columns) {
  if (!reply.config) {
    if (reply.devices.empty()) {
      return fmt::format("{} has no devices yet. Bring one in: ipop device add NAME {}\n",
                         reply.network, reply.network);
    }
    return devices_table(reply.devices);
  }
  std::string out = *reply.config + "\n";
  if (!reply.has_private_key) {
    return out +
           "The private key was shown once, when the device was added, and is kept nowhere.\n"
           "Lost it? Remove the device with `ipop kick` and add it again.\n";
  }
  if (const auto qr = qr_text(without_comments(*reply.config), columns)) {
    out += *qr + "\n";
  } else {
    out += fmt::format("(As a QR code it does not fit {} columns: use the text.)\n\n", columns);
  }
  out +=
      "This is shown once. Scan it with the WireGuard app (Add a tunnel: from QR code), or save\n"
      "it as a file for wg-quick. Whoever has it is the device; `ipop kick NAME` ends it.\n";
  return out;
}

}  // namespace ipop::cli
