#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "control/doctor.h"
#include "control/error.h"
#include "control/netcheck.h"
#include "control/path.h"

/// What the command line (and the web page) and the daemon say to each other. docs/control.md has
/// the JSON of each; codec.h turns one into the other. A field that may be absent is an optional,
/// null in JSON.
namespace ipop::control {

/// Of every document and request; raised when a field changes its meaning or goes away. New fields
/// do not raise it.
inline constexpr int kSchemaVersion = 1;

// ---- requests ----------------------------------------------------------------------------------
// `network`: absent = the only one there is (NoNetwork, AmbiguousNetwork where there is not exactly
// one). `member`: a member's name, or one of its addresses as text, or its node id in hexadecimal.

struct CreateRequest {
  std::string network;
  std::optional<std::string> name;  ///< of the founder; absent = the host's name
  std::optional<Prefix4> subnet;    ///< absent = one is drawn
  friend bool operator==(const CreateRequest&, const CreateRequest&) = default;
};
struct InviteRequest {
  std::optional<std::string> network;
  std::uint16_t uses = 1;  ///< >= 1
  std::chrono::seconds expires{std::chrono::hours{24}};
  std::optional<std::string> name;  ///< fixed for the joiner; needs uses == 1
  std::optional<Ipv4> address;      ///< fixed for the joiner; needs uses == 1
  friend bool operator==(const InviteRequest&, const InviteRequest&) = default;
};
struct JoinRequest {
  std::string invite;               ///< as pasted, trimmed
  std::optional<std::string> name;  ///< a wish; absent = the host's name
  friend bool operator==(const JoinRequest&, const JoinRequest&) = default;
};
struct LeaveRequest {
  std::optional<std::string> network;
  /// False: the last member who may invite or kick gets ConfirmationNeeded and stays.
  bool confirmed = false;
  friend bool operator==(const LeaveRequest&, const LeaveRequest&) = default;
};
struct UpRequest {
  std::optional<std::string> network;
  friend bool operator==(const UpRequest&, const UpRequest&) = default;
};
struct DownRequest {
  std::optional<std::string> network;
  friend bool operator==(const DownRequest&, const DownRequest&) = default;
};
struct NetworksRequest {
  friend bool operator==(const NetworksRequest&, const NetworksRequest&) = default;
};
struct StatusRequest {
  std::optional<std::string> network;  ///< absent = all of them; none is no error
  friend bool operator==(const StatusRequest&, const StatusRequest&) = default;
};
struct PingRequest {
  std::string member;
  std::optional<std::string> network;
  std::uint32_t count = 4;                   ///< 1..kPingCountMax
  std::chrono::milliseconds interval{1000};  ///< between two of them
  std::chrono::milliseconds timeout{5000};   ///< after which one counts as lost
  friend bool operator==(const PingRequest&, const PingRequest&) = default;
};
inline constexpr std::uint32_t kPingCountMax = 10000;
inline constexpr std::chrono::milliseconds kPingIntervalMin{10};
struct KickRequest {
  std::string member;
  std::optional<std::string> network;
  friend bool operator==(const KickRequest&, const KickRequest&) = default;
};
enum class AdminAction : std::uint8_t { Add, Remove };
struct AdminRequest {
  AdminAction action = AdminAction::Add;
  std::string member;
  std::optional<std::string> network;
  friend bool operator==(const AdminRequest&, const AdminRequest&) = default;
};
/// Stock WireGuard devices that this computer hosts.
enum class DeviceAction : std::uint8_t { Add, List, Show };
struct DeviceRequest {
  DeviceAction action = DeviceAction::List;
  std::optional<std::string> name;  ///< add, show: the device's
  std::optional<std::string> network;
  std::optional<Ipv4> address;       ///< add: absent = a free one
  std::optional<Endpoint> endpoint;  ///< add: where it calls us; absent = our best guess
  bool psk = true;                   ///< add: with a preshared key
  friend bool operator==(const DeviceRequest&, const DeviceRequest&) = default;
};
struct VersionRequest {
  friend bool operator==(const VersionRequest&, const VersionRequest&) = default;
};

using Request =
    std::variant<CreateRequest, InviteRequest, JoinRequest, LeaveRequest, UpRequest, DownRequest,
                 NetworksRequest, StatusRequest, PingRequest, KickRequest, AdminRequest,
                 DeviceRequest, NetcheckRequest, DoctorRequest, VersionRequest>;

// ---- what replies are made of ------------------------------------------------------------------

/// Something an operator should know or do; `code` is a stable snake_case word.
struct Health {
  std::string code;
  std::string message;
  std::string next;  ///< may be empty
  friend bool operator==(const Health&, const Health&) = default;
};

struct Subnet6 {
  Ipv6 base;
  std::uint8_t length = 48;
  friend bool operator==(const Subnet6&, const Subnet6&) = default;
};

/// This computer as a member. `ipv4` is absent, and `name` empty, while a conflict left it without.
struct Self {
  std::string name;
  std::optional<Ipv4> ipv4;
  Ipv6 ipv6;
  std::string dns_name;  ///< "alice.family.internal"
  std::string id;        ///< node id, hexadecimal
  bool admin = false;    ///< may kick and make admins
  friend bool operator==(const Self&, const Self&) = default;
};

/// What every reply about a network begins with: its fields stand in the reply's own JSON object.
struct NetworkInfo {
  std::string name;
  std::string id;  ///< network id, hexadecimal
  std::string interface;
  Prefix4 subnet4;
  Subnet6 subnet6;
  Self self;
  friend bool operator==(const NetworkInfo&, const NetworkInfo&) = default;
};

struct MemberStatus {
  std::string name;
  std::optional<Ipv4> ipv4;
  Ipv6 ipv6;
  std::string id;  ///< node id, hexadecimal
  bool admin = false;
  bool online = false;  ///< a proven session is alive
  PathStatus path;
  std::uint64_t rx_bytes = 0;  ///< IP bytes from it since the daemon started
  std::uint64_t tx_bytes = 0;
  std::string suite;                              ///< of the session, "aes-256-gcm"; may be empty
  std::optional<std::chrono::seconds> last_seen;  ///< ago; absent = never since the start
  friend bool operator==(const MemberStatus&, const MemberStatus&) = default;
};

/// A stock WireGuard device. What its session is like only its host knows.
struct DeviceStatus {
  std::string name;
  Ipv4 ipv4;
  Ipv6 ipv6;
  std::string id;    ///< of its GRANT, hexadecimal
  std::string host;  ///< name of the member that hosts it
  bool hosted_here = false;
  bool online = false;
  std::optional<Endpoint> endpoint;
  std::optional<std::chrono::seconds> last_handshake;  ///< ago
  std::optional<std::chrono::seconds> last_seen;       ///< ago
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  friend bool operator==(const DeviceStatus&, const DeviceStatus&) = default;
};

struct InviteStatus {
  std::string id;  ///< of its GRANT, hexadecimal
  std::uint16_t uses = 0;
  std::uint16_t used = 0;
  UnixTime expires = UnixTime::never();
  std::optional<std::string> name;    ///< fixed for the joiner
  std::optional<Ipv4> address;        ///< fixed for the joiner
  std::optional<std::string> issuer;  ///< the member's name; absent = it is gone
  friend bool operator==(const InviteStatus&, const InviteStatus&) = default;
};

enum class NetworkState : std::uint8_t { Up, Down };

struct NetworkStatus {
  NetworkInfo network;
  NetworkState state = NetworkState::Up;
  std::uint16_t mtu = 0;
  std::uint16_t port = 0;             ///< outer UDP port
  std::vector<MemberStatus> members;  ///< all but this one, by name
  std::vector<DeviceStatus> devices;  ///< everybody's, by name
  std::vector<InviteStatus> invites;  ///< that can still be redeemed
  std::uint32_t epoch = 0;            ///< of the network secret
  friend bool operator==(const NetworkStatus&, const NetworkStatus&) = default;
};

struct NetworkSummary {
  NetworkInfo network;
  NetworkState state = NetworkState::Up;
  std::uint32_t members = 0;  ///< with this one
  std::uint32_t online = 0;   ///< with this one where it is up
  friend bool operator==(const NetworkSummary&, const NetworkSummary&) = default;
};

// ---- replies -----------------------------------------------------------------------------------

struct CreateReply {
  NetworkInfo network;
  std::string recovery_key;  ///< shown once; the daemon keeps no copy
  std::vector<Health> health;
  friend bool operator==(const CreateReply&, const CreateReply&) = default;
};
struct InviteReply {
  std::string network;
  std::string invite;
  std::uint16_t uses = 1;
  UnixTime expires;
  std::optional<std::string> name;
  std::optional<Ipv4> address;
  std::vector<Endpoint> hosts;  ///< where the joiner will call first
  std::vector<Health> health;   ///< e.g. local_invite: no address that is reachable from elsewhere
  friend bool operator==(const InviteReply&, const InviteReply&) = default;
};
struct JoinReply {
  NetworkInfo network;
  std::string admitted_by;  ///< name of the member who let it in
  PathStatus path;          ///< to that member
  std::vector<Health> health;
  friend bool operator==(const JoinReply&, const JoinReply&) = default;
};
struct LeaveReply {
  std::string network;
  std::uint32_t told = 0;  ///< members that were online to hear it
  /// Where the folder of a network is now that could not be restored; it was not deleted.
  std::optional<std::string> moved_to;
  friend bool operator==(const LeaveReply&, const LeaveReply&) = default;
};
struct UpReply {
  std::string network;
  std::string interface;
  bool changed = false;  ///< false: it was up
  friend bool operator==(const UpReply&, const UpReply&) = default;
};
struct DownReply {
  std::string network;
  bool changed = false;
  friend bool operator==(const DownReply&, const DownReply&) = default;
};
struct NetworksReply {
  std::vector<NetworkSummary> networks;
  std::vector<Health> health;  ///< of files that networks are kept in, and unfinished joins
  friend bool operator==(const NetworksReply&, const NetworksReply&) = default;
};
struct StatusReply {
  std::vector<NetworkStatus> networks;
  /// Of the whole daemon, by reason (dataplane/drop.h): most are of no network yet.
  std::map<std::string, std::uint64_t> drops;
  std::vector<Health> health;
  friend bool operator==(const StatusReply&, const StatusReply&) = default;
};
/// One answer to a ping; also an event.
struct PingAnswer {
  std::uint32_t sequence = 0;  ///< from 1
  PathStatus path;             ///< the answer came by it; `rtt` is this answer's time
  friend bool operator==(const PingAnswer&, const PingAnswer&) = default;
};
struct PingReply {
  std::string network;
  std::string member;
  std::optional<Ipv4> ipv4;
  Ipv6 ipv6;
  std::uint32_t sent = 0;
  std::uint32_t received = 0;
  std::optional<Duration> rtt_min;
  std::optional<Duration> rtt_average;
  std::optional<Duration> rtt_max;
  /// The daemon leaves it empty (each went out as an event); the client gathers them here.
  std::vector<PingAnswer> replies;
  friend bool operator==(const PingReply&, const PingReply&) = default;
};
struct KickReply {
  std::string network;
  std::string member;
  std::vector<InviteStatus> closed_invites;  ///< open until now: the new secret shuts them all
  std::uint32_t told = 0;                    ///< members that know already
  std::uint32_t epoch = 0;                   ///< of the network's new secret
  friend bool operator==(const KickReply&, const KickReply&) = default;
};
struct AdminReply {
  std::string network;
  std::string member;
  bool admin = false;  ///< what the member now is
  friend bool operator==(const AdminReply&, const AdminReply&) = default;
};
struct DeviceReply {
  std::string network;
  std::optional<std::string> name;    ///< add, show
  std::optional<std::string> config;  ///< add, show: a wg-quick(8) file
  bool has_private_key = false;       ///< of `config`: add only, the key is kept nowhere
  std::vector<DeviceStatus> devices;  ///< list
  friend bool operator==(const DeviceReply&, const DeviceReply&) = default;
};
struct NetcheckReply {
  std::uint16_t port = 0;  ///< outer UDP port of this computer
  NatStatus ipv4;
  NatStatus ipv6;
  bool port_mapping = true;  ///< gateways are asked
  bool upnp = true;          ///< also by UPnP
  std::vector<GatewayStatus> gateways;
  std::vector<StunStatus> stun;  ///< servers asked in the last round
  std::vector<Health> health;    ///< what stands in the way of direct paths
  friend bool operator==(const NetcheckReply&, const NetcheckReply&) = default;
};
struct VersionReply {
  std::optional<std::string> daemon;  ///< "0.1.0"; absent = it could not be asked
  std::string client;                 ///< the daemon leaves it empty
  friend bool operator==(const VersionReply&, const VersionReply&) = default;
};

using Reply = std::variant<CreateReply, InviteReply, JoinReply, LeaveReply, UpReply, DownReply,
                           NetworksReply, StatusReply, PingReply, KickReply, AdminReply,
                           DeviceReply, NetcheckReply, DoctorReply, VersionReply>;
static_assert(std::variant_size_v<Request> == std::variant_size_v<Reply>);

// ---- events ------------------------------------------------------------------------------------
// What a long request is doing, any number before its reply.

/// join: calls a member at this address.
struct JoinCalling {
  Endpoint host;
  friend bool operator==(const JoinCalling&, const JoinCalling&) = default;
};
/// join: a member of the network answered and proved itself.
struct JoinFound {
  std::string member;
  Endpoint host;
  friend bool operator==(const JoinFound&, const JoinFound&) = default;
};
/// join: the redemption is sent, nobody has admitted it yet.
struct JoinWaiting {
  friend bool operator==(const JoinWaiting&, const JoinWaiting&) = default;
};
/// ping: nothing came back in time.
struct PingLost {
  std::uint32_t sequence = 0;
  friend bool operator==(const PingLost&, const PingLost&) = default;
};

using Event = std::variant<JoinCalling, JoinFound, JoinWaiting, PingAnswer, PingLost>;

}  // namespace ipop::control
