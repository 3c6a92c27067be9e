#pragma once

#include <optional>
#include <unordered_map>

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "session/local_side.h"
#include "session/profile.h"

namespace ipop::session {

/// mac1's key: BLAKE2s(label || mac_e || S_r) natively, BLAKE2s(label || S_r) for stock (empty
/// mac_e).
crypto::Secret<32> mac1_key(std::string_view label, Bytes mac_e, const TunnelKey& responder);
/// The same as `profile` has it; `epoch` counts natively only.
crypto::Secret<32> mac1_key(const Profile& profile, const EpochKeys& epoch,
                            const TunnelKey& responder);

/// The macs themselves: keyed BLAKE2s over what precedes them in the datagram.
wire::Mac mac1_of(const crypto::Secret<32>& key, Bytes mac1_input);
wire::Mac mac2_of(const wire::Mac& cookie, Bytes mac2_input);

/// What a cookie reply is sealed with: BLAKE2s(label || public key of who seals it).
crypto::Secret<32> cookie_key(std::string_view label, const TunnelKey& sealer);

/// The live epoch under which a datagram's mac1 is addressed to us, newest first; nullopt: silence.
std::optional<Epoch> find_mac1_epoch(const Profile& profile, const LocalSide& local,
                                     Bytes mac1_input, const wire::Mac& mac1);

/// Stands between the socket and the expensive part of a handshake: decides whether a datagram
/// whose mac1 is right may cost us a Diffie-Hellman. WireGuard paper section 5.3 and 5.4.7.
///
/// Load is measured by how many handshakes passed in the last second. Under load only a datagram
/// with a fresh cookie passes, and then only as often as its source's token bucket allows (20/s,
/// burst 5 per IPv4 or IPv6/64); others get a cookie reply, which is smaller than what they sent.
class HandshakeGate {
 public:
  enum class Verdict : std::uint8_t { Pass, Drop, ReplyCookie };

  explicit HandshakeGate(Rng& rng);

  /// `mac2` covers `mac2_input`; `from` is what the cookie is bound to. Requires: mac1 was right.
  Verdict admit(Instant now, const Endpoint& from, const wire::Mac& mac2, Bytes mac2_input);

  /// The cookie reply for a datagram that got ReplyCookie; `sealer` is our own public key, `mac1`
  /// the datagram's.
  wire::CookieReply make_cookie_reply(Instant now, const Profile& profile, SessionIndex receiver,
                                      const TunnelKey& sealer, const wire::Mac& mac1,
                                      const Endpoint& from);
  bool under_load(Instant now) const;

 private:
  struct Bucket {
    double tokens = 0;
    Instant at;
  };
  void rotate_secret(Instant now);
  wire::Mac cookie_for(const Endpoint& from) const;
  bool take_token(Instant now, const Endpoint& from);

  Rng* rng_;
  crypto::Secret<32> secret_;
  Instant secret_at_{};
  bool have_secret_ = false;
  std::unordered_map<IpAddress, Bucket> buckets_;
  Instant swept_at_{};
  Instant window_at_{};
  std::uint32_t window_count_ = 0;
  Instant loaded_until_{};
};

}  // namespace ipop::session
