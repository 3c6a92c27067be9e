#include "crypto/ed25519.h"

#include <gtest/gtest.h>

namespace ipop::crypto {
namespace {

ByteVector hex(std::string_view text) { return *from_hex(text); }

// RFC 8032 section 7.1, tests 1 to 3.
TEST(Ed25519, Rfc8032) {
  const struct {
    std::string_view seed, key, message, signature;
  } cases[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
       "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
       "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
       "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
  };
  for (const auto& c : cases) {
    const auto key = SigningKey::from_seed(*Secret<32>::from(hex(c.seed)));
    EXPECT_EQ(to_hex(key.public_key().view()), c.key);
    const Signature signature = key.sign({}, hex(c.message));
    EXPECT_EQ(to_hex(signature.view()), c.signature);
    EXPECT_TRUE(verify(key.public_key(), {}, hex(c.message), signature));
  }
}

class Ed25519Changes : public testing::Test {
 protected:
  SeededRng rng_{1};
  SigningKey key_ = SigningKey::random(rng_);
  ByteVector message_ = to_vector(as_bytes("alice may invite"));
  Signature signature_ = key_.sign(as_bytes("ipop v1 grant"), message_);
};

TEST_F(Ed25519Changes, EveryBitOfTheSignatureMatters) {
  ASSERT_TRUE(verify(key_.public_key(), as_bytes("ipop v1 grant"), message_, signature_));
  for (std::size_t bit = 0; bit < Signature::kSize * 8; ++bit) {
    Signature bad = signature_;
    bad.bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(verify(key_.public_key(), as_bytes("ipop v1 grant"), message_, bad)) << bit;
  }
}

TEST_F(Ed25519Changes, EveryBitOfTheMessageAndKeyMatters) {
  for (std::size_t bit = 0; bit < message_.size() * 8; ++bit) {
    ByteVector bad = message_;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(verify(key_.public_key(), as_bytes("ipop v1 grant"), bad, signature_)) << bit;
  }
  for (std::size_t bit = 0; bit < IdentityKey::kSize * 8; ++bit) {
    IdentityKey bad = key_.public_key();
    bad.bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(verify(bad, as_bytes("ipop v1 grant"), message_, signature_)) << bit;
  }
}

TEST_F(Ed25519Changes, ASignatureForOnePurposeFailsForAnother) {
  EXPECT_FALSE(verify(key_.public_key(), as_bytes("ipop v1 admit"), message_, signature_));
  EXPECT_FALSE(verify(key_.public_key(), {}, message_, signature_));
}

// Whoever holds the neutral element as a key could show one signature for every message.
TEST_F(Ed25519Changes, SmallOrderKeysAndPointsAreRefused) {
  IdentityKey neutral;
  neutral.bytes[0] = std::byte{1};
  Signature forged;
  forged.bytes[0] = std::byte{1};
  EXPECT_FALSE(verify(neutral, {}, message_, forged));
  EXPECT_FALSE(verify(IdentityKey{}, {}, message_, Signature{}));
  EXPECT_FALSE(verify(key_.public_key(), {}, message_, forged));
}

// S + L also satisfies the equation; accepting it would give one statement two ids.
TEST_F(Ed25519Changes, MalleableSignatureIsRefused) {
  const ByteVector order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  Signature bad = signature_;
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += std::to_integer<unsigned>(bad.bytes[32 + i]) + std::to_integer<unsigned>(order[i]);
    bad.bytes[32 + i] = static_cast<std::byte>(carry);
    carry >>= 8U;
  }
  EXPECT_FALSE(verify(key_.public_key(), as_bytes("ipop v1 grant"), message_, bad));
}

TEST_F(Ed25519Changes, CloneSignsAlike) {
  const SigningKey twin = key_.clone();
  EXPECT_EQ(twin.public_key(), key_.public_key());
  EXPECT_EQ(twin.sign(as_bytes("ipop v1 grant"), message_), signature_);
}

}  // namespace
}  // namespace ipop::crypto
