#include "crypto/hkdf.h"

#include "base/check.h"
#include "crypto/hmac.h"
#include "crypto/libraries.h"

namespace ipop::crypto {
namespace {

/// Noise 4.3 is RFC 5869 with an empty info: temp_key = Extract(chaining_key, input), then Expand.
/// Every output is made before one is written, since an output may be the chaining key.
template <std::size_t N>
void noise_kdf(const Secret<32>& chaining_key, Bytes input,
               const std::array<Secret<32>*, N>& outputs) {
  const EVP_MD* algorithm = libraries().blake2s;
  Secret<32> temp_key;
  hmac(algorithm, chaining_key.reveal(), {input},
       std::span<std::byte, 32>(temp_key.reveal_mutable()));
  Secret<32 * N> all;
  hkdf_expand(algorithm, temp_key.reveal(), {}, all.reveal_mutable());
  for (std::size_t i = 0; i < N; ++i) {
    copy_bytes(outputs[i]->reveal_mutable(), all.reveal().subspan(32 * i, 32));
  }
}

}  // namespace

void noise_hkdf(const Secret<32>& chaining_key, Bytes input, Secret<32>& out1) {
  noise_kdf<1>(chaining_key, input, {&out1});
}

void noise_hkdf(const Secret<32>& chaining_key, Bytes input, Secret<32>& out1, Secret<32>& out2) {
  noise_kdf<2>(chaining_key, input, {&out1, &out2});
}

void noise_hkdf(const Secret<32>& chaining_key, Bytes input, Secret<32>& out1, Secret<32>& out2,
                Secret<32>& out3) {
  noise_kdf<3>(chaining_key, input, {&out1, &out2, &out3});
}

Secret<32> derive_key(const Secret<32>& key, std::string_view label) {
  Secret<32> out;
  hkdf_expand(libraries().blake2s, key.reveal(), as_bytes(label), out.reveal_mutable());
  return out;
}

void hkdf_sha256(Bytes input, Bytes salt, Bytes info, MutableBytes out) {
  const EVP_MD* algorithm = libraries().sha256;
  Secret<32> pseudorandom_key;
  hmac(algorithm, salt, {input}, std::span<std::byte, 32>(pseudorandom_key.reveal_mutable()));
  hkdf_expand(algorithm, pseudorandom_key.reveal(), info, out);
}

}  // namespace ipop::crypto
