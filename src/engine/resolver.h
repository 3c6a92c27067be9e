#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "engine/network.h"

namespace ipop::engine {

/// The names of this node's networks, as the small resolver of the daemon answers them:
/// MEMBER.NETWORK.internal. A copy: made anew when the membership changed.
class NameTable {
 public:
  static constexpr std::uint32_t kTtlSeconds = 10;

  void add(const Network& network);

  /// The answer to one DNS message, or nullopt where none may be given. Authoritative for our zones
  /// and the addresses in them, REFUSED for everything else: a resolver that asks us by mistake
  /// goes on to its next server, and we are of no use to anybody's amplification.
  std::optional<ByteVector> answer(Bytes message, bool over_tcp) const;

  friend bool operator==(const NameTable&, const NameTable&) = default;

 private:
  struct Host {
    std::optional<Ipv4> v4;
    Ipv6 v6;
    friend bool operator==(const Host&, const Host&) = default;
  };
  struct Zone {
    std::map<std::string, Host, std::less<>> hosts;  ///< by member name
    std::optional<Prefix4> pool;
    Ipv6 prefix6;  ///< /48
    friend bool operator==(const Zone&, const Zone&) = default;
  };
  const Zone* zone_of(std::string_view name, std::string_view& host) const;

  std::map<std::string, Zone, std::less<>> zones_;  ///< by "family.internal"
  std::map<IpAddress, std::string> reverse_;
};

}  // namespace ipop::engine
