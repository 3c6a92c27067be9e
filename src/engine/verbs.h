#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/keys.h"
#include "base/time.h"
#include "crypto/secret.h"
#include "engine/output.h"
#include "engine/status.h"

/// What the verbs of a network take and give back.
namespace ipop::engine {

template <class T>
using Outcome = std::expected<T, CommandError>;

struct CreateOptions {
  std::string network;
  std::string member;
  std::optional<Prefix4> pool;  ///< nullopt: one is drawn
  std::vector<Prefix4> taken;   ///< prefixes of this machine's routes, not to be used
  std::string interface;
};
struct JoinOptions {
  std::string member;  ///< wished name
  std::string interface;
};
struct InviteOptions {
  std::uint16_t uses = 1;
  std::chrono::seconds valid_for = std::chrono::hours(24);
  std::string name;
  std::optional<Ipv4> address;
};
struct InviteMade {
  std::string text;
  std::string network;
  std::uint16_t uses = 1;
  UnixTime redeem_until;
  std::vector<Endpoint> hosts;  ///< where the joiner will call first
};
struct PingOptions {
  std::uint16_t count = 4;
  Duration interval = std::chrono::seconds(1);
  Duration timeout = std::chrono::seconds(5);  ///< after which one counts as lost
};
struct Kicked {
  std::string member;
  std::vector<InviteStatus> closed_invites;  ///< that were still open
};
struct DeviceWish {
  std::string name;
  std::optional<Ipv4> address;       ///< nullopt: a free one
  std::optional<Endpoint> endpoint;  ///< where the device finds us; nullopt: our best guess
  bool psk = true;
};
/// What a wg-quick file holds; all but the private key can be asked for again.
struct DeviceConfig {
  std::string network;
  std::string name;
  std::string host;
  Ipv4 v4;
  Ipv6 v6;
  std::optional<Prefix4> pool;
  Ipv6 prefix6;  ///< /48
  std::uint16_t mtu = 0;
  TunnelKey device_key;
  TunnelKey host_key;
  crypto::Secret<32> psk;  ///< zero: none
  std::optional<Endpoint> endpoint;
};
struct DeviceMade {
  DeviceConfig config;
  crypto::Secret<32> private_key;  ///< kept nowhere
};
struct LeaveImpact {
  std::string network;
  bool last_admin = false;  ///< nobody else may invite or kick, or nobody else is there
  std::size_t members = 0;  ///< others
};
struct Left {
  std::string network;
  std::size_t told = 0;  ///< members that were online to hear it
};

}  // namespace ipop::engine
