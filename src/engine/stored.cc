#include "engine/stored.h"

#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::engine {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kVersionStreams = 2;
constexpr std::size_t kInterfaceNameMax = 15;  // IFNAMSIZ - 1
constexpr std::size_t kSecretsMax = 16;

void write_text(wire::Writer& w, std::string_view text) {
  w.le<std::uint8_t>(static_cast<std::uint8_t>(text.size()));
  w.bytes(as_bytes(text));
}

std::string read_text(wire::Reader& r, std::size_t max) {
  const std::size_t n = r.le<std::uint8_t>();
  if (n > max) r.fail();
  return std::string(as_text(r.take(n)));
}

void write_blob(wire::Writer& w, Bytes blob) {
  w.le<std::uint16_t>(static_cast<std::uint16_t>(blob.size()));
  w.bytes(blob);
}

Bytes read_blob(wire::Reader& r) { return r.take(r.le<std::uint16_t>()); }

bool read_flag(wire::Reader& r) {
  const auto flag = r.le<std::uint8_t>();
  if (flag > 1) r.fail();
  return flag == 1;
}

crypto::Secret<32> read_secret(wire::Reader& r) {
  const Bytes bytes = r.take(32);
  if (!r.ok()) return {};
  return std::move(*crypto::Secret<32>::from(bytes));
}

void read_version(wire::Reader& r) {
  if (r.le<std::uint8_t>() != kVersion) r.fail();
}

void write_hints(const std::vector<wire::PeerHint>& peers, wire::Writer& w) {
  w.le<std::uint16_t>(static_cast<std::uint16_t>(peers.size()));
  for (const wire::PeerHint& peer : peers) {
    w.bytes(peer.node.view());
    w.le<std::uint8_t>(static_cast<std::uint8_t>(peer.candidates.size()));
    for (const Endpoint& e : peer.candidates) wire::write_candidate(e, w);
  }
}

std::vector<wire::PeerHint> read_hints(wire::Reader& r) {
  const std::size_t n = r.le<std::uint16_t>();
  std::vector<wire::PeerHint> out;
  for (std::size_t i = 0; i < n && r.ok(); ++i) {
    wire::PeerHint peer;
    peer.node = r.fixed<wire::NodeId>();
    const std::size_t m = r.le<std::uint8_t>();
    for (std::size_t j = 0; j < m && r.ok(); ++j) {
      peer.candidates.push_back(wire::read_candidate(r));
    }
    out.push_back(std::move(peer));
  }
  return out;
}

}  // namespace

ByteVector write_stored_identity(const StoredIdentity& stored) {
  ByteVector out;
  wire::Writer w(out);
  w.le<std::uint8_t>(kVersion);
  w.bytes(stored.network.view());
  w.bytes(stored.identity_seed.reveal());
  w.bytes(stored.tunnel_secret.reveal());
  w.le(stored.skey_epoch);
  w.bytes(stored.grant.view());
  w.le<std::uint8_t>(stored.root_seed ? 1 : 0);
  if (stored.root_seed) w.bytes(stored.root_seed->reveal());
  w.le<std::uint8_t>(stored.up ? 1 : 0);
  write_text(w, stored.name);
  write_text(w, stored.interface);
  w.le<std::uint8_t>(stored.joining ? 1 : 0);
  if (stored.joining) {
    write_blob(w, stored.joining->invite_layout);
    write_blob(w, stored.joining->redemption);
  }
  return out;
}

Result<StoredIdentity> parse_stored_identity(Bytes bytes) {
  wire::Reader r(bytes);
  StoredIdentity stored;
  read_version(r);
  stored.network = r.fixed<wire::NetworkId>();
  stored.identity_seed = read_secret(r);
  stored.tunnel_secret = read_secret(r);
  stored.skey_epoch = r.le<std::uint32_t>();
  stored.grant = r.fixed<wire::StatementId>();
  if (read_flag(r)) stored.root_seed = read_secret(r);
  stored.up = read_flag(r);
  stored.name = read_text(r, wire::kNameMax);
  stored.interface = read_text(r, kInterfaceNameMax);
  if (read_flag(r)) {
    StoredIdentity::Joining joining;
    joining.invite_layout = to_vector(read_blob(r));
    joining.redemption = to_vector(read_blob(r));
    stored.joining = std::move(joining);
  }
  if (!r.done() || !wire::is_valid_name(stored.name)) {
    return fail(Errc::BadValue, "not an identity file of this version");
  }
  return stored;
}

ByteVector write_stored_secrets(const std::vector<StoredSecret>& secrets) {
  ByteVector out;
  wire::Writer w(out);
  w.le<std::uint8_t>(kVersion);
  w.le<std::uint8_t>(static_cast<std::uint8_t>(secrets.size()));
  for (const StoredSecret& s : secrets) {
    w.le(s.epoch.value);
    w.bytes(s.secret.reveal());
  }
  return out;
}

Result<std::vector<StoredSecret>> parse_stored_secrets(Bytes bytes) {
  wire::Reader r(bytes);
  read_version(r);
  const std::size_t n = r.le<std::uint8_t>();
  if (n == 0 || n > kSecretsMax) r.fail();
  std::vector<StoredSecret> out;
  for (std::size_t i = 0; i < n && r.ok(); ++i) {
    const Epoch epoch{r.le<std::uint32_t>()};
    out.push_back({epoch, read_secret(r)});
  }
  if (!r.done()) return fail(Errc::BadValue, "not a secrets file of this version");
  return out;
}

ByteVector write_stored_statements(const std::vector<Bytes>& statements) {
  ByteVector out;
  wire::Writer w(out);
  w.le<std::uint8_t>(kVersion);
  w.le<std::uint32_t>(static_cast<std::uint32_t>(statements.size()));
  for (const Bytes s : statements) write_blob(w, s);
  return out;
}

Result<std::vector<Bytes>> parse_stored_statements(Bytes bytes) {
  wire::Reader r(bytes);
  read_version(r);
  const std::size_t n = r.le<std::uint32_t>();
  std::vector<Bytes> out;
  for (std::size_t i = 0; i < n && r.ok(); ++i) out.push_back(read_blob(r));
  if (!r.done()) return fail(Errc::BadValue, "not a statements file of this version");
  return out;
}

ByteVector write_stored_peers(const StoredPeers& stored) {
  ByteVector out;
  wire::Writer w(out);
  w.le<std::uint8_t>(stored.streams.empty() ? kVersion : kVersionStreams);
  write_hints(stored.peers, w);
  if (!stored.streams.empty()) write_hints(stored.streams, w);
  return out;
}

Result<StoredPeers> parse_stored_peers(Bytes bytes) {
  wire::Reader r(bytes);
  const auto version = r.le<std::uint8_t>();
  StoredPeers out;
  out.peers = read_hints(r);
  if (version == kVersionStreams) out.streams = read_hints(r);
  const bool known = version == (out.streams.empty() ? kVersion : kVersionStreams);
  if (!r.done() || !known) return fail(Errc::BadValue, "not a peers file of this version");
  return out;
}

ByteVector write_stored_clock(const StoredClock& clock) {
  ByteVector out;
  wire::Writer w(out);
  w.le<std::uint8_t>(kVersion);
  w.le(clock.reserved.seconds);
  w.le(clock.lived_until.seconds);
  return out;
}

Result<StoredClock> parse_stored_clock(Bytes bytes) {
  wire::Reader r(bytes);
  read_version(r);
  StoredClock clock;
  clock.reserved = {r.le<std::uint64_t>()};
  clock.lived_until = {r.le<std::uint64_t>()};
  if (!r.done()) return fail(Errc::BadValue, "not a clock file of this version");
  return clock;
}

ByteVector write_stored_devices(const StoredDevices& stored) {
  ByteVector out;
  wire::Writer w(out);
  w.le<std::uint8_t>(kVersion);
  w.bytes(stored.host_key.reveal());
  w.le<std::uint16_t>(static_cast<std::uint16_t>(stored.devices.size()));
  for (const StoredDevices::Entry& entry : stored.devices) {
    w.bytes(entry.grant.view());
    w.bytes(entry.psk.reveal());
    w.le<std::uint8_t>(entry.endpoint ? 1 : 0);
    if (entry.endpoint) wire::write_candidate(*entry.endpoint, w);
  }
  return out;
}

Result<StoredDevices> parse_stored_devices(Bytes bytes) {
  wire::Reader r(bytes);
  read_version(r);
  StoredDevices stored;
  stored.host_key = read_secret(r);
  const std::size_t n = r.le<std::uint16_t>();
  for (std::size_t i = 0; i < n && r.ok(); ++i) {
    StoredDevices::Entry entry;
    entry.grant = r.fixed<wire::StatementId>();
    entry.psk = read_secret(r);
    if (read_flag(r)) entry.endpoint = wire::read_candidate(r);
    stored.devices.push_back(std::move(entry));
  }
  if (!r.done()) return fail(Errc::BadValue, "not a devices file of this version");
  return stored;
}

}  // namespace ipop::engine
