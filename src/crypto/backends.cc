#include "crypto/backends.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/aead_ipsec_mb.h"
#include "crypto/aead_openssl.h"

namespace ipop::crypto {
namespace {

struct Answer {
  std::string_view key;
  std::string_view nonce;
  std::string_view aad;
  std::string_view text;
  std::string_view sealed;
};

/// RFC 8439 section 2.8.2.
constexpr Answer kChaChaAnswer{"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
                               "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
                               "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
                               "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
                               "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
                               "637265656e20776f756c642062652069742e",
                               "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
                               "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
                               "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                               "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
                               "0691"};

/// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
constexpr Answer kGcmAnswer{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
                            "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                            "76fc6ece0f4e1768cddf8853bb2d551b"};

/// Around a block, around the 16 and 48 blocks that wide code takes at once, packets, and the
/// largest datagram.
constexpr std::size_t kSizes[] = {0,    1,    15,   16,    17,    63,    64,        65,
                                  255,  256,  257,  511,   512,   513,   767,       768,
                                  769,  1023, 1024, 1025,  1279,  1400,  1408,      1420,
                                  1500, 4096, 8999, 16384, 16385, 65000, 65535 - 48};

ByteVector bytes_of(std::string_view hex) {
  auto bytes = from_hex(hex);
  check(bytes.has_value());
  return std::move(*bytes);
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// Seals `text`, which has to give `sealed`; opens that, which has to give `text`; and opens it
/// with each of some bits turned over, which has to give nothing.
bool agrees(Aead& aead, const AeadNonce& nonce, Bytes aad, Bytes text, Bytes sealed) {
  ByteVector buffer = to_vector(text);
  buffer.resize(text.size() + kTagSize);
  aead.seal(nonce, aad, buffer);
  if (!equal_bytes(buffer, sealed)) return false;
  const auto opened = aead.open(nonce, aad, buffer);
  if (!opened || !equal_bytes(*opened, text)) return false;
  for (const std::size_t at : {std::size_t{0}, text.size() / 2, text.size(), sealed.size() - 1}) {
    copy_bytes(buffer, sealed);
    buffer[at] ^= std::byte{1};
    if (aead.open(nonce, aad, buffer) || !is_zero(buffer)) return false;
  }
  return true;
}

bool gives_published_answer(Suite suite, OpenAead open) {
  const Answer& answer = suite == Suite::Aes256Gcm ? kGcmAnswer : kChaChaAnswer;
  const auto key = Secret<32>::from(bytes_of(answer.key));
  check(key.has_value());
  AeadNonce nonce{};
  copy_bytes(nonce, bytes_of(answer.nonce));
  return agrees(*open(suite, *key), nonce, bytes_of(answer.aad), bytes_of(answer.text),
                bytes_of(answer.sealed));
}

}  // namespace

bool gives_known_answers(Suite suite, OpenAead open) {
  if (!gives_published_answer(suite, open)) return false;
  Secret<32> key;
  const MutableBytes key_bytes = key.reveal_mutable();
  for (std::size_t i = 0; i < key_bytes.size(); ++i) key_bytes[i] = static_cast<std::byte>(7 * i);
  const auto tested = open(suite, key);
  const auto known = open_openssl_aead(suite, key);
  for (const std::size_t size : kSizes) {
    ByteVector text(size);
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<std::byte>(i * i + size);
    const AeadNonce nonce = nonce_of(suite, size);
    const Bytes aad = Bytes(text).first(std::min(size, size % 33));
    ByteVector sealed = text;
    sealed.resize(size + kTagSize);
    known->seal(nonce, aad, sealed);
    if (!agrees(*tested, nonce, aad, text, sealed)) return false;
  }
  return true;
}

Backends choose_backends() {
  const auto choose = [](Suite suite) {
    return has_ipsec_mb() && gives_known_answers(suite, open_ipsec_mb_aead) ? Backend::IpsecMb
                                                                            : Backend::Openssl;
  };
  return {choose(Suite::ChaCha20Poly1305), choose(Suite::Aes256Gcm)};
}

std::string_view backend_name(Backend backend) {
  switch (backend) {
    case Backend::Openssl:
      return "OpenSSL";
    case Backend::IpsecMb:
      return "ipsec-mb";
  }
  return {};
}

}  // namespace ipop::crypto
