#pragma once

#include <chrono>
#include <cstdint>
#include <variant>

#include "base/address.h"

/// What is asked of a default gateway by UPnP-IGD, and what comes of it. That protocol is HTTP: it
/// takes connections and time, so whoever drives the core carries the questions out elsewhere.
namespace ipop::nat {

using IgdLease = std::chrono::duration<std::uint32_t>;  ///< 0: for ever

/// Everything is about `port` of ours (UDP) at `local`. Those of one gateway are carried out in
/// their order.
struct IgdQuestion {
  /// Which address does the gateway have outside? It is searched for where it is not known.
  struct Address {};
  /// Forward `external_port` to us. A mapping of ours at that port is renewed by it.
  struct Map {
    std::uint16_t external_port = 0;
    IgdLease lease{};
  };
  /// To whom is it forwarded?
  struct Check {
    std::uint16_t external_port = 0;
  };
  /// Forget it, if it is ours: the gateway is asked first to whom it forwards. Where that cannot be
  /// asked, only what was confirmed is deleted.
  struct Unmap {
    std::uint16_t external_port = 0;
    Ipv4 client{};           ///< ours when it was mapped; `local` counts as well
    bool confirmed = false;  ///< the gateway said that it is ours, and the lease has not ended
  };

  std::uint64_t id = 0;  ///< the answer has it, too
  Ipv4 gateway;
  Ipv4 local;
  std::uint16_t port = 0;
  std::variant<Address, Map, Check, Unmap> what;
};

struct IgdAnswer {
  /// To Address.
  struct Address {
    Ipv4 external;
  };
  /// To Map and Unmap.
  struct Done {};
  /// To Check.
  struct Entry {
    Ipv4 client;
    std::uint16_t port = 0;
    bool enabled = false;
    IgdLease lease{};
  };
  /// UPnP's error code, which WANIPConnection:2 2.5 lists.
  struct Refused {
    std::uint16_t code = 0;
  };
  /// No answer, or none that makes sense.
  struct Silent {};

  std::uint64_t id = 0;
  std::variant<Address, Done, Entry, Refused, Silent> what;
};

}  // namespace ipop::nat
