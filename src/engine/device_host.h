#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/device_link.h"
#include "engine/stored.h"
#include "member/membership.h"

namespace ipop::engine {

/// The stock WireGuard devices that this member hosts in one network: their secrets, sessions and
/// what waits for them. Who they are, with which name and address, is in their GRANTs.
///
/// Devices know one key of their host, made for them alone: the tunnel key would let whoever knows
/// it (it is in every invite) ask by stock WireGuard, which needs no secret, whether we are there,
/// and changing it would strand every device.
class DeviceHost {
 public:
  static constexpr std::size_t kQueuedPacketsMax = 64;
  static constexpr Duration kQueuedFor = std::chrono::seconds(2);

  explicit DeviceHost(Context& context) : ctx_(&context) {}
  DeviceHost(const DeviceHost&) = delete;
  DeviceHost& operator=(const DeviceHost&) = delete;

  /// From disk, before anything else. `reserved`: handshake timestamps may have been used up to
  /// then; the network's own reservation covers ours, which go by the same clock.
  void restore(StoredDevices stored, UnixTime reserved);
  /// Nullopt while there never was a device.
  std::optional<ByteVector> stored() const;
  /// True once after something changed that stored() holds and nobody else stores.
  bool take_moved() { return std::exchange(moved_, false); }

  /// The key that devices know; made at the first call.
  const TunnelKey& public_key();
  /// The same; zero while there never was a device.
  const TunnelKey& host_key() const { return side_.keys.public_key; }
  /// Takes in a new device's secret, before its GRANT is in the membership.
  void add(const wire::StatementId& grant, crypto::Secret<32> psk);
  /// Which devices count now; those that `self` hosts have sessions from now on, and others none.
  void refresh(const Now& now, const std::map<wire::StatementId, member::Device>& devices,
               const wire::NodeId& self);
  /// GRANTs of devices whose secrets are kept and that have no session: they do not count now, but
  /// may again while they stand (somebody else has their name or address meanwhile).
  std::vector<wire::StatementId> idle() const;
  /// Requires: one of idle().
  void forget(const wire::StatementId& grant);
  /// The network's own addresses, of which `prefix6` is a /48. What comes from one of them is not
  /// heard: the tunnel would carry itself.
  void set_inside(const std::optional<Prefix4>& pool, const Ipv6& prefix6);
  /// Ends all sessions until the next refresh(); nothing is forgotten. Also before destruction, as
  /// a snapshot may still name them.
  void stop(const Now& now);
  /// Drops all keys.
  void reset(const Now& now);

  // --- events; false: not ours ---
  bool handle_initiation(const Now& now, const wire::Initiation& message, const Endpoint& from);
  bool handle_response(const Now& now, PeerHandle peer, const wire::Response& message,
                       const Endpoint& from);
  bool handle_cookie_reply(const Now& now, PeerHandle peer, const wire::CookieReply& message);
  bool handle_received(const Now& now, PeerHandle peer, SessionIndex session, const Endpoint& from);
  bool handle_ip_sent(const Now& now, PeerHandle peer);
  bool handle_limit(const Now& now, PeerHandle peer, SessionIndex session);
  void handle_unrouted(const Now& now, PeerHandle peer, ByteVector packet);
  void handle_path_mtu(const Endpoint& to, std::uint16_t inner_mtu);
  void handle_timeout(const Now& now);
  Instant deadline() const;

  bool owns(PeerHandle peer) const { return devices_.contains(peer); }
  /// Routes and sessions of the devices, for the network's entry.
  void add_to_snapshot(NetworkSlot slot, std::uint16_t mtu_max, dataplane::NetworkEntry& entry,
                       dataplane::Snapshot& snapshot) const;

  /// What `status`, `device list` and `wg show` tell; nullopt: not hosted here.
  struct View {
    bool online = false;
    TunnelKey key;
    std::optional<Endpoint> endpoint;
    std::optional<Duration> handshake_age;
    std::optional<Duration> silence;
    std::uint64_t rx_bytes = 0;
    std::uint64_t tx_bytes = 0;
    bool has_psk = false;
  };
  std::optional<View> view(const wire::StatementId& grant, Instant now) const;
  /// For `device show`.
  std::optional<crypto::Secret<32>> psk_of(const wire::StatementId& grant) const;

 private:
  struct Queued {
    Instant at;
    ByteVector packet;
  };
  struct Hosted {
    PeerHandle handle;
    member::Device device;
    const crypto::Secret<32>* psk = nullptr;  ///< in secrets_
    std::unique_ptr<DeviceLink> link;
    std::unique_ptr<dataplane::PeerWords> words = std::make_unique<dataplane::PeerWords>();
    std::uint16_t mtu = 0;  ///< largest inner packet on the path; 0: not known
    std::deque<Queued> queue;
    std::optional<Endpoint> known_endpoint;
    Instant deadline = Instant::max();
  };
  struct Secret {
    crypto::Secret<32> psk;
    std::optional<Endpoint> endpoint;
  };

  bool is_inside(const IpAddress& address) const;
  Hosted* find(PeerHandle peer);
  const Hosted* find(const wire::StatementId& grant) const;
  void begin(const member::Device& device, const Secret& secret);
  void end(const Now& now, Hosted& hosted);
  void pump(const Now& now, Hosted& hosted);
  void flush(const Now& now, Hosted& hosted);
  void make_keys();

  Context* ctx_;
  std::optional<Prefix4> pool_;
  std::optional<Ipv6> prefix6_;
  session::LocalSide side_;
  bool has_keys_ = false;
  bool moved_ = false;
  /// By GRANT; std::map, since sessions refer to the psk.
  std::map<wire::StatementId, Secret> secrets_;
  std::map<PeerHandle, std::unique_ptr<Hosted>> devices_;
  std::unordered_map<TunnelKey, PeerHandle> by_key_;
};

}  // namespace ipop::engine
