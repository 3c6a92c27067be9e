#include "crypto/blake2s.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "crypto/hmac.h"
#include "crypto/libraries.h"

namespace ipop::crypto {

Hash32 blake2s(std::initializer_list<Bytes> parts) {
  Hash32 out;
  hash(libraries().blake2s, parts, out.bytes);
  return out;
}

Hash16 blake2s_128(std::initializer_list<Bytes> parts) {
  const Hash32 whole = blake2s(parts);
  Hash16 out;
  copy_bytes(out.bytes, whole.view().first(Hash16::kSize));
  return out;
}

Hash16 blake2s_mac(Bytes key, std::initializer_list<Bytes> parts) {
  check(!key.empty() && key.size() <= 32);
  EVP_MAC_CTX* context = EVP_MAC_CTX_dup(libraries().blake2s_mac_16);
  check(context != nullptr && EVP_MAC_init(context, as_uchar(key), key.size(), nullptr) == 1);
  for (const Bytes part : parts) {
    check(EVP_MAC_update(context, as_uchar(part), part.size()) == 1);
  }
  Hash16 out;
  std::size_t size = 0;
  check(EVP_MAC_final(context, as_uchar(MutableBytes(out.bytes)), &size, out.bytes.size()) == 1);
  check(size == out.bytes.size());
  EVP_MAC_CTX_free(context);
  return out;
}

Hash32 hmac_blake2s(Bytes key, std::initializer_list<Bytes> parts) {
  Hash32 out;
  hmac(libraries().blake2s, key, parts, out.bytes);
  return out;
}

}  // namespace ipop::crypto
