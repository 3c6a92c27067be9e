#include "crypto/x25519.h"

#include <gtest/gtest.h>

namespace ipop::crypto {
namespace {

Secret<32> secret(std::string_view text) { return *Secret<32>::from(*from_hex(text)); }
TunnelKey key(std::string_view text) { return *TunnelKey::from(*from_hex(text)); }

std::string shared(std::string_view scalar, std::string_view point) {
  const auto out = x25519(secret(scalar), key(point));
  return out ? to_hex(out->reveal()) : "refused";
}

// RFC 7748 section 5.2.
TEST(X25519, Rfc7748) {
  EXPECT_EQ(shared("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                   "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(shared("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                   "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

// RFC 7748 section 5.2: k, u = X25519(k, u), k from the base point 9.
TEST(X25519, Rfc7748Iterated) {
  std::string k = "0900000000000000000000000000000000000000000000000000000000000000";
  std::string u = k;
  for (int i = 1; i <= 1000; ++i) {
    std::string next = shared(k, u);
    u = std::move(k);
    k = std::move(next);
    if (i == 1) {
      EXPECT_EQ(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

// RFC 7748 section 6.1.
TEST(X25519, Rfc7748DiffieHellman) {
  const auto alice = X25519KeyPair::from_secret(
      secret("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const auto bob = X25519KeyPair::from_secret(
      secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(alice.public_key,
            key("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
  EXPECT_EQ(bob.public_key,
            key("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
  const auto one = x25519(alice.secret, bob.public_key);
  const auto two = x25519(bob.secret, alice.public_key);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(to_hex(one->reveal()),
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_TRUE(equal_bytes(one->reveal(), two->reveal()));
}

// The points of small order and their non-canonical forms: each gives an all-zero secret, which
// anybody can compute.
TEST(X25519, RefusesLowOrderPoints) {
  const std::string_view points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  SeededRng rng(1);
  for (const std::string_view point : points) {
    for (int i = 0; i < 4; ++i) {
      const auto out = x25519(Secret<32>::random(rng), key(point));
      ASSERT_FALSE(out.has_value()) << point;
      EXPECT_EQ(out.error().code, Errc::Denied);
    }
  }
}

TEST(X25519, RandomPairsAgreeAndDiffer) {
  SeededRng rng(2);
  for (int i = 0; i < 20; ++i) {
    const auto a = X25519KeyPair::random(rng);
    const auto b = X25519KeyPair::random(rng);
    EXPECT_NE(a.public_key, b.public_key);
    const auto one = x25519(a.secret, b.public_key);
    const auto two = x25519(b.secret, a.public_key);
    ASSERT_TRUE(one && two);
    EXPECT_TRUE(equal_bytes(one->reveal(), two->reveal()));
  }
}

}  // namespace
}  // namespace ipop::crypto
