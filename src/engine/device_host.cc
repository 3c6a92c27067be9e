#include "engine/device_host.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/door.h"
#include "engine/overload.h"

namespace ipop::engine {

void DeviceHost::restore(StoredDevices stored, UnixTime reserved) {
  side_.keys = crypto::X25519KeyPair::from_secret(std::move(stored.host_key));
  side_.timestamps = session::TimestampSource(reserved);
  make_keys();
  for (StoredDevices::Entry& entry : stored.devices) {
    secrets_.insert_or_assign(entry.grant, Secret{std::move(entry.psk), entry.endpoint});
  }
}

std::optional<ByteVector> DeviceHost::stored() const {
  if (!has_keys_) return std::nullopt;
  StoredDevices out{.host_key = side_.keys.secret.clone(), .devices = {}};
  for (const auto& [grant, secret] : secrets_) {
    out.devices.push_back({grant, secret.psk.clone(), secret.endpoint});
  }
  return write_stored_devices(out);
}

void DeviceHost::make_keys() {
  has_keys_ = true;
  side_.prologue = to_vector(as_bytes(session::kStockPrologue));
  side_.epochs.clear();
  side_.epochs.emplace_back();  // a stock handshake takes neither psk nor mac key from it
}

const TunnelKey& DeviceHost::public_key() {
  if (!has_keys_) {
    side_.keys = crypto::X25519KeyPair::random(*ctx_->rng);
    make_keys();
  }
  return side_.keys.public_key;
}

void DeviceHost::add(const wire::StatementId& grant, crypto::Secret<32> psk) {
  secrets_.insert_or_assign(grant, Secret{std::move(psk), std::nullopt});
}

void DeviceHost::refresh(const Now& now, const std::map<wire::StatementId, member::Device>& devices,
                         const wire::NodeId& self) {
  const auto counts = [&](const wire::StatementId& grant) {
    const auto it = devices.find(grant);
    return it != devices.end() && it->second.host == self;
  };
  for (auto it = devices_.begin(); it != devices_.end();) {
    Hosted& hosted = *it->second;
    if (counts(hosted.device.grant)) {
      ++it;
      continue;
    }
    end(now, hosted);
    it = devices_.erase(it);
  }
  for (const auto& [grant, secret] : secrets_) {
    if (find(grant) == nullptr && counts(grant)) begin(devices.at(grant), secret);
  }
}

std::vector<wire::StatementId> DeviceHost::idle() const {
  std::vector<wire::StatementId> out;
  for (const auto& [grant, secret] : secrets_) {
    if (find(grant) == nullptr) out.push_back(grant);
  }
  return out;
}

void DeviceHost::forget(const wire::StatementId& grant) {
  check(find(grant) == nullptr);
  moved_ |= secrets_.erase(grant) != 0;
}

void DeviceHost::set_inside(const std::optional<Prefix4>& pool, const Ipv6& prefix6) {
  pool_ = pool;
  prefix6_ = prefix6;
}

bool DeviceHost::is_inside(const IpAddress& address) const {
  if (!address.is_v6()) return pool_ && pool_->contains(address.v4());
  return prefix6_ &&
         equal_bytes(Bytes(prefix6_->bytes).first(6), Bytes(address.v6().bytes).first(6));
}

void DeviceHost::begin(const member::Device& device, const Secret& secret) {
  // Of two GRANTs to one key the first that counts has the sessions.
  if (by_key_.contains(device.key)) return;
  auto hosted = std::make_unique<Hosted>();
  hosted->handle = PeerHandle{ctx_->next_peer++};
  hosted->device = device;
  hosted->psk = &secret.psk;
  hosted->known_endpoint = secret.endpoint;
  hosted->link = std::make_unique<DeviceLink>(
      *ctx_, session::Session::Options{.profile = &session::kStockProfile,
                                       .local = &side_,
                                       .remote = device.key,
                                       .owner = hosted->handle,
                                       .indices = &ctx_->indices,
                                       .rng = ctx_->rng,
                                       .psk = &secret.psk});
  hosted->link->set_endpoint(secret.endpoint);
  by_key_[device.key] = hosted->handle;
  devices_[hosted->handle] = std::move(hosted);
  ctx_->snapshot_stale = true;
}

void DeviceHost::stop(const Now& now) {
  for (auto& [handle, hosted] : devices_) end(now, *hosted);
  devices_.clear();
}

void DeviceHost::end(const Now& now, Hosted& hosted) {
  hosted.link->reset();
  pump(now, hosted);
  by_key_.erase(hosted.device.key);
  ctx_->garbage.peers.push_back(std::move(hosted.words));
  ctx_->snapshot_stale = true;
}

void DeviceHost::reset(const Now& now) {
  for (auto& [handle, hosted] : devices_) {
    hosted->link->reset();
    pump(now, *hosted);
  }
}

bool DeviceHost::handle_initiation(const Now& now, const wire::Initiation& message,
                                   const Endpoint& from) {
  if (devices_.empty() || is_inside(from.address)) return false;
  const session::Profile& profile = session::kStockProfile;
  const auto epoch = session::find_mac1_epoch(profile, side_, message.mac1_input, message.mac1);
  if (!epoch) return false;
  auto admission = admit_initiation(*ctx_, now, profile, side_.keys.public_key, message, from);
  if (admission.answer) ctx_->outputs.emplace_back(Transmit{from, std::move(*admission.answer)});
  if (!admission.enters) return true;
  auto received = session::consume_initiation(profile, side_, message, *epoch);
  if (!received) return true;
  const auto it = by_key_.find(received->noise.remote());
  if (it == by_key_.end()) return true;
  Hosted& hosted = *devices_.at(it->second);
  static_cast<void>(hosted.link->respond(now, std::move(*received), from));
  pump(now, hosted);
  return true;
}

bool DeviceHost::handle_response(const Now& now, PeerHandle peer, const wire::Response& message,
                                 const Endpoint& from) {
  Hosted* hosted = find(peer);
  if (hosted == nullptr) return false;
  if (is_inside(from.address)) return true;
  static_cast<void>(hosted->link->handle_response(now, message, from));
  pump(now, *hosted);
  return true;
}

bool DeviceHost::handle_cookie_reply(const Now& now, PeerHandle peer,
                                     const wire::CookieReply& message) {
  Hosted* hosted = find(peer);
  if (hosted == nullptr) return false;
  static_cast<void>(hosted->link->handle_cookie_reply(now, message));
  pump(now, *hosted);
  return true;
}

bool DeviceHost::handle_received(const Now& now, PeerHandle peer, SessionIndex session,
                                 const Endpoint& from) {
  Hosted* hosted = find(peer);
  if (hosted == nullptr) return false;
  if (is_inside(from.address)) return true;
  hosted->link->handle_received(now, session, from);
  pump(now, *hosted);
  return true;
}

bool DeviceHost::handle_ip_sent(const Now& now, PeerHandle peer) {
  Hosted* hosted = find(peer);
  if (hosted == nullptr) return false;
  hosted->link->handle_ip_sent(now);
  pump(now, *hosted);
  return true;
}

bool DeviceHost::handle_limit(const Now& now, PeerHandle peer, SessionIndex session) {
  Hosted* hosted = find(peer);
  if (hosted == nullptr) return false;
  hosted->link->handle_limit(now, session);
  pump(now, *hosted);
  return true;
}

void DeviceHost::handle_unrouted(const Now& now, PeerHandle peer, ByteVector packet) {
  Hosted* hosted = find(peer);
  if (hosted == nullptr) return;
  if (hosted->queue.size() >= kQueuedPacketsMax) hosted->queue.pop_front();
  hosted->queue.push_back({now.at, std::move(packet)});
  if (hosted->link->online()) {
    flush(now, *hosted);
  } else {
    hosted->link->connect(now);
  }
  pump(now, *hosted);
}

void DeviceHost::handle_path_mtu(const Endpoint& to, std::uint16_t inner_mtu) {
  for (auto& [handle, hosted] : devices_) {
    if (hosted->link->endpoint() != to) continue;
    hosted->mtu = inner_mtu;
    ctx_->snapshot_stale = true;
  }
}

void DeviceHost::handle_timeout(const Now& now) {
  for (auto& [handle, hosted] : devices_) {
    if (hosted->deadline <= now.at) hosted->link->handle_timeout(now);
    while (!hosted->queue.empty() && hosted->queue.front().at + kQueuedFor <= now.at) {
      hosted->queue.pop_front();
    }
    pump(now, *hosted);
  }
}

Instant DeviceHost::deadline() const {
  Instant at = Instant::max();
  for (const auto& [handle, hosted] : devices_) {
    at = std::min(at, hosted->deadline);
    if (!hosted->queue.empty()) at = std::min(at, hosted->queue.front().at + kQueuedFor);
  }
  return at;
}

void DeviceHost::pump(const Now& now, Hosted& hosted) {
  for (bool more = true; more;) {
    auto output = hosted.link->poll_output();
    std::visit(Overload{
                   [&](DeviceLink::Send& o) {
                     ctx_->outputs.emplace_back(Transmit{o.to, std::move(o.datagram)});
                   },
                   [&](DeviceLink::KeepaliveDue&) {
                     if (hosted.queue.empty()) {
                       hosted.link->send_keepalive();
                     } else {
                       flush(now, hosted);
                     }
                   },
                   [&](DeviceLink::Changed&) {
                     ctx_->snapshot_stale = true;
                     if (hosted.link->online()) flush(now, hosted);
                   },
                   [&](DeviceLink::WaitUntil& o) {
                     hosted.deadline = o.at;
                     more = false;
                   },
               },
               output);
  }
  for (auto& keypair : hosted.link->take_garbage()) {
    ctx_->garbage.keypairs.push_back(std::move(keypair));
    ctx_->snapshot_stale = true;
  }
  if (hosted.link->endpoint() == hosted.known_endpoint) return;
  hosted.known_endpoint = hosted.link->endpoint();
  if (const auto secret = secrets_.find(hosted.device.grant); secret != secrets_.end()) {
    secret->second.endpoint = hosted.known_endpoint;
    moved_ = true;
  }
  if (hosted.known_endpoint) ctx_->outputs.emplace_back(QueryPathMtu{*hosted.known_endpoint});
}

void DeviceHost::flush(const Now& now, Hosted& hosted) {
  while (!hosted.queue.empty()) {
    const Queued queued = std::move(hosted.queue.front());
    hosted.queue.pop_front();
    if (queued.at + kQueuedFor > now.at) hosted.link->send_ip(now, queued.packet);
  }
}

DeviceHost::Hosted* DeviceHost::find(PeerHandle peer) {
  const auto it = devices_.find(peer);
  return it == devices_.end() ? nullptr : it->second.get();
}

const DeviceHost::Hosted* DeviceHost::find(const wire::StatementId& grant) const {
  const auto it = std::find_if(devices_.begin(), devices_.end(),
                               [&](const auto& d) { return d.second->device.grant == grant; });
  return it == devices_.end() ? nullptr : it->second.get();
}

void DeviceHost::add_to_snapshot(NetworkSlot slot, std::uint16_t mtu_max,
                                 dataplane::NetworkEntry& entry,
                                 dataplane::Snapshot& snapshot) const {
  for (const auto& [handle, hosted] : devices_) {
    const DeviceLink& link = *hosted->link;
    const auto index = static_cast<std::uint32_t>(snapshot.peers.size());
    dataplane::PeerRoute route{.peer = handle, .network = slot, .is_device = true};
    if (link.online()) {
      route.send = link.sending();
      if (link.endpoint()) route.way = *link.endpoint();
    }
    route.mtu = hosted->mtu != 0 ? std::min(hosted->mtu, mtu_max) : mtu_max;
    route.words = hosted->words.get();
    snapshot.peers.push_back(route);
    entry.routes[hosted->device.v4] = index;
    entry.routes[hosted->device.v6] = index;
    const auto way = link.endpoint() ? std::optional<Way>(*link.endpoint()) : std::nullopt;
    for (const auto& [local, keypair] : link.pairs()) {
      snapshot.sessions.emplace(local, dataplane::SessionEntry{.keypair = keypair.get(),
                                                               .peer = handle,
                                                               .network = slot,
                                                               .proven = true,
                                                               .is_device = true,
                                                               .source4 = hosted->device.v4,
                                                               .source6 = hosted->device.v6,
                                                               .way = way,
                                                               .words = hosted->words.get()});
    }
  }
}

std::optional<DeviceHost::View> DeviceHost::view(const wire::StatementId& grant,
                                                 Instant now) const {
  const Hosted* hosted = find(grant);
  if (hosted == nullptr) return std::nullopt;
  View out;
  out.online = hosted->link->online();
  out.key = hosted->device.key;
  out.endpoint = hosted->link->endpoint();
  out.handshake_age = hosted->link->handshake_age(now);
  out.silence = hosted->link->silence(now);
  out.rx_bytes = hosted->words->rx_bytes.load(std::memory_order_relaxed);
  out.tx_bytes = hosted->words->tx_bytes.load(std::memory_order_relaxed);
  out.has_psk = !crypto::equal_constant_time(hosted->psk->reveal(), crypto::Secret<32>{}.reveal());
  return out;
}

std::optional<crypto::Secret<32>> DeviceHost::psk_of(const wire::StatementId& grant) const {
  const auto it = secrets_.find(grant);
  if (it == secrets_.end()) return std::nullopt;
  return it->second.psk.clone();
}

}  // namespace ipop::engine
