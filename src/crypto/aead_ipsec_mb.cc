#include "crypto/aead_ipsec_mb.h"

#include <optional>

#include "base/check.h"

#if defined(__x86_64__)
#include <intel-ipsec-mb.h>

namespace ipop::crypto {
namespace {

/// The library's direct functions, copied out of a manager that is gone again: they need none. Its
/// job interface, 200 KB of state for each thread, gains nothing for packets that are sealed as
/// they come.
struct Functions {
  aes_gcm_pre_t gcm_expand_key;
  aes_gcm_enc_dec_t gcm_encrypt;
  aes_gcm_enc_dec_t gcm_decrypt;
  chacha_poly_init_t chacha_begin;
  chacha_poly_enc_dec_update_t chacha_encrypt;
  chacha_poly_enc_dec_update_t chacha_decrypt;
  chacha_poly_finalize_t chacha_finish;
};

/// The library asks CPUID only; that the operating system keeps the wide registers as well (XCR0)
/// is what the compiler's own test adds.
bool has_wide_instructions() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512ifma") != 0 && __builtin_cpu_supports("vaes") != 0 &&
         __builtin_cpu_supports("vpclmulqdq") != 0;
}

std::optional<Functions> find_functions() {
  // The manager's layout belongs to a version.
  if (!has_wide_instructions() || imb_get_version() != IMB_VERSION_NUM) return std::nullopt;
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return std::nullopt;
  std::optional<Functions> out;
  constexpr std::uint64_t kNeeded = IMB_CPUFLAGS_AVX512_T2 | IMB_FEATURE_SELF_TEST_PASS;
  init_mb_mgr_auto(manager, nullptr);
  if (imb_get_errno(manager) == 0 && (manager->features & kNeeded) == kNeeded) {
    out = {manager->gcm256_pre,
           manager->gcm256_enc,
           manager->gcm256_dec,
           manager->chacha20_poly1305_init,
           manager->chacha20_poly1305_enc_update,
           manager->chacha20_poly1305_dec_update,
           manager->chacha20_poly1305_finalize};
  }
  free_mb_mgr(manager);
  return out;
}

// The second function-local static of the core, of the kind of libraries(): addresses of functions,
// immutable and not secret. Not one of libraries(), so that a daemon that was told to use OpenSSL
// executes nothing of this library.
const std::optional<Functions>& functions() {
  static const std::optional<Functions> kFunctions = find_functions();
  return kFunctions;
}

template <class T>
void wipe_object(T& object) {
  wipe(std::as_writable_bytes(std::span(&object, 1)));
}

/// What both suites share: `buffer` taken apart, and the judgement over a tag.
///
/// The library answers a null pointer by doing nothing at all, in silence: the text would stay as
/// it is. So every pointer is into something: empty additional data points to the nonce.
struct Message {
  Message(const AeadNonce& nonce_in, Bytes aad_in, MutableBytes buffer_in)
      : nonce(as_uchar(Bytes(nonce_in))),
        aad(aad_in.empty() ? nonce : as_uchar(aad_in)),
        aad_size(aad_in.size()),
        buffer(buffer_in),
        text(buffer.first(buffer.size() - kTagSize)),
        tag(buffer.last(kTagSize)) {}

  /// The text, if `computed` is the message's tag; else zeros everywhere, in `computed` as well,
  /// which is the tag that a forger was looking for.
  Result<MutableBytes> judge(MutableBytes computed) const {
    if (equal_constant_time(computed, tag)) return text;
    wipe(buffer);
    wipe(computed);
    return fail(Errc::Denied, "AEAD tag");
  }

  const unsigned char* nonce;
  const unsigned char* aad;
  std::size_t aad_size;
  MutableBytes buffer;
  MutableBytes text;
  MutableBytes tag;
};

Result<MutableBytes> too_short(MutableBytes buffer) {
  wipe(buffer);
  return fail(Errc::Denied, "shorter than a tag");
}

class IpsecMbGcm final : public Aead {
 public:
  IpsecMbGcm(const Functions& functions, const Secret<32>& key) : functions_(functions) {
    functions_.gcm_expand_key(as_uchar(key.reveal()), &key_.data);
  }
  ~IpsecMbGcm() override {
    wipe_object(key_);
    wipe_object(state_);
  }

  void seal(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    check(buffer.size() >= kTagSize);
    const Message m(nonce, aad, buffer);
    run(functions_.gcm_encrypt, m, m.tag);
  }

  Result<MutableBytes> open(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    if (buffer.size() < kTagSize) return too_short(buffer);
    const Message m(nonce, aad, buffer);
    std::array<std::byte, kTagSize> computed{};
    run(functions_.gcm_decrypt, m, computed);
    return m.judge(computed);
  }

 private:
  /// The schedule and powers of the hash key, where the library wants them.
  struct alignas(64) Key {
    gcm_key_data data;
  };

  void run(aes_gcm_enc_dec_t function, const Message& m, MutableBytes tag) {
    function(&key_.data, &state_, as_uchar(m.text), as_uchar(m.text), m.text.size(), m.nonce, m.aad,
             m.aad_size, as_uchar(tag), tag.size());
  }

  const Functions& functions_;
  Key key_{};
  gcm_context_data state_{};  ///< of one message
};

class IpsecMbChaCha final : public Aead {
 public:
  IpsecMbChaCha(const Functions& functions, const Secret<32>& key)
      : functions_(functions), key_(key.clone()) {}
  ~IpsecMbChaCha() override { wipe_object(state_); }

  void seal(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    check(buffer.size() >= kTagSize);
    const Message m(nonce, aad, buffer);
    run(functions_.chacha_encrypt, m, m.tag);
  }

  Result<MutableBytes> open(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    if (buffer.size() < kTagSize) return too_short(buffer);
    const Message m(nonce, aad, buffer);
    std::array<std::byte, kTagSize> computed{};
    run(functions_.chacha_decrypt, m, computed);
    return m.judge(computed);
  }

 private:
  void run(chacha_poly_enc_dec_update_t function, const Message& m, MutableBytes tag) {
    const unsigned char* key = as_uchar(key_.reveal());
    functions_.chacha_begin(key, &state_, m.nonce, m.aad, m.aad_size);
    if (!m.text.empty()) {
      function(key, &state_, as_uchar(m.text), as_uchar(m.text), m.text.size());
    }
    functions_.chacha_finish(&state_, as_uchar(tag), tag.size());
  }

  const Functions& functions_;
  Secret<32> key_;
  alignas(64) chacha20_poly1305_context_data state_{};  ///< of one message
};

}  // namespace

bool has_ipsec_mb() { return functions().has_value(); }

std::unique_ptr<Aead> open_ipsec_mb_aead(Suite suite, const Secret<32>& key) {
  check(functions().has_value());
  switch (suite) {
    case Suite::ChaCha20Poly1305:
      return std::make_unique<IpsecMbChaCha>(*functions(), key);
    case Suite::Aes256Gcm:
      return std::make_unique<IpsecMbGcm>(*functions(), key);
  }
  check(false);
  return nullptr;
}

}  // namespace ipop::crypto

#else  // The library is x86-64's alone.

namespace ipop::crypto {

bool has_ipsec_mb() { return false; }

std::unique_ptr<Aead> open_ipsec_mb_aead(Suite, const Secret<32>&) {
  check(false);
  return nullptr;
}

}  // namespace ipop::crypto

#endif
