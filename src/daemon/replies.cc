#include "daemon/replies.h"

#include <algorithm>

#include "nat/public_address.h"

namespace ipop::daemon {
namespace {

control::ErrorCode code_of(engine::Failure failure) {
  using Code = control::ErrorCode;
  switch (failure) {
    case engine::Failure::NotAnInvite:
      return Code::NotAnInvite;
    case engine::Failure::DamagedInvite:
      return Code::DamagedInvite;
    case engine::Failure::ExpiredInvite:
      return Code::ExpiredInvite;
    case engine::Failure::UsedInvite:
      return Code::UsedInvite;
    case engine::Failure::RevokedInvite:
      return Code::RevokedInvite;
    case engine::Failure::NameTaken:
      return Code::NameTaken;
    case engine::Failure::NetworkExists:
      return Code::NetworkExists;
    case engine::Failure::BadName:
      return Code::BadName;
    case engine::Failure::BadAddress:
      return Code::BadAddress;
    case engine::Failure::AddressTaken:
      return Code::AddressTaken;
    case engine::Failure::PoolFull:
      return Code::PoolFull;
    case engine::Failure::SubnetClash:
      return Code::SubnetClash;
    case engine::Failure::BadSubnet:
      return Code::BadSubnet;
    case engine::Failure::AlreadyMember:
      return Code::AlreadyMember;
    case engine::Failure::RemovedMember:
      return Code::RemovedMember;
    case engine::Failure::UnknownNetwork:
      return Code::UnknownNetwork;
    case engine::Failure::NoNetwork:
      return Code::NoNetwork;
    case engine::Failure::AmbiguousNetwork:
      return Code::AmbiguousNetwork;
    case engine::Failure::UnknownMember:
      return Code::UnknownMember;
    case engine::Failure::NotAllowed:
      return Code::NotAllowed;
    case engine::Failure::AlreadyAdmin:
      return Code::AlreadyAdmin;
    case engine::Failure::NotAdmin:
      return Code::NotAdmin;
    case engine::Failure::BadRequest:
      return Code::Usage;
    case engine::Failure::TooDeep:
      return Code::DepthExhausted;
    case engine::Failure::NoAnswer:
      return Code::NoAnswer;
    case engine::Failure::TooMany:
      return Code::Busy;
    case engine::Failure::StateError:
      return Code::StateError;
    case engine::Failure::InterfaceError:
      return Code::InterfaceError;
    case engine::Failure::Down:
      return Code::NetworkDown;
    case engine::Failure::NewerVersion:
      return Code::NewerInvite;
  }
  return Code::Internal;
}

}  // namespace

control::ControlError error_of(const engine::CommandError& error) {
  return {code_of(error.failure), error.message, error.next};
}

control::NetworkInfo info_of(const engine::NetworkStatus& status) {
  control::NetworkInfo info;
  info.name = status.name;
  info.id = status.id;
  info.interface = status.interface;
  if (status.pool) info.subnet4 = *status.pool;
  info.subnet6 = {status.prefix6, 48};
  info.self.name = status.member;
  info.self.ipv4 = status.v4;
  info.self.ipv6 = status.v6;
  if (!status.member.empty()) info.self.dns_name = status.member + "." + status.name + ".internal";
  info.self.id = status.node;
  info.self.admin = status.admin;
  return info;
}

control::InviteStatus invite_of(const engine::InviteStatus& invite) {
  control::InviteStatus out;
  out.id = invite.id;
  out.uses = invite.uses;
  out.used = invite.used;
  out.expires = invite.redeem_until;
  if (!invite.name.empty()) out.name = invite.name;
  out.address = invite.v4;
  if (!invite.issuer.empty()) out.issuer = invite.issuer;
  return out;
}

control::PathStatus path_of(const std::optional<Way>& leg, const std::optional<std::string>& via,
                            std::optional<Duration> rtt) {
  control::PathStatus path;
  if (leg) {
    path.kind = leg->is_stream() ? control::PathKind::Tls : control::PathKind::Direct;
    path.endpoint = leg->endpoint();
  } else if (via) {
    path.kind = control::PathKind::Relay;
  }
  if (via && !via->empty()) path.via = via;
  path.rtt = rtt;
  return path;
}

control::NetworkStatus status_of(const engine::NetworkStatus& status, std::uint16_t port) {
  control::NetworkStatus out;
  out.network = info_of(status);
  out.state = status.up ? control::NetworkState::Up : control::NetworkState::Down;
  out.mtu = status.mtu;
  out.port = port;
  out.epoch = status.epoch.value;
  for (const engine::MemberStatus& m : status.members) {
    control::MemberStatus member;
    member.name = m.name;
    member.ipv4 = m.v4;
    member.ipv6 = m.v6;
    member.id = m.node;
    member.admin = m.admin;
    member.online = m.online;
    std::optional<Way> leg;
    if (m.endpoint) leg = *m.endpoint;
    if (m.stream) leg = Way::stream(*m.stream);
    member.path = path_of(leg, m.via, m.rtt);
    member.path.mtu = m.mtu;
    member.rx_bytes = m.rx_bytes;
    member.tx_bytes = m.tx_bytes;
    member.suite = m.suite;
    if (m.last_seen) {
      member.last_seen = std::chrono::duration_cast<std::chrono::seconds>(*m.last_seen);
    }
    out.members.push_back(std::move(member));
  }
  std::sort(out.members.begin(), out.members.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  out.devices = devices_of(status);
  for (const engine::InviteStatus& invite : status.invites) {
    out.invites.push_back(invite_of(invite));
  }
  return out;
}

std::map<std::string, std::uint64_t> drops_of(const dataplane::DropTotals& drops) {
  std::map<std::string, std::uint64_t> out;
  for (std::size_t i = 0; i < dataplane::kDropCount; ++i) {
    const auto reason = static_cast<dataplane::Drop>(i);
    out[std::string(dataplane::drop_name(reason))] = drops[i];
  }
  return out;
}

std::vector<control::DeviceStatus> devices_of(const engine::NetworkStatus& status) {
  const auto seconds = [](const std::optional<Duration>& d) -> std::optional<std::chrono::seconds> {
    if (!d) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::seconds>(*d);
  };
  std::vector<control::DeviceStatus> out;
  for (const engine::DeviceStatus& d : status.devices) {
    out.push_back({.name = d.name,
                   .ipv4 = d.v4,
                   .ipv6 = d.v6,
                   .id = d.id,
                   .host = d.host,
                   .hosted_here = d.hosted_here,
                   .online = d.online,
                   .endpoint = d.endpoint,
                   .last_handshake = seconds(d.last_handshake),
                   .last_seen = seconds(d.last_seen),
                   .rx_bytes = d.rx_bytes,
                   .tx_bytes = d.tx_bytes});
  }
  std::ranges::sort(out, {}, &control::DeviceStatus::name);
  return out;
}

std::string wg_quick_file(const engine::DeviceConfig& config,
                          const crypto::Secret<32>* private_key) {
  std::string out = "# " + config.name + " in " + config.network + ", by way of " + config.host +
                    "\n[Interface]\n";
  out += private_key != nullptr ? "PrivateKey = " + to_base64(private_key->reveal()) + "\n"
                                : "# PrivateKey was shown once and is kept nowhere\n";
  out += "Address = " + config.v4.to_string() + "/32, " + config.v6.to_string() + "/128\n";
  out += "MTU = " + std::to_string(config.mtu) + "\n\n[Peer]\n";
  out += "PublicKey = " + to_base64(config.host_key.view()) + "\n";
  const crypto::Secret<32> none;
  if (!crypto::equal_constant_time(config.psk.reveal(), none.reveal())) {
    out += "PresharedKey = " + to_base64(config.psk.reveal()) + "\n";
  }
  out += "AllowedIPs = ";
  if (config.pool) out += config.pool->to_string() + ", ";
  out += config.prefix6.to_string() + "/48\n";
  if (config.endpoint) out += "Endpoint = " + config.endpoint->to_string() + "\n";
  // Keeps a NAT's mapping alive, so that others reach the device while it says nothing.
  out += "PersistentKeepalive = 25\n";
  return out;
}

control::NetworkSummary summary_of(const engine::NetworkStatus& status) {
  control::NetworkSummary out;
  out.network = info_of(status);
  out.state = status.up ? control::NetworkState::Up : control::NetworkState::Down;
  const bool is_member = !status.member.empty() || status.v4;
  out.members = static_cast<std::uint32_t>(status.members.size()) + (is_member ? 1 : 0);
  out.online = static_cast<std::uint32_t>(
      std::count_if(status.members.begin(), status.members.end(),
                    [](const engine::MemberStatus& m) { return m.online; }));
  if (status.up && is_member) ++out.online;
  return out;
}

control::Health health_of(const engine::Health& health) {
  return {health.code, health.message, health.next};
}

std::vector<control::Health> advice_on_hosts(const std::vector<Endpoint>& hosts,
                                             std::uint16_t port) {
  const auto is_public = [](const Endpoint& host) { return nat::is_public(host.address); };
  if (std::ranges::any_of(hosts, is_public)) return {};
  return {
      {"local_invite",
       "this invite names addresses of a local network only: it works for who is in the same one",
       "for a friend elsewhere have your router forward UDP port " + std::to_string(port) +
           " to this computer (`ipop netcheck` shows what it does now), or let a member invite "
           "who can be reached; then make another invite"}};
}

}  // namespace ipop::daemon
