#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/log.h"

namespace ipop::daemon {

inline constexpr const char* kDefaultConfigPath = "/etc/ipop/ipopd.toml";

/// Which libraries may seal and open packets.
enum class CryptoChoice : std::uint8_t {
  Auto,     ///< the fastest that passes its test here
  Openssl,  ///< OpenSSL; no other is even tried
};

/// What the daemon is told at its start; ipopd.toml(5). Everything has a default: no file is
/// needed.
struct DaemonConfig {
  std::filesystem::path state = "/var/lib/ipop";
  std::filesystem::path socket = "/run/ipop/ipopd.sock";
  std::optional<std::uint16_t> listen;  ///< UDP port; absent = drawn once and kept in the state
  LogLevel log_level = LogLevel::Info;
  std::optional<std::string> interface;  ///< of the first network; absent = ipop0, ipop1, …
  bool dns = true;                       ///< answer for the members' names
  CryptoChoice crypto = CryptoChoice::Auto;
  std::uint8_t workers = 0;  ///< packet threads; 0 = one a processor, at most 8
  /// What the kernel may do for many packets at once; off only to look for a fault.
  struct Offloads {
    bool tun_tcp = true;
    bool tun_udp = true;
    bool udp_segment = true;
    bool udp_group = true;

    friend bool operator==(const Offloads&, const Offloads&) = default;
  } offloads{};

  /// Carrying packets for two members that do not reach each other.
  struct Relay {
    bool enabled = true;
    /// Of a pair, unless both are on the local network; 0 = no limit.
    std::uint32_t limit_mbits = 20;

    friend bool operator==(const Relay&, const Relay&) = default;
  } relay{};

  /// How it finds out where it is seen from outside; members tell besides.
  struct Nat {
    std::vector<Endpoint> stun{};  ///< servers to ask while no member tells
    bool port_mapping = true;      ///< ask the router to forward our port
    bool upnp = true;              ///< also by UPnP, where it does not by PCP or NAT-PMP
    bool search = true;            ///< for ports that NATs chose at random, with many datagrams

    friend bool operator==(const Nat&, const Nat&) = default;
  } nat{};

  /// Reaching members by TLS over TCP where UDP fails, and being reached so.
  struct Tls {
    std::optional<std::uint16_t> listen{};  ///< TCP port; absent = members cannot dial us
    bool dial = true;                       ///< dial members that UDP does not reach
    /// To dial through; absent = as the environment says, empty = none.
    std::optional<std::string> proxy{};

    friend bool operator==(const Tls&, const Tls&) = default;
  } tls{};

  friend bool operator==(const DaemonConfig&, const DaemonConfig&) = default;
};

/// "error", "warning", "info" or "debug".
std::optional<LogLevel> parse_log_level(std::string_view text);
std::string_view log_level_name(LogLevel level);
/// What the kernel takes: 1..15 bytes, no slash, space or colon, neither "." nor "..".
bool is_valid_interface(std::string_view name);

/// Overwrites in `config` what the TOML text sets. The error is one line for the operator,
/// "ipopd.toml:3:1: …", where `source` is what stands before the position.
std::expected<void, std::string> read_config(std::string_view toml, std::string_view source,
                                             DaemonConfig& config);
/// The same for a file. `must_exist`: false for the default path, whose absence is normal.
std::expected<void, std::string> load_config(const std::filesystem::path& path, bool must_exist,
                                             DaemonConfig& config);

}  // namespace ipop::daemon
