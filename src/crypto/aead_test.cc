#include "crypto/aead.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/testing.h"
#include "crypto/xchacha.h"

namespace ipop::crypto {
namespace {

ByteVector hex(std::string_view text) { return *from_hex(text); }

AeadNonce nonce_from(std::string_view text) {
  AeadNonce out{};
  copy_bytes(out, hex(text));
  return out;
}

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

using test::kSuites;
using test::Way;

/// Each test runs for both suites with every backend.
class AeadWays : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(All, AeadWays, testing::ValuesIn(test::ways()), test::name_of_way);

constexpr std::string_view kSunscreen =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    "sunscreen would be it.";

// RFC 8439 section 2.8.2; McGrew and Viega, "The Galois/Counter Mode", test cases 13, 14 and 16.
TEST_P(AeadWays, KnownAnswers) {
  const struct {
    Suite suite;
    std::string key, nonce, aad, text, want;
  } cases[] = {
      {Suite::ChaCha20Poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
       "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7", to_hex(as_bytes(kSunscreen)),
       "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
       "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
       "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
       "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
      {Suite::Aes256Gcm, std::string(64, '0'), std::string(24, '0'), "", "",
       "530f8afbc74536b9a963b4f1c4cb738b"},
      {Suite::Aes256Gcm, std::string(64, '0'), std::string(24, '0'), "", std::string(32, '0'),
       "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
      {Suite::Aes256Gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
       "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
       "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
       "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
       "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
       "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const auto& c : cases) {
    if (c.suite != GetParam().suite) continue;
    const auto aead = GetParam().open(*Secret<32>::from(hex(c.key)));
    ByteVector buffer = hex(c.text);
    buffer.resize(buffer.size() + kTagSize);
    aead->seal(nonce_from(c.nonce), hex(c.aad), buffer);
    EXPECT_EQ(to_hex(buffer), c.want);
    const auto opened = aead->open(nonce_from(c.nonce), hex(c.aad), buffer);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(to_hex(*opened), c.text);
  }
}

// A byte order that is wrong at both ends passes every round trip; only this notices.
TEST(Aead, NonceByteOrders) {
  EXPECT_EQ(to_hex(nonce_of(Suite::ChaCha20Poly1305, 0x0102030405060708)),
            "000000000807060504030201");
  EXPECT_EQ(to_hex(nonce_of(Suite::Aes256Gcm, 0x0102030405060708)), "000000000102030405060708");
  for (const Suite suite : kSuites) {
    EXPECT_EQ(to_hex(nonce_of(suite, 0)), "000000000000000000000000");
    EXPECT_EQ(to_hex(nonce_of(suite, UINT64_MAX)), "00000000ffffffffffffffff");
  }
}

struct Sealed {
  std::unique_ptr<Aead> aead;
  AeadNonce nonce;
  ByteVector aad;
  ByteVector buffer;
};

Sealed sealed_sample(const Way& way, std::size_t size) {
  SeededRng rng(size + 1);
  Sealed out{way.open(Secret<32>::random(rng)), nonce_of(way.suite, 7), ByteVector(16),
             ByteVector(size + kTagSize)};
  rng.fill(out.aad);
  rng.fill(out.buffer);
  out.aead->seal(out.nonce, out.aad, out.buffer);
  return out;
}

void expect_denied(Sealed& s, const AeadNonce& nonce, Bytes aad, ByteVector buffer) {
  const auto got = s.aead->open(nonce, aad, buffer);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::Denied);
  EXPECT_TRUE(all_zero(buffer)) << "unauthenticated bytes remained";
}

TEST_P(AeadWays, EveryBitFlipIsRefusedAndLeavesNothing) {
  for (const std::size_t size : {0U, 1U, 16U, 61U, 300U}) {
    Sealed s = sealed_sample(GetParam(), size);
    for (std::size_t bit = 0; bit < s.buffer.size() * 8; ++bit) {
      ByteVector bad = s.buffer;
      bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      expect_denied(s, s.nonce, s.aad, bad);
    }
    for (std::size_t bit = 0; bit < s.aad.size() * 8; ++bit) {
      ByteVector bad = s.aad;
      bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      expect_denied(s, s.nonce, bad, s.buffer);
    }
    for (std::size_t bit = 0; bit < s.nonce.size() * 8; ++bit) {
      AeadNonce bad = s.nonce;
      bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      expect_denied(s, bad, s.aad, s.buffer);
    }
    EXPECT_TRUE(s.aead->open(s.nonce, s.aad, s.buffer).has_value())
        << "failures do not spoil the context";
  }
}

TEST_P(AeadWays, EveryTruncationIsRefused) {
  Sealed s = sealed_sample(GetParam(), 40);
  for (std::size_t size = 0; size < s.buffer.size(); ++size) {
    ByteVector cut = s.buffer;
    cut.resize(size);
    expect_denied(s, s.nonce, s.aad, cut);
  }
}

// Every length up to 2000 at changing alignments, sealed and opened by contexts that go on, and
// interleaved: the direction of a context changes with each call.
TEST_P(AeadWays, LengthAndAlignmentSweep) {
  SeededRng rng(3);
  const Secret<32> key = Secret<32>::random(rng);
  const auto one = GetParam().open(key);
  const auto two = GetParam().open(key);
  ByteVector area(2000 + kTagSize + 64);
  ByteVector text(2000);
  rng.fill(text);
  for (std::size_t size = 0; size <= 2000; ++size) {
    const MutableBytes buffer = MutableBytes(area).subspan(size % 64, size + kTagSize);
    copy_bytes(buffer, Bytes(text).first(size));
    Aead& sealer = size % 3 == 0 ? *one : *two;
    Aead& opener = size % 2 == 0 ? *one : *two;
    const AeadNonce nonce = nonce_of(GetParam().suite, size);
    const Bytes aad = Bytes(text).first(size % 33);
    sealer.seal(nonce, aad, buffer);
    if (size >= 16) { ASSERT_FALSE(equal_bytes(buffer.first(size), Bytes(text).first(size))); }
    const auto opened = opener.open(nonce, aad, buffer);
    ASSERT_TRUE(opened.has_value()) << size;
    ASSERT_TRUE(equal_bytes(*opened, Bytes(text).first(size))) << size;
    ASSERT_EQ(opened->data(), buffer.data()) << "in place";
  }
}

TEST_P(AeadWays, LargestDatagram) {
  Sealed s = sealed_sample(GetParam(), 65535);
  const auto opened = s.aead->open(s.nonce, s.aad, s.buffer);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->size(), 65535U);
}

TEST_P(AeadWays, SuitesAndKeysDoNotMix) {
  SeededRng rng(4);
  const Secret<32> key = Secret<32>::random(rng);
  ByteVector buffer(32 + kTagSize);
  const AeadNonce nonce = nonce_of(Suite::Aes256Gcm, 1);
  open_aead(Suite::Aes256Gcm, key)->seal(nonce, {}, buffer);
  ByteVector copy = buffer;
  EXPECT_EQ(GetParam().open(key)->open(nonce, {}, copy).has_value(),
            GetParam().suite == Suite::Aes256Gcm);
  copy = buffer;
  EXPECT_FALSE(GetParam().open(Secret<32>::random(rng))->open(nonce, {}, copy).has_value());
}

using AeadWaysDeathTest = AeadWays;
INSTANTIATE_TEST_SUITE_P(All, AeadWaysDeathTest, testing::ValuesIn(test::ways()),
                         test::name_of_way);

TEST_P(AeadWaysDeathTest, SealNeedsRoomForTheTag) {
  const auto aead = GetParam().open(Secret<32>());
  ByteVector buffer(15);
  EXPECT_DEATH(aead->seal(AeadNonce{}, {}, buffer), "");
}

TEST(HasHardwareAes, AnswersAlike) { EXPECT_EQ(has_hardware_aes(), has_hardware_aes()); }

// draft-irtf-cfrg-xchacha-03 appendix A.3.1.
TEST(XChaCha, KnownAnswer) {
  const auto key =
      Secret<32>::from(hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"));
  XChaChaNonce nonce{};
  copy_bytes(nonce, hex("404142434445464748494a4b4c4d4e4f5051525354555657"));
  const ByteVector aad = hex("50515253c0c1c2c3c4c5c6c7");
  ByteVector sealed(kSunscreen.size() + kTagSize);
  xchacha_seal(*key, nonce, aad, as_bytes(kSunscreen), sealed);
  EXPECT_EQ(to_hex(sealed),
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
            "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49");
  ByteVector opened(kSunscreen.size());
  ASSERT_TRUE(xchacha_open(*key, nonce, aad, sealed, opened).has_value());
  EXPECT_EQ(as_text(opened), kSunscreen);
}

TEST(XChaCha, EveryBitFlipIsRefusedAndLeavesNothing) {
  SeededRng rng(5);
  const Secret<32> key = Secret<32>::random(rng);
  const XChaChaNonce nonce{};
  const ByteVector text(16, std::byte{0x33});
  ByteVector sealed(text.size() + kTagSize);
  xchacha_seal(key, nonce, text, text, sealed);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    ByteVector bad = sealed;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    ByteVector out(text.size(), std::byte{0xee});
    const auto got = xchacha_open(key, nonce, text, bad, out);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, Errc::Denied);
    EXPECT_TRUE(all_zero(out));
  }
  ByteVector out(text.size());
  EXPECT_FALSE(xchacha_open(key, nonce, {}, sealed, out).has_value()) << "other additional data";
}

}  // namespace
}  // namespace ipop::crypto
