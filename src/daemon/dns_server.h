#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/id.h"
#include "base/log.h"
#include "engine/resolver.h"
#include "os/poller.h"
#include "os/unique_fd.h"

namespace ipop::daemon {

/// Answers for the members' names on port 53 of this machine's own overlay addresses, to this
/// machine alone: a query from any other source address is dropped, so it is no open resolver for
/// anybody, members included. UDP only: no answer of ours is ever truncated. Control thread.
class DnsServer {
 public:
  static Result<DnsServer> create(Logger& log);

  /// Readable when process() has something to do.
  int fd() const { return poller_.fd(); }
  void process(const engine::NameTable& names);

  /// Listens on a network's addresses (anew, when they changed); fails if that is not possible for
  /// the one that programs are told to ask: IPv4 where there is one.
  Result<void> open(NetworkSlot slot, std::optional<Ipv4> v4, const Ipv6& v6);
  void close(NetworkSlot slot);

 private:
  struct Listener {
    NetworkSlot slot;
    IpAddress address;
    os::UniqueFd socket;
  };
  DnsServer(os::Poller poller, Logger& log) : poller_(std::move(poller)), log_(&log) {}
  Result<void> listen(NetworkSlot slot, const IpAddress& address);
  bool is_own(const IpAddress& source) const;

  os::Poller poller_;
  Logger* log_;
  std::map<std::uint64_t, Listener> listeners_;  ///< by poller token
  std::uint64_t next_token_ = 0;
};

}  // namespace ipop::daemon
