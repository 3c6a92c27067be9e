#include "session/noise.h"

#include <array>

#include "crypto/hkdf.h"

namespace ipop::session {
namespace {

constexpr std::size_t kHashSize = 32;

/// Noise section 5.2, Initialize: a name that fits is padded, a longer one hashed.
crypto::Hash32 initial_hash(std::string_view construction) {
  if (construction.size() > kHashSize) return crypto::blake2s({as_bytes(construction)});
  crypto::Hash32 out;
  copy_bytes(out.bytes, as_bytes(construction));
  return out;
}

/// Mixes DH(secret, peer) in. Error Denied for a low-order point.
Result<void> mix_dh(Transcript& transcript, const crypto::Secret<32>& secret,
                    const TunnelKey& peer) {
  const auto shared = crypto::x25519(secret, peer);
  if (!shared) return std::unexpected(shared.error());
  transcript.mix_key(shared->reveal());
  return {};
}

/// An ephemeral key in the clear: also mixed as a key, since this is a psk pattern (section 9.2).
void mix_ephemeral(Transcript& transcript, const TunnelKey& ephemeral) {
  transcript.mix_hash(ephemeral.view());
  transcript.mix_key(ephemeral.view());
}

}  // namespace

Transcript::Transcript(const NoiseOptions& options, Bytes prologue)
    : suite_(options.suite), hash_(initial_hash(options.construction)) {
  copy_bytes(chaining_key_.reveal_mutable(), hash_.view());
  mix_hash(prologue);
}

void Transcript::mix_hash(Bytes data) { hash_ = crypto::blake2s({hash_.view(), data}); }

void Transcript::mix_key(Bytes input) {
  crypto::noise_hkdf(chaining_key_, input, chaining_key_, key_);
}

void Transcript::mix_psk(const crypto::Secret<32>& psk) {
  crypto::Secret<32> mixed;
  crypto::noise_hkdf(chaining_key_, psk.reveal(), chaining_key_, mixed, key_);
  mix_hash(mixed.reveal());
}

// Every key of a handshake seals once, so the nonce is always zero.

void Transcript::encrypt_and_hash(Bytes plaintext, ByteVector& out) {
  out = to_vector(plaintext);
  out.resize(plaintext.size() + crypto::kTagSize);
  crypto::open_aead(suite_, key_)->seal(crypto::nonce_of(suite_, 0), hash_.view(), out);
  mix_hash(out);
}

Result<ByteVector> Transcript::decrypt_and_hash(Bytes sealed) {
  if (sealed.size() < crypto::kTagSize) return fail(Errc::Denied, "noise: no room for a tag");
  ByteVector buffer = to_vector(sealed);
  const auto opened =
      crypto::open_aead(suite_, key_)->open(crypto::nonce_of(suite_, 0), hash_.view(), buffer);
  if (!opened) return std::unexpected(opened.error());
  mix_hash(sealed);
  buffer.resize(opened->size());
  return buffer;
}

TransportKeys Transcript::split(Bytes input, bool initiator) const {
  TransportKeys out;
  crypto::Secret<32>& to_responder = initiator ? out.send : out.receive;
  crypto::Secret<32>& to_initiator = initiator ? out.receive : out.send;
  crypto::noise_hkdf(chaining_key_, input, to_responder, to_initiator);
  return out;
}

Transcript Transcript::clone() const {
  Transcript out;
  out.suite_ = suite_;
  out.chaining_key_ = chaining_key_.clone();
  out.key_ = key_.clone();
  out.hash_ = hash_;
  return out;
}

NoiseInitiator::NoiseInitiator(const NoiseOptions& options, Bytes prologue, const TunnelKey& remote)
    : remote_(remote), transcript_(options, prologue) {
  transcript_.mix_hash(remote.view());
}

Result<NoiseInitiator::Message1> NoiseInitiator::write_message1(const crypto::X25519KeyPair& local,
                                                                crypto::X25519KeyPair ephemeral,
                                                                Bytes payload) {
  Message1 out;
  out.ephemeral = ephemeral.public_key;
  mix_ephemeral(transcript_, ephemeral.public_key);
  if (const auto es = mix_dh(transcript_, ephemeral.secret, remote_); !es) {
    return std::unexpected(es.error());
  }
  transcript_.encrypt_and_hash(local.public_key.view(), out.sealed_static);
  if (const auto ss = mix_dh(transcript_, local.secret, remote_); !ss) {
    return std::unexpected(ss.error());
  }
  transcript_.encrypt_and_hash(payload, out.sealed_payload);
  ephemeral_ = std::move(ephemeral);
  return out;
}

Result<ByteVector> NoiseInitiator::read_message2(const crypto::X25519KeyPair& local,
                                                 const crypto::Secret<32>& psk,
                                                 const TunnelKey& ephemeral, Bytes sealed_payload) {
  Transcript next = transcript_.clone();
  mix_ephemeral(next, ephemeral);
  if (const auto ee = mix_dh(next, ephemeral_.secret, ephemeral); !ee) {
    return std::unexpected(ee.error());
  }
  if (const auto se = mix_dh(next, local.secret, ephemeral); !se) {
    return std::unexpected(se.error());
  }
  next.mix_psk(psk);
  Result<ByteVector> payload = next.decrypt_and_hash(sealed_payload);
  if (payload) transcript_ = std::move(next);
  return payload;
}

Result<NoiseResponder> NoiseResponder::read_message1(const NoiseOptions& options, Bytes prologue,
                                                     const crypto::X25519KeyPair& local,
                                                     const TunnelKey& ephemeral,
                                                     Bytes sealed_static, Bytes sealed_payload) {
  NoiseResponder out{Transcript(options, prologue)};
  Transcript& transcript = out.transcript_;
  transcript.mix_hash(local.public_key.view());
  mix_ephemeral(transcript, ephemeral);
  if (const auto es = mix_dh(transcript, local.secret, ephemeral); !es) {
    return std::unexpected(es.error());
  }
  const auto static_key = transcript.decrypt_and_hash(sealed_static);
  if (!static_key) return std::unexpected(static_key.error());
  const auto remote = TunnelKey::from(*static_key);
  if (!remote) return fail(Errc::Denied, "noise: static key has a wrong length");
  if (const auto ss = mix_dh(transcript, local.secret, *remote); !ss) {
    return std::unexpected(ss.error());
  }
  auto payload = transcript.decrypt_and_hash(sealed_payload);
  if (!payload) return std::unexpected(payload.error());
  out.remote_ = *remote;
  out.remote_ephemeral_ = ephemeral;
  out.payload_ = std::move(*payload);
  return out;
}

Result<NoiseResponder::Message2> NoiseResponder::write_message2(const crypto::Secret<32>& psk,
                                                                crypto::X25519KeyPair ephemeral,
                                                                Bytes payload) {
  Message2 out;
  out.ephemeral = ephemeral.public_key;
  mix_ephemeral(transcript_, ephemeral.public_key);
  if (const auto ee = mix_dh(transcript_, ephemeral.secret, remote_ephemeral_); !ee) {
    return std::unexpected(ee.error());
  }
  if (const auto se = mix_dh(transcript_, ephemeral.secret, remote_); !se) {
    return std::unexpected(se.error());
  }
  transcript_.mix_psk(psk);
  transcript_.encrypt_and_hash(payload, out.sealed_payload);
  return out;
}

}  // namespace ipop::session
