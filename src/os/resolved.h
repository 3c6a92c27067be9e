#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/time.h"

struct sd_bus;

namespace ipop::os {

/// What systemd-resolved shall do with one interface.
struct LinkDns {
  /// Who answers; port 0 = 53.
  std::vector<Endpoint> servers;
  /// Names below these go to `servers` and nowhere else ("family.internal", no leading "~"). They
  /// are never appended to short names, and other names never come here.
  std::vector<std::string> routing_domains;
};

/// systemd-resolved over the system bus (or DBUS_SYSTEM_BUS_ADDRESS). Every call returns within
/// kResolvedTimeout. What is set belongs to the interface: it goes away with it, and when resolved
/// restarts. One thread.
class Resolved {
 public:
  /// NotFound when there is no bus or resolved does not run on it; it is never started by us.
  static Result<Resolved> connect();

  Resolved(Resolved&&) noexcept = default;
  Resolved& operator=(Resolved&&) noexcept = default;
  ~Resolved() = default;

  /// Servers, routing domains, no default route, and neither DNSSEC nor DNS over TLS for this
  /// interface: nobody signed our names, and the answers never leave the machine.
  Result<void> configure_link(int ifindex, const LinkDns& dns);
  /// Back to nothing.
  Result<void> revert_link(int ifindex);

 private:
  struct CloseBus {
    void operator()(sd_bus* bus) const;
  };
  explicit Resolved(std::unique_ptr<sd_bus, CloseBus> bus) : bus_(std::move(bus)) {}

  std::unique_ptr<sd_bus, CloseBus> bus_;
};

inline constexpr Duration kResolvedTimeout = std::chrono::seconds(1);

}  // namespace ipop::os
