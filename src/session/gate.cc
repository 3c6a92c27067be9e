#include "session/gate.h"

#include <algorithm>

#include "crypto/blake2s.h"
#include "crypto/xchacha.h"

namespace ipop::session {
namespace {

using namespace std::chrono_literals;

/// Handshakes a second that pass before a cookie is asked for: each costs about 0.2 ms for the
/// Diffie-Hellman operations, so this is 1 % of a core, and a network of 40 nodes that all return
/// after a power cut still connects without it.
constexpr std::uint32_t kLoadThresholdPerSecond = 40;
constexpr Duration kLoadWindow = 1s;
constexpr Duration kLoadSticky = 1s;
/// The peer keeps a cookie 5 s less than this.
constexpr Duration kSecretLifetime = 120s;
constexpr double kTokensPerSecond = 20;
constexpr double kTokensMax = 5;
constexpr std::size_t kBucketsMax = 65536;
constexpr Duration kSweepInterval = 1s;

/// Who shares a bucket: an IPv4 address, or an IPv6 /64, since a host can draw addresses of its
/// /64 at will.
IpAddress bucket_key(const IpAddress& address) {
  if (!address.is_v6()) return address;
  Ipv6 prefix = address.v6();
  std::fill(prefix.bytes.begin() + 8, prefix.bytes.end(), std::byte{0});
  return prefix;
}

double tokens_at(double tokens, Duration elapsed) {
  return std::min(kTokensMax,
                  tokens + kTokensPerSecond * std::chrono::duration<double>(elapsed).count());
}

wire::Mac to_mac(const crypto::Hash16& hash) {
  wire::Mac out;
  out.bytes = hash.bytes;
  return out;
}

}  // namespace

crypto::Secret<32> mac1_key(std::string_view label, Bytes mac_e, const TunnelKey& responder) {
  const crypto::Hash32 hash = crypto::blake2s({as_bytes(label), mac_e, responder.view()});
  return std::move(*crypto::Secret<32>::from(hash.view()));
}

crypto::Secret<32> mac1_key(const Profile& profile, const EpochKeys& epoch,
                            const TunnelKey& responder) {
  const Bytes mac_e = profile.carries_membership ? epoch.mac.reveal() : Bytes{};
  return mac1_key(profile.mac1_label, mac_e, responder);
}

wire::Mac mac1_of(const crypto::Secret<32>& key, Bytes mac1_input) {
  return to_mac(crypto::blake2s_mac(key.reveal(), {mac1_input}));
}

wire::Mac mac2_of(const wire::Mac& cookie, Bytes mac2_input) {
  return to_mac(crypto::blake2s_mac(cookie.view(), {mac2_input}));
}

crypto::Secret<32> cookie_key(std::string_view label, const TunnelKey& sealer) {
  return mac1_key(label, {}, sealer);
}

std::optional<Epoch> find_mac1_epoch(const Profile& profile, const LocalSide& local,
                                     Bytes mac1_input, const wire::Mac& mac1) {
  for (const EpochKeys& keys : local.epochs) {
    const auto key = mac1_key(profile, keys, local.keys.public_key);
    if (crypto::equal_constant_time(mac1_of(key, mac1_input).view(), mac1.view())) {
      return keys.epoch;
    }
  }
  return std::nullopt;
}

HandshakeGate::HandshakeGate(Rng& rng) : rng_(&rng) {}

bool HandshakeGate::under_load(Instant now) const { return now < loaded_until_; }

HandshakeGate::Verdict HandshakeGate::admit(Instant now, const Endpoint& from,
                                            const wire::Mac& mac2, Bytes mac2_input) {
  if (under_load(now)) {
    rotate_secret(now);
    const wire::Mac expected = mac2_of(cookie_for(from), mac2_input);
    if (!crypto::equal_constant_time(expected.view(), mac2.view())) return Verdict::ReplyCookie;
    if (!take_token(now, from)) return Verdict::Drop;
  }
  if (now - window_at_ >= kLoadWindow) {
    window_at_ = now;
    window_count_ = 0;
  }
  if (++window_count_ > kLoadThresholdPerSecond) loaded_until_ = now + kLoadSticky;
  return Verdict::Pass;
}

wire::CookieReply HandshakeGate::make_cookie_reply(Instant now, const Profile& profile,
                                                   SessionIndex receiver, const TunnelKey& sealer,
                                                   const wire::Mac& mac1, const Endpoint& from) {
  rotate_secret(now);
  wire::CookieReply out;
  out.receiver = receiver;
  rng_->fill(out.nonce);
  crypto::xchacha_seal(cookie_key(profile.cookie_label, sealer), out.nonce, mac1.view(),
                       cookie_for(from).view(), out.sealed);
  return out;
}

void HandshakeGate::rotate_secret(Instant now) {
  if (have_secret_ && now - secret_at_ < kSecretLifetime) return;
  secret_ = crypto::Secret<32>::random(*rng_);
  secret_at_ = now;
  have_secret_ = true;
}

wire::Mac HandshakeGate::cookie_for(const Endpoint& from) const {
  const std::array<std::byte, 2> port{static_cast<std::byte>(from.port >> 8U),
                                      static_cast<std::byte>(from.port)};
  // The families' lengths differ, so no two endpoints give the same bytes.
  if (from.address.is_v6()) {
    return to_mac(crypto::blake2s_mac(secret_.reveal(), {from.address.v6().bytes, port}));
  }
  const auto v4 = from.address.v4().to_bytes();
  return to_mac(crypto::blake2s_mac(secret_.reveal(), {v4, port}));
}

bool HandshakeGate::take_token(Instant now, const Endpoint& from) {
  if (now - swept_at_ >= kSweepInterval) {
    swept_at_ = now;
    // A full bucket says the same as none.
    std::erase_if(buckets_, [now](const auto& entry) {
      return tokens_at(entry.second.tokens, now - entry.second.at) >= kTokensMax;
    });
  }
  const IpAddress key = bucket_key(from.address);
  auto it = buckets_.find(key);
  if (it == buckets_.end()) {
    if (buckets_.size() >= kBucketsMax) return false;
    it = buckets_.emplace(key, Bucket{.tokens = kTokensMax, .at = now}).first;
  }
  Bucket& bucket = it->second;
  bucket.tokens = tokens_at(bucket.tokens, now - bucket.at);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace ipop::session
