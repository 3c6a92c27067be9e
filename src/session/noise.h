#pragma once

#include "base/error.h"
#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/x25519.h"

namespace ipop::session {

/// Noise_IKpsk2_25519_{ChaChaPoly,AESGCM}_BLAKE2s (Noise specification revision 34), message by
/// message and without framing: what the published vectors test. The native and the stock profile
/// use it with ChaChaPoly.
struct NoiseOptions {
  std::string_view construction;
  crypto::Suite suite = crypto::Suite::ChaCha20Poly1305;
};

/// The two transport keys of a finished handshake, by direction.
struct TransportKeys {
  crypto::Secret<32> send;
  crypto::Secret<32> receive;
};

/// Chaining key and transcript hash after the last message; split() consumes it.
class Transcript {
 public:
  Transcript(const NoiseOptions& options, Bytes prologue);
  void mix_hash(Bytes data);
  void mix_key(Bytes input);                    // keeps the new cipher key
  void mix_psk(const crypto::Secret<32>& psk);  // mix_key_and_hash
  void encrypt_and_hash(Bytes plaintext, ByteVector& out);
  /// Error Denied leaves the transcript unusable: the caller drops it.
  Result<ByteVector> decrypt_and_hash(Bytes sealed);
  const crypto::Hash32& hash() const { return hash_; }
  /// Noise Split(): (initiator to responder, responder to initiator) = KDF2(ck, input). Input is
  /// empty for stock; h || suite natively. `initiator` says which one is `send`.
  TransportKeys split(Bytes input, bool initiator) const;
  Transcript clone() const;

 private:
  Transcript() = default;
  crypto::Suite suite_ = crypto::Suite::ChaCha20Poly1305;
  crypto::Secret<32> chaining_key_;
  crypto::Secret<32> key_;
  crypto::Hash32 hash_;
};

/// Initiator's side of one handshake.
class NoiseInitiator {
 public:
  NoiseInitiator(const NoiseOptions& options, Bytes prologue, const TunnelKey& remote);

  struct Message1 {
    TunnelKey ephemeral;
    ByteVector sealed_static;
    ByteVector sealed_payload;
  };
  /// Error Denied: the remote key is a low-order point.
  Result<Message1> write_message1(const crypto::X25519KeyPair& local,
                                  crypto::X25519KeyPair ephemeral, Bytes payload);
  /// Returns the payload. On an error the state is as before, so that a later, true response still
  /// works.
  Result<ByteVector> read_message2(const crypto::X25519KeyPair& local,
                                   const crypto::Secret<32>& psk, const TunnelKey& ephemeral,
                                   Bytes sealed_payload);
  /// Requires: read_message2() succeeded.
  const Transcript& transcript() const { return transcript_; }

 private:
  TunnelKey remote_;
  crypto::X25519KeyPair ephemeral_;
  Transcript transcript_;
};

/// Responder's side: made by a valid message 1, consumed by writing message 2.
class NoiseResponder {
 public:
  /// Error Denied when anything fails to authenticate.
  static Result<NoiseResponder> read_message1(const NoiseOptions& options, Bytes prologue,
                                              const crypto::X25519KeyPair& local,
                                              const TunnelKey& ephemeral, Bytes sealed_static,
                                              Bytes sealed_payload);
  const TunnelKey& remote() const { return remote_; }
  Bytes payload() const { return payload_; }

  struct Message2 {
    TunnelKey ephemeral;
    ByteVector sealed_payload;
  };
  Result<Message2> write_message2(const crypto::Secret<32>& psk, crypto::X25519KeyPair ephemeral,
                                  Bytes payload);
  const Transcript& transcript() const { return transcript_; }

 private:
  explicit NoiseResponder(Transcript transcript) : transcript_(std::move(transcript)) {}
  TunnelKey remote_;
  TunnelKey remote_ephemeral_;
  ByteVector payload_;
  Transcript transcript_;
};

}  // namespace ipop::session
