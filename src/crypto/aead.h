#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/error.h"
#include "crypto/secret.h"

namespace ipop::crypto {

/// The AEADs that packets are sealed with. The values are on the wire (docs/protocol.md).
enum class Suite : std::uint8_t { ChaCha20Poly1305 = 1, Aes256Gcm = 2 };

inline constexpr std::size_t kTagSize = 16;
using AeadNonce = std::array<std::byte, 12>;

/// The 96-bit nonce of a counter: Noise section 12. 0^4 || LE64 for ChaCha20-Poly1305, but
/// 0^4 || **BE64** for AES-GCM.
AeadNonce nonce_of(Suite suite, std::uint64_t counter);

/// One key, ready to seal or open many packets in place. The context is set up once per key and is
/// not shared between threads: each sender and the receiver own one.
class Aead {
 public:
  Aead() = default;
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;
  virtual ~Aead() = default;

  /// Encrypts `text` in place and writes the tag behind it.
  /// Requires: `buffer` = text || 16 bytes of room.
  virtual void seal(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) = 0;

  /// Checks the tag (constant time) and decrypts `buffer` = ciphertext || tag in place; returns the
  /// plaintext's view. On Error Denied the whole buffer is zero: nothing unauthenticated remains.
  virtual Result<MutableBytes> open(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) = 0;
};

/// The libraries that run AEADs; all give the same bytes.
enum class Backend : std::uint8_t { Openssl, IpsecMb };

/// A context for `key`, for many packets. Never null. Requires: `backend` is Openssl, or what
/// choose_backends() (crypto/backends.h) gave on this machine.
std::unique_ptr<Aead> open_aead(Backend backend, Suite suite, const Secret<32>& key);
/// OpenSSL's, for a handshake's few bytes.
std::unique_ptr<Aead> open_aead(Suite suite, const Secret<32>& key);

/// True where AES-256-GCM runs in hardware (AES-NI and PCLMULQDQ): only then it may be offered,
/// since table AES is not constant-time. CPUID is an instruction, not a system call.
bool has_hardware_aes();

}  // namespace ipop::crypto
