// Stock WireGuard devices: making and removing them, and how everybody reaches them.

#include <algorithm>

#include "engine/network.h"
#include "engine/text.h"

namespace ipop::engine {

void Network::refresh_devices(const Now& now) {
  if (up_) {
    devices_.set_inside(pool(), member::ipv6_prefix_of(set_->network()));
    devices_.refresh(now, membership_.devices(), self()->node);
    for (const wire::StatementId& grant : devices_.idle()) {
      const member::Effect* effect = membership_.effect_of(grant);
      if (effect == nullptr || !effect->acting) devices_.forget(grant);
    }
  } else {
    devices_.stop(now);
  }
}

Outcome<DeviceMade> Network::add_device(const Now& now, const DeviceWish& wish) {
  catch_up(now);
  auto keys = crypto::X25519KeyPair::random(*ctx_->rng);
  const auto made = member::make_device(
      membership_, *set_, {&*identity_, grant_},
      {.name = wish.name, .address = wish.address, .key = keys.public_key}, wall(now), *ctx_->rng);
  if (!made) return std::unexpected(error_of(made.error()));
  const auto endpoint = wish.endpoint ? wish.endpoint : endpoint_for_strangers();
  if (!endpoint) {
    return std::unexpected(CommandError{
        Failure::NoAnswer, "this computer has no network address that the device could call",
        "connect it to a network, or name one: --endpoint ADDRESS:PORT"});
  }
  static_cast<void>(devices_.public_key());
  devices_.add(made->grant,
               wish.psk ? crypto::Secret<32>::random(*ctx_->rng) : crypto::Secret<32>{});
  store_devices();  // first: a device whose secret is lost is none
  publish_statements(now, {made->statement});
  pump(now);
  auto config = device_config(now, wish.name);
  if (!config) return std::unexpected(config.error());
  config->endpoint = endpoint;
  return DeviceMade{std::move(*config), std::move(keys.secret)};
}

Outcome<DeviceConfig> Network::device_config(const Now& now, std::string_view name) const {
  static_cast<void>(now);
  const member::Device* device = find_device(name);
  if (device == nullptr) {
    return std::unexpected(CommandError{Failure::UnknownMember,
                                        "no device is called " + std::string(name),
                                        "`ipop device list` lists them"});
  }
  const member::Member* host = membership_.find(device->host);
  auto psk = devices_.psk_of(device->grant);
  if (device->host != self()->node || !psk) {
    return std::unexpected(
        CommandError{Failure::NotAllowed, device->name + " is hosted by " + host->name,
                     "only its host can show it: `ipop device show " + device->name + "` there"});
  }
  DeviceConfig out;
  out.network = name_;
  out.name = device->name;
  out.host = host->name;
  out.v4 = device->v4;
  out.v6 = device->v6;
  out.pool = pool();
  out.prefix6 = member::ipv6_prefix_of(set_->network());
  out.mtu = kInterfaceMtu;
  out.device_key = device->key;
  out.host_key = devices_.host_key();
  out.psk = std::move(*psk);
  out.endpoint = endpoint_for_strangers();
  return out;
}

/// The secret of the network stays: no device has it.
Outcome<Kicked> Network::remove_device(const Now& now, const member::Device& device) {
  const std::string name = device.name;
  const auto revoke =
      member::remove_device(membership_, *set_, {&*identity_, grant_}, device.grant, wall(now));
  if (!revoke) return std::unexpected(error_of(revoke.error()));
  publish_statements(now, {*revoke});
  pump(now);
  return Kicked{name, {}};
}

const member::Device* Network::find_device(std::string_view text) const {
  if (const member::Device* d = membership_.device_by_name(text)) return d;
  const auto address = IpAddress::parse(text);
  for (const auto& [grant, device] : membership_.devices()) {
    const bool named = address
                           ? *address == IpAddress(device.v4) || *address == IpAddress(device.v6)
                           : to_hex(grant.view()) == text;
    if (named) return &device;
  }
  return nullptr;
}

/// Ours have sessions of their own; others' are reached through their hosts.
void Network::add_device_routes(dataplane::NetworkEntry& entry,
                                dataplane::Snapshot& snapshot) const {
  for (const auto& [grant, device] : membership_.devices()) {
    const member::Member* host = membership_.find(device.host);
    const auto route = entry.routes.find(IpAddress(host->v6));
    if (route == entry.routes.end()) continue;
    const std::uint32_t index = route->second;
    entry.routes[device.v4] = index;
    entry.routes[device.v6] = index;
  }
  devices_.add_to_snapshot(slot_, kInterfaceMtu, entry, snapshot);
}

std::vector<DeviceStatus> Network::device_status(const Now& now) const {
  std::vector<DeviceStatus> out;
  for (const auto& [grant, device] : membership_.devices()) {
    DeviceStatus status;
    status.name = device.name;
    status.id = to_hex(grant.view());
    status.key = device.key;
    status.v4 = device.v4;
    status.v6 = device.v6;
    status.host = membership_.find(device.host)->name;
    if (const auto view = devices_.view(grant, now.at)) {
      status.hosted_here = true;
      status.online = view->online;
      status.endpoint = view->endpoint;
      status.last_handshake = view->handshake_age;
      status.last_seen = view->silence;
      status.rx_bytes = view->rx_bytes;
      status.tx_bytes = view->tx_bytes;
    }
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace ipop::engine
