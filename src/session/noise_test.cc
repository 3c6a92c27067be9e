#include "session/noise.h"

#include <gtest/gtest.h>

#include <array>

#include "crypto/hkdf.h"

namespace ipop::session {
namespace {

struct NoiseMessage {
  std::string_view payload;
  std::string_view ciphertext;
};

struct NoiseVector {
  std::string_view construction;
  crypto::Suite suite;
  std::string_view handshake_hash;
  std::array<NoiseMessage, 6> messages;
};

// The two Noise_IKpsk2_25519_*_BLAKE2s vectors of the cacophony set; keys, psk and prologue are the
// same in both.
constexpr std::string_view kPrologue = "4a6f686e2047616c74";
constexpr std::string_view kPsk =
    "54686973206973206d7920417573747269616e20706572737065637469766521";
constexpr std::string_view kInitiatorStatic =
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
constexpr std::string_view kInitiatorEphemeral =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
constexpr std::string_view kResponderPublic =
    "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
constexpr std::string_view kResponderStatic =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
constexpr std::string_view kResponderEphemeral =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";

constexpr std::array<NoiseVector, 2> kVectors{{
    {"Noise_IKpsk2_25519_AESGCM_BLAKE2s",
     crypto::Suite::Aes256Gcm,
     "60f2139120264f109f2bd525a8d94877d7896d64394c34a7abedbc114154a6d5",
     {{
         {"4c756477696720766f6e204d69736573",
          "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944f70d65fedfd7ad29"
          "4f4c8f5c1324c7c90e54cd8af05652112a27b261e11ce99d9d517c4a1e0753038edb26066b4087b4"
          "c230aafa22b0552550b723eb69374a674d306a84e1852e30af2e2dbefeb4fd2f"},
         {"4d757272617920526f746862617264",
          "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088434190dae84b688764"
          "1a5f81e03d83f7be91fa1134c18dde966e18fc404b97a8"},
         {"462e20412e20486179656b", "061b631b380a639a0801920ddf205e2dbf6606c3328683c6af50fc"},
         {"4361726c204d656e676572", "c4b5ecd181f80279f2cc41217d490ed56459e3e3fb5e758e522d0d"},
         {"4a65616e2d426170746973746520536179",
          "43897c593df3b427776e11c3632bb935fd7e31e50a4069c8b559188a04af961e12"},
         {"457567656e2042f6686d20766f6e2042617765726b",
          "b7f9229e7ba4b89161baca67cef00381ce7b613bdcb8dcf233573476f6164dde9a8b1b9200"},
     }}},
    {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
     crypto::Suite::ChaCha20Poly1305,
     "f5191b875290abcd41347ac3622d9679688a7e980229cb937ef748336cfde0e5",
     {{
         {"4c756477696720766f6e204d69736573",
          "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8"
          "e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab50009"
          "80c84831215f2441eba616548e832985464cf17e51ee93109008399a21f7e13f"},
         {"4d757272617920526f746862617264",
          "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b"
          "8f007572dab0322217755c0632f365717edbf34d33e87a"},
         {"462e20412e20486179656b", "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"},
         {"4361726c204d656e676572", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"},
         {"4a65616e2d426170746973746520536179",
          "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d"},
         {"457567656e2042f6686d20766f6e2042617765726b",
          "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292"},
     }}},
}};

ByteVector hex(std::string_view text) { return *from_hex(text); }

crypto::Secret<32> secret(std::string_view text) {
  return std::move(*crypto::Secret<32>::from(hex(text)));
}

crypto::X25519KeyPair key_pair(std::string_view text) {
  return crypto::X25519KeyPair::from_secret(secret(text));
}

TunnelKey tunnel_key(std::string_view text) { return *TunnelKey::from(hex(text)); }

std::string seal(crypto::Suite suite, const crypto::Secret<32>& key, std::uint64_t counter,
                 Bytes plaintext) {
  ByteVector out = to_vector(plaintext);
  out.resize(plaintext.size() + crypto::kTagSize);
  crypto::open_aead(suite, key)->seal(crypto::nonce_of(suite, counter), {}, out);
  return to_hex(out);
}

TEST(Noise, PublishedVectorsByteForByte) {
  for (const NoiseVector& vector : kVectors) {
    SCOPED_TRACE(vector.construction);
    const NoiseOptions options{.construction = vector.construction, .suite = vector.suite};
    const auto initiator_keys = key_pair(kInitiatorStatic);
    const auto responder_keys = key_pair(kResponderStatic);
    ASSERT_EQ(to_hex(responder_keys.public_key.view()), kResponderPublic);

    NoiseInitiator initiator(options, hex(kPrologue), responder_keys.public_key);
    const auto m1 = initiator.write_message1(initiator_keys, key_pair(kInitiatorEphemeral),
                                             hex(vector.messages[0].payload));
    ASSERT_TRUE(m1);
    EXPECT_EQ(to_hex(m1->ephemeral.view()) + to_hex(m1->sealed_static) + to_hex(m1->sealed_payload),
              vector.messages[0].ciphertext);

    auto responder =
        NoiseResponder::read_message1(options, hex(kPrologue), responder_keys, m1->ephemeral,
                                      m1->sealed_static, m1->sealed_payload);
    ASSERT_TRUE(responder);
    EXPECT_EQ(to_hex(responder->payload()), vector.messages[0].payload);
    EXPECT_EQ(responder->remote(), initiator_keys.public_key);
    const auto m2 = responder->write_message2(secret(kPsk), key_pair(kResponderEphemeral),
                                              hex(vector.messages[1].payload));
    ASSERT_TRUE(m2);
    EXPECT_EQ(to_hex(m2->ephemeral.view()) + to_hex(m2->sealed_payload),
              vector.messages[1].ciphertext);

    const auto payload =
        initiator.read_message2(initiator_keys, secret(kPsk), m2->ephemeral, m2->sealed_payload);
    ASSERT_TRUE(payload);
    EXPECT_EQ(to_hex(*payload), vector.messages[1].payload);
    EXPECT_EQ(to_hex(initiator.transcript().hash().view()), vector.handshake_hash);
    EXPECT_EQ(to_hex(responder->transcript().hash().view()), vector.handshake_hash);

    const TransportKeys at_initiator = initiator.transcript().split({}, true);
    const TransportKeys at_responder = responder->transcript().split({}, false);
    for (std::size_t i = 2; i < vector.messages.size(); ++i) {
      const bool from_initiator = i % 2 == 0;
      const ByteVector plaintext = hex(vector.messages[i].payload);
      const std::uint64_t counter = (i - 2) / 2;
      EXPECT_EQ(seal(vector.suite, from_initiator ? at_initiator.send : at_responder.send, counter,
                     plaintext),
                vector.messages[i].ciphertext);
      EXPECT_EQ(seal(vector.suite, from_initiator ? at_responder.receive : at_initiator.receive,
                     counter, plaintext),
                vector.messages[i].ciphertext);
    }
  }
}

/// One handshake between fixed keys, each field of which a test may spoil on its way.
class Handshake : public ::testing::Test {
 protected:
  static constexpr NoiseOptions kOptions{.construction = kVectors[1].construction};

  Handshake() : initiator_(kOptions, hex(kPrologue), responder_keys_.public_key) {
    m1_ = std::move(*initiator_.write_message1(initiator_keys_, key_pair(kInitiatorEphemeral),
                                               as_bytes("one")));
  }
  Result<NoiseResponder> read(const TunnelKey& ephemeral, Bytes sealed_static,
                              Bytes sealed_payload) {
    return NoiseResponder::read_message1(kOptions, hex(kPrologue), responder_keys_, ephemeral,
                                         sealed_static, sealed_payload);
  }

  crypto::X25519KeyPair initiator_keys_ = key_pair(kInitiatorStatic);
  crypto::X25519KeyPair responder_keys_ = key_pair(kResponderStatic);
  NoiseInitiator initiator_;
  NoiseInitiator::Message1 m1_;
};

TEST_F(Handshake, EveryFlippedBitOfMessage1IsRefused) {
  for (std::size_t bit = 0; bit < 256; ++bit) {
    TunnelKey ephemeral = m1_.ephemeral;
    ephemeral.bytes[bit / 8] ^= std::byte(1U << (bit % 8));
    // X25519 ignores the top bit (RFC 7748), but the transcript hash does not.
    EXPECT_FALSE(read(ephemeral, m1_.sealed_static, m1_.sealed_payload)) << bit;
  }
  for (std::size_t bit = 0; bit < m1_.sealed_static.size() * 8; ++bit) {
    ByteVector sealed = m1_.sealed_static;
    sealed[bit / 8] ^= std::byte(1U << (bit % 8));
    EXPECT_FALSE(read(m1_.ephemeral, sealed, m1_.sealed_payload)) << bit;
  }
  for (std::size_t bit = 0; bit < m1_.sealed_payload.size() * 8; ++bit) {
    ByteVector sealed = m1_.sealed_payload;
    sealed[bit / 8] ^= std::byte(1U << (bit % 8));
    EXPECT_FALSE(read(m1_.ephemeral, m1_.sealed_static, sealed)) << bit;
  }
  EXPECT_TRUE(read(m1_.ephemeral, m1_.sealed_static, m1_.sealed_payload));
}

TEST_F(Handshake, TruncatedFieldsAreRefused) {
  for (std::size_t n = 0; n < m1_.sealed_static.size(); ++n) {
    EXPECT_FALSE(read(m1_.ephemeral, Bytes(m1_.sealed_static).first(n), m1_.sealed_payload)) << n;
  }
  for (std::size_t n = 0; n < m1_.sealed_payload.size(); ++n) {
    EXPECT_FALSE(read(m1_.ephemeral, m1_.sealed_static, Bytes(m1_.sealed_payload).first(n))) << n;
  }
}

TEST_F(Handshake, AFailedMessage2LeavesTheTrueOneReadable) {
  auto responder = read(m1_.ephemeral, m1_.sealed_static, m1_.sealed_payload);
  ASSERT_TRUE(responder);
  const auto m2 = responder->write_message2(secret(kPsk), key_pair(kResponderEphemeral), {});
  ASSERT_TRUE(m2);
  crypto::Secret<32> wrong_psk;
  const crypto::Hash32 before = initiator_.transcript().hash();
  for (std::size_t bit = 0; bit < m2->sealed_payload.size() * 8; ++bit) {
    ByteVector sealed = m2->sealed_payload;
    sealed[bit / 8] ^= std::byte(1U << (bit % 8));
    EXPECT_FALSE(initiator_.read_message2(initiator_keys_, secret(kPsk), m2->ephemeral, sealed));
  }
  EXPECT_FALSE(
      initiator_.read_message2(initiator_keys_, wrong_psk, m2->ephemeral, m2->sealed_payload));
  EXPECT_EQ(initiator_.transcript().hash(), before);
  EXPECT_TRUE(
      initiator_.read_message2(initiator_keys_, secret(kPsk), m2->ephemeral, m2->sealed_payload));
}

TEST_F(Handshake, AnotherPrologueConstructionOrResponderIsRefused) {
  const auto try_read = [&](const NoiseOptions& options, std::string_view prologue,
                            const crypto::X25519KeyPair& keys) {
    return NoiseResponder::read_message1(options, hex(prologue), keys, m1_.ephemeral,
                                         m1_.sealed_static, m1_.sealed_payload)
        .has_value();
  };
  EXPECT_TRUE(try_read(kOptions, kPrologue, responder_keys_));
  EXPECT_FALSE(try_read(kOptions, "00", responder_keys_));
  EXPECT_FALSE(try_read({.construction = "Noise_IK"}, kPrologue, responder_keys_));
  EXPECT_FALSE(try_read({.construction = kOptions.construction, .suite = crypto::Suite::Aes256Gcm},
                        kPrologue, responder_keys_));
  EXPECT_FALSE(try_read(kOptions, kPrologue, initiator_keys_));
}

// The points whose product with any secret is zero (https://cr.yp.to/ecdh.html#validate), also in
// their non-canonical forms.
constexpr std::array<std::string_view, 7> kLowOrderPoints{
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

TEST_F(Handshake, LowOrderPointsAreRefusedInEveryPosition) {
  for (const std::string_view text : kLowOrderPoints) {
    SCOPED_TRACE(text);
    const TunnelKey point = tunnel_key(text);
    // The responder's static key.
    NoiseInitiator to_nobody(kOptions, hex(kPrologue), point);
    const auto refused =
        to_nobody.write_message1(initiator_keys_, key_pair(kInitiatorEphemeral), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Denied);
    // The initiator's ephemeral key.
    EXPECT_FALSE(read(point, m1_.sealed_static, m1_.sealed_payload));
    // The initiator's static key: sealed correctly by somebody who can do all but the ss operation.
    Transcript forged(kOptions, hex(kPrologue));
    forged.mix_hash(responder_keys_.public_key.view());
    const auto ephemeral = key_pair(kInitiatorEphemeral);
    forged.mix_hash(ephemeral.public_key.view());
    forged.mix_key(ephemeral.public_key.view());
    forged.mix_key(crypto::x25519(ephemeral.secret, responder_keys_.public_key)->reveal());
    ByteVector sealed_static;
    forged.encrypt_and_hash(point.view(), sealed_static);
    forged.mix_key(std::array<std::byte, 32>{});
    ByteVector sealed_payload;
    forged.encrypt_and_hash(as_bytes("one"), sealed_payload);
    EXPECT_FALSE(read(ephemeral.public_key, sealed_static, sealed_payload));
    // The responder's ephemeral key.
    EXPECT_FALSE(initiator_.read_message2(initiator_keys_, secret(kPsk), point, ByteVector(16)));
  }
}

TEST(Noise, SplitDependsOnItsInput) {
  const Transcript transcript({.construction = "Noise_short_name"}, as_bytes("prologue"));
  const TransportKeys plain = transcript.split({}, true);
  const TransportKeys bound = transcript.split(as_bytes("x"), true);
  EXPECT_FALSE(equal_bytes(plain.send.reveal(), bound.send.reveal()));
  const TransportKeys other = transcript.split(as_bytes("x"), false);
  EXPECT_TRUE(equal_bytes(bound.send.reveal(), other.receive.reveal()));
  EXPECT_TRUE(equal_bytes(bound.receive.reveal(), other.send.reveal()));
}

// KDF_n is a chain: fewer outputs are a prefix of more, and the third is HMAC(prk, out2 || 3).
TEST(Noise, HkdfOutputsAreAPrefixChain) {
  SeededRng rng(5);
  const auto key = crypto::Secret<32>::random(rng);
  const ByteVector input(77, std::byte{9});
  crypto::Secret<32> a1, b1, b2, c1, c2, c3;
  crypto::noise_hkdf(key, input, a1);
  crypto::noise_hkdf(key, input, b1, b2);
  crypto::noise_hkdf(key, input, c1, c2, c3);
  EXPECT_TRUE(equal_bytes(a1.reveal(), b1.reveal()));
  EXPECT_TRUE(equal_bytes(b1.reveal(), c1.reveal()));
  EXPECT_TRUE(equal_bytes(b2.reveal(), c2.reveal()));
  const crypto::Hash32 prk = crypto::hmac_blake2s(key.reveal(), {input});
  const std::array<std::byte, 1> one{std::byte{1}};
  const std::array<std::byte, 1> three{std::byte{3}};
  EXPECT_EQ(to_hex(crypto::hmac_blake2s(prk.view(), {one}).view()), to_hex(c1.reveal()));
  EXPECT_EQ(to_hex(crypto::hmac_blake2s(prk.view(), {c2.reveal(), three}).view()),
            to_hex(c3.reveal()));
}

}  // namespace
}  // namespace ipop::session
