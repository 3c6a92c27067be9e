#include "crypto/backends.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/testing.h"

namespace ipop::crypto {
namespace {

using test::kSuites;

TEST(Backends, OpensslWhereNobodyChose) {
  const Backends none;
  for (const Suite suite : kSuites) EXPECT_EQ(none.of(suite), Backend::Openssl);
}

TEST(Backends, OfTellsTheSuitesApart) {
  const Backends mixed{.chacha20_poly1305 = Backend::Openssl, .aes256_gcm = Backend::IpsecMb};
  EXPECT_EQ(mixed.of(Suite::ChaCha20Poly1305), Backend::Openssl);
  EXPECT_EQ(mixed.of(Suite::Aes256Gcm), Backend::IpsecMb);
}

TEST(Backends, ChoosesIpsecMbWhereItRunsAndTheSameEachTime) {
  const Backends chosen = choose_backends();
  for (const Suite suite : kSuites) {
    EXPECT_EQ(chosen.of(suite), has_ipsec_mb() ? Backend::IpsecMb : Backend::Openssl);
  }
  EXPECT_EQ(choose_backends(), chosen);
}

TEST(KnownAnswers, EveryBackendGivesThem) {
  for (const Backend backend : test::backends()) {
    for (const Suite suite : kSuites) {
      EXPECT_TRUE(gives_known_answers(
          suite, backend == Backend::IpsecMb
                     ? open_ipsec_mb_aead
                     : [](Suite s, const Secret<32>& key) { return open_aead(s, key); }))
          << backend_name(backend);
    }
  }
}

enum class Fault { NonceOrder, LongText, OneSize, NoAad, AcceptsAll, LeavesText, RefusesAll };

/// OpenSSL's, with one fault.
template <Fault kFault>
class FaultyAead final : public Aead {
 public:
  FaultyAead(Suite suite, const Secret<32>& key) : good_(open_aead(suite, key)) {}

  void seal(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    good_->seal(changed(nonce), kFault == Fault::NoAad ? Bytes() : aad, buffer);
    spoil(buffer);
  }
  Result<MutableBytes> open(const AeadNonce& nonce, Bytes aad, MutableBytes buffer) override {
    spoil(buffer);
    const ByteVector before = to_vector(buffer);
    auto opened = good_->open(changed(nonce), kFault == Fault::NoAad ? Bytes() : aad, buffer);
    if (kFault == Fault::RefusesAll) return fail(Errc::Denied, "always");
    if (opened) return opened;
    if (kFault == Fault::LeavesText) copy_bytes(buffer, before);
    if (kFault == Fault::AcceptsAll) return buffer.first(buffer.size() - kTagSize);
    return opened;
  }

 private:
  static AeadNonce changed(AeadNonce nonce) {
    if (kFault == Fault::NonceOrder) std::reverse(nonce.begin() + 4, nonce.end());
    return nonce;
  }
  /// Twice undoes it, so that a round trip notices nothing.
  static void spoil(MutableBytes buffer) {
    if (kFault == Fault::LongText && buffer.size() > 1300) buffer[1299] ^= std::byte{1};
    if (kFault == Fault::OneSize && buffer.size() == 1024 + kTagSize) buffer[0] ^= std::byte{0x80};
  }

  std::unique_ptr<Aead> good_;
};

template <Fault kFault>
std::unique_ptr<Aead> open_faulty(Suite suite, const Secret<32>& key) {
  return std::make_unique<FaultyAead<kFault>>(suite, key);
}

// What a library that is chosen by this test could get wrong; a round trip shows few of them.
TEST(KnownAnswers, EveryFaultIsNoticed) {
  for (const Suite suite : kSuites) {
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::NonceOrder>));
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::LongText>));
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::OneSize>));
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::NoAad>));
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::AcceptsAll>));
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::LeavesText>));
    EXPECT_FALSE(gives_known_answers(suite, open_faulty<Fault::RefusesAll>));
  }
}

}  // namespace
}  // namespace ipop::crypto
