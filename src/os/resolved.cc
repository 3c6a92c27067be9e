#include "os/resolved.h"

#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <cerrno>
#include <ctime>

#include "os/error_text.h"

namespace ipop::os {
namespace {

constexpr const char* kService = "org.freedesktop.resolve1";
constexpr const char* kObject = "/org/freedesktop/resolve1";
constexpr const char* kInterface = "org.freedesktop.resolve1.Manager";
constexpr std::uint16_t kDnsPort = 53;

/// How long a public function may still take, shared by its calls.
class Deadline {
 public:
  Deadline() : end_(clock() + kResolvedTimeout) {}
  /// At least 1: zero means sd-bus's default of 25 s.
  std::uint64_t left_us() const {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(end_ - clock()).count();
    return left < 1 ? 1 : static_cast<std::uint64_t>(left);
  }
  bool passed() const { return clock() >= end_; }

 private:
  static Duration clock() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  }
  Duration end_;
};

struct UnrefMessage {
  void operator()(sd_bus_message* m) const { sd_bus_message_unref(m); }
};
using Message = std::unique_ptr<sd_bus_message, UnrefMessage>;

struct BusError {
  sd_bus_error error{};  // SD_BUS_ERROR_NULL is a C compound literal
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error); }
};

std::unexpected<Error> not_running(int error) {
  return fail(Errc::NotFound, "systemd-resolved is not running", error);
}

Message new_call(sd_bus* bus, const char* method) {
  sd_bus_message* raw = nullptr;
  if (sd_bus_message_new_method_call(bus, &raw, kService, kObject, kInterface, method) < 0) {
    return nullptr;
  }
  Message message(raw);
  // Whether resolved runs is the administrator's choice.
  if (sd_bus_message_set_auto_start(raw, 0) < 0) return nullptr;
  return message;
}

Result<void> call(sd_bus* bus, const Deadline& deadline, const Message& message,
                  const std::string& method, int built) {
  if (!message || built < 0) return fail(Errc::Os, "D-Bus message", built < 0 ? -built : ENOMEM);
  if (deadline.passed()) return fail_errno("systemd-resolved: " + method, ETIMEDOUT);
  BusError error;
  const int r = sd_bus_call(bus, message.get(), deadline.left_us(), &error.error, nullptr);
  if (r >= 0) return {};
  if (sd_bus_error_has_name(&error.error, SD_BUS_ERROR_SERVICE_UNKNOWN) > 0 ||
      sd_bus_error_has_name(&error.error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0) {
    return not_running(-r);
  }
  if (sd_bus_error_has_name(&error.error, SD_BUS_ERROR_UNKNOWN_METHOD) > 0) {
    return fail_text(Errc::Unsupported, "systemd-resolved has no " + method, -r);
  }
  return fail_errno("systemd-resolved: " + method, -r);
}

/// SetLinkDNS a(iay), or SetLinkDNSEx a(iayqs) when a server is not on port 53.
Result<void> set_servers(sd_bus* bus, const Deadline& deadline, int ifindex,
                         const std::vector<Endpoint>& servers) {
  bool ports = false;
  for (const Endpoint& s : servers) ports = ports || (s.port != 0 && s.port != kDnsPort);
  const char* method = ports ? "SetLinkDNSEx" : "SetLinkDNS";
  const Message message = new_call(bus, method);
  if (!message) return call(bus, deadline, message, method, 0);
  sd_bus_message* m = message.get();
  int r = sd_bus_message_append(m, "i", ifindex);
  if (r >= 0) r = sd_bus_message_open_container(m, 'a', ports ? "(iayqs)" : "(iay)");
  for (const Endpoint& server : servers) {
    const bool v6 = server.address.is_v6();
    const auto v4_bytes = v6 ? std::array<std::byte, 4>{} : server.address.v4().to_bytes();
    const Bytes bytes = v6 ? Bytes(server.address.v6().bytes) : Bytes(v4_bytes);
    if (r >= 0) r = sd_bus_message_open_container(m, 'r', ports ? "iayqs" : "iay");
    if (r >= 0) r = sd_bus_message_append(m, "i", v6 ? AF_INET6 : AF_INET);
    if (r >= 0) r = sd_bus_message_append_array(m, 'y', bytes.data(), bytes.size());
    if (r >= 0 && ports) r = sd_bus_message_append(m, "qs", server.port, "");
    if (r >= 0) r = sd_bus_message_close_container(m);
  }
  if (r >= 0) r = sd_bus_message_close_container(m);
  return call(bus, deadline, message, method, r);
}

/// SetLinkDomains a(sb); true = for routing only, not a search domain.
Result<void> set_domains(sd_bus* bus, const Deadline& deadline, int ifindex,
                         const std::vector<std::string>& domains) {
  const Message message = new_call(bus, "SetLinkDomains");
  if (!message) return call(bus, deadline, message, "SetLinkDomains", 0);
  sd_bus_message* m = message.get();
  int r = sd_bus_message_append(m, "i", ifindex);
  if (r >= 0) r = sd_bus_message_open_container(m, 'a', "(sb)");
  for (const std::string& domain : domains) {
    if (r >= 0) r = sd_bus_message_append(m, "(sb)", domain.c_str(), 1);
  }
  if (r >= 0) r = sd_bus_message_close_container(m);
  return call(bus, deadline, message, "SetLinkDomains", r);
}

template <class... Arguments>
Result<void> simple_call(sd_bus* bus, const Deadline& deadline, const char* method,
                         const char* types, Arguments... arguments) {
  const Message message = new_call(bus, method);
  const int built = message ? sd_bus_message_append(message.get(), types, arguments...) : 0;
  return call(bus, deadline, message, method, built);
}

/// A setting that an older resolved may lack, and does without.
Result<void> optional_call(Result<void> result) {
  if (!result && result.error().code == Errc::Unsupported) return {};
  return result;
}

/// Asks the bus itself, so that nothing is started.
Result<void> require_service(sd_bus* bus, const Deadline& deadline) {
  sd_bus_message* raw = nullptr;
  int r = sd_bus_message_new_method_call(bus, &raw, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetNameOwner");
  const Message message(raw);
  if (r >= 0) r = sd_bus_message_append(raw, "s", kService);
  return call(bus, deadline, message, "GetNameOwner", r);
}

/// sd_bus_call() would wait for the bus's greeting without a limit.
Result<void> wait_until_ready(sd_bus* bus, const Deadline& deadline) {
  while (true) {
    const int ready = sd_bus_is_ready(bus);
    if (ready > 0) return {};
    if (ready < 0) return not_running(-ready);
    if (deadline.passed()) return fail(Errc::Os, "the system bus does not answer", ETIMEDOUT);
    int r = sd_bus_process(bus, nullptr);
    if (r == 0) r = sd_bus_wait(bus, deadline.left_us());
    if (r < 0 && r != -EINTR) return not_running(-r);
  }
}

}  // namespace

void Resolved::CloseBus::operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }

Result<Resolved> Resolved::connect() {
  const Deadline deadline;
  sd_bus* raw = nullptr;
  if (const int r = sd_bus_open_system(&raw); r < 0) return not_running(-r);
  std::unique_ptr<sd_bus, CloseBus> bus(raw);
  if (auto r = wait_until_ready(raw, deadline); !r) return std::unexpected(r.error());
  if (auto r = require_service(raw, deadline); !r) return std::unexpected(r.error());
  return Resolved(std::move(bus));
}

Result<void> Resolved::configure_link(int ifindex, const LinkDns& dns) {
  const Deadline deadline;
  sd_bus* bus = bus_.get();
  // Domains before servers: for no moment are the servers asked for names that are not theirs.
  if (auto r = simple_call(bus, deadline, "SetLinkDefaultRoute", "ib", ifindex, 0); !r) return r;
  if (auto r = set_domains(bus, deadline, ifindex, dns.routing_domains); !r) return r;
  if (auto r = optional_call(simple_call(bus, deadline, "SetLinkDNSSEC", "is", ifindex, "no"));
      !r) {
    return r;
  }
  if (auto r = optional_call(simple_call(bus, deadline, "SetLinkDNSOverTLS", "is", ifindex, "no"));
      !r) {
    return r;
  }
  return set_servers(bus, deadline, ifindex, dns.servers);
}

Result<void> Resolved::revert_link(int ifindex) {
  const Deadline deadline;
  return simple_call(bus_.get(), deadline, "RevertLink", "i", ifindex);
}

}  // namespace ipop::os
