#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "crypto/ed25519.h"
#include "crypto/x25519.h"
#include "wire/frames.h"
#include "wire/invite.h"

/// What a network keeps on disk, as bytes. The files' envelope (kind, version, checksum) is os/'s;
/// these are the payloads. Parsers are canonical; the first field is a layout version of its own.
namespace ipop::engine {

/// FileKind::Identity. u8 version=1 | 16 network | 32 identity seed | 32 tunnel secret |
/// u32 skey epoch | 16 own grant | u8 has root | [32 root seed] | u8 up | u8 n | network name |
/// u8 n | interface name | u8 joining | [u16 n | invite layout | u16 n | redemption]
struct StoredIdentity {
  wire::NetworkId network;
  crypto::Secret<32> identity_seed;
  crypto::Secret<32> tunnel_secret;
  std::uint32_t skey_epoch = 0;
  wire::StatementId grant;
  std::optional<crypto::Secret<32>> root_seed;  ///< the founder's machine only
  bool up = true;
  std::string name;       ///< of the network
  std::string interface;  ///< wanted name, empty = the first free one
  /// A join that was begun and not yet answered: trying again must use the same keys.
  struct Joining {
    ByteVector invite_layout;
    ByteVector redemption;
  };
  std::optional<Joining> joining;
};
ByteVector write_stored_identity(const StoredIdentity& stored);
Result<StoredIdentity> parse_stored_identity(Bytes bytes);

/// FileKind::Secrets. u8 version=1 | u8 n | n x (u32 epoch | 32 secret), newest first.
struct StoredSecret {
  Epoch epoch;
  crypto::Secret<32> secret;
};
ByteVector write_stored_secrets(const std::vector<StoredSecret>& secrets);
Result<std::vector<StoredSecret>> parse_stored_secrets(Bytes bytes);

/// FileKind::Statements. u8 version=1 | u32 n | n x (u16 length | statement).
ByteVector write_stored_statements(const std::vector<Bytes>& statements);
/// Views into `bytes`.
Result<std::vector<Bytes>> parse_stored_statements(Bytes bytes);

/// FileKind::Peers. u8 version=1 | u16 n | n x (16 node | u8 m | m x candidate); where TLS
/// addresses are known, version 2, with these behind as a second list.
struct StoredPeers {
  std::vector<wire::PeerHint> peers;
  std::vector<wire::PeerHint> streams;
};
ByteVector write_stored_peers(const StoredPeers& stored);
Result<StoredPeers> parse_stored_peers(Bytes bytes);

/// FileKind::Clock. u8 version=1 | u64 handshake timestamps reserved until | u64 latest wall clock.
struct StoredClock {
  UnixTime reserved;
  UnixTime lived_until;
};
ByteVector write_stored_clock(const StoredClock& clock);
Result<StoredClock> parse_stored_clock(Bytes bytes);

/// FileKind::Devices. u8 version=1 | 32 secret of the key that devices know | u16 n | n x (16 GRANT
/// | 32 psk | u8 has endpoint | [candidate]).
struct StoredDevices {
  struct Entry {
    wire::StatementId grant;
    crypto::Secret<32> psk;
    std::optional<Endpoint> endpoint;  ///< where it was last
  };
  crypto::Secret<32> host_key;
  std::vector<Entry> devices;
};
ByteVector write_stored_devices(const StoredDevices& stored);
Result<StoredDevices> parse_stored_devices(Bytes bytes);

}  // namespace ipop::engine
