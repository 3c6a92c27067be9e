#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/id.h"
#include "base/keys.h"
#include "base/time.h"
#include "wire/ids.h"

/// Plain facts for `ipop status` and `ipop networks`, copied out of the engine.
namespace ipop::engine {

/// Something the operator should know or do; `code` is a stable snake_case word.
struct Health {
  std::string code;
  std::string message;
  std::string next;
};

struct MemberStatus {
  std::string name;
  TunnelKey tunnel_key;
  std::string node;  ///< hexadecimal node id
  std::optional<Ipv4> v4;
  Ipv6 v6;
  bool admin = false;
  bool online = false;               ///< a proven session with a path
  std::optional<Endpoint> endpoint;  ///< of a direct path
  std::optional<Endpoint> stream;    ///< of a TLS connection, where that is the path
  std::optional<std::string> via;    ///< name of the member that relays, where it is a relayed one
  std::optional<Duration> rtt;
  std::optional<std::uint16_t> mtu;  ///< the largest packet that is sent to it
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::string suite;                       ///< "aes-256-gcm"; empty without a session
  std::optional<Duration> last_seen;       ///< since the last authenticated packet
  std::optional<Duration> last_handshake;  ///< since the last one was complete
};

/// A stock WireGuard device of any member's.
struct DeviceStatus {
  std::string name;
  std::string id;  ///< of its GRANT, hexadecimal
  TunnelKey key;
  Ipv4 v4;
  Ipv6 v6;
  std::string host;          ///< the member's name
  bool hosted_here = false;  ///< the rest is known then only
  bool online = false;
  std::optional<Endpoint> endpoint;
  std::optional<Duration> last_handshake;  ///< ago
  std::optional<Duration> last_seen;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
};

struct InviteStatus {
  std::string id;
  std::uint16_t uses = 0;
  std::uint16_t used = 0;
  UnixTime redeem_until;
  std::string name;
  std::optional<Ipv4> v4;
  std::string issuer;  ///< the member's name; empty when it is gone
};

struct NetworkStatus {
  std::string name;
  std::string id;
  NetworkSlot slot;
  bool up = true;
  bool joining = false;
  std::string interface;          ///< empty: there is none
  std::string interface_problem;  ///< empty: none
  std::string interface_next;     ///< what to do about it
  std::optional<Ipv4> v4;
  std::optional<Prefix4> pool;
  Ipv6 v6;
  Ipv6 prefix6;  ///< /48
  std::uint16_t mtu = 0;
  std::string member;
  std::string node;
  bool admin = false;
  bool may_invite = false;
  Epoch epoch;
  std::vector<MemberStatus> members;  ///< the others
  std::vector<DeviceStatus> devices;  ///< everybody's
  std::vector<InviteStatus> invites;  ///< open ones
  std::vector<Health> health;
};

}  // namespace ipop::engine
