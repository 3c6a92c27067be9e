#include "crypto/blake2s.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/random.h"

namespace ipop::crypto {
namespace {

ByteVector hex(std::string_view text) { return *from_hex(text); }

/// 00 01 02 … of the given length.
ByteVector counting(std::size_t size) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i);
  return out;
}

// RFC 7693 appendix B for "abc"; the others are the designers' unkeyed test vector for the empty
// string and a multi-block value computed with Python's hashlib, a separate implementation.
TEST(Blake2s, KnownAnswers) {
  ByteVector thousand(1000);
  for (std::size_t i = 0; i < thousand.size(); ++i) thousand[i] = static_cast<std::byte>(i % 251);
  const struct {
    ByteVector input;
    std::string_view want;
  } cases[] = {
      {{}, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"},
      {to_vector(as_bytes("abc")),
       "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"},
      {thousand, "1c067a5e746fb0f6734efac9a8cdb0e11061f0077f255184365c690115392501"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(to_hex(blake2s({c.input}).view()), c.want);
    EXPECT_EQ(to_hex(blake2s_128({c.input}).view()), c.want.substr(0, 32));
  }
}

TEST(Blake2s, PartsAreConcatenated) {
  const ByteVector all = counting(200);
  const Hash32 want = blake2s({all});
  const Hash16 want_mac = blake2s_mac(hex("01"), {all});
  const Hash32 want_hmac = hmac_blake2s(hex("01"), {all});
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    const Bytes head = Bytes(all).first(cut);
    const Bytes tail = Bytes(all).subspan(cut);
    EXPECT_EQ(blake2s({head, {}, tail}), want);
    EXPECT_EQ(blake2s_mac(hex("01"), {head, {}, tail}), want_mac);
    EXPECT_EQ(hmac_blake2s(hex("01"), {head, {}, tail}), want_hmac);
  }
}

// Computed with Python's hashlib.blake2s(key=…, digest_size=16).
TEST(Blake2sMac, KnownAnswers) {
  const struct {
    ByteVector key;
    ByteVector input;
    std::string_view want;
  } cases[] = {
      {to_vector(as_bytes("k")), {}, "5175c87d8aa9480d45ba9a546f2a436f"},
      {counting(32), counting(100), "0b67d33f8b859c3157fbabd9e6e47ed0"},
      {counting(16), to_vector(as_bytes("abc")), "75296c2d2c0f51210b383f386bc8b1ff"},
  };
  for (const auto& c : cases) { EXPECT_EQ(to_hex(blake2s_mac(c.key, {c.input}).view()), c.want); }
}

TEST(Blake2sMac, KeyAndMessageBitsMatter) {
  const ByteVector key = counting(32);
  const ByteVector text = counting(70);
  const Hash16 want = blake2s_mac(key, {text});
  for (std::size_t bit = 0; bit < key.size() * 8; ++bit) {
    ByteVector other = key;
    other[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_NE(blake2s_mac(other, {text}), want);
  }
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    ByteVector other = text;
    other[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_NE(blake2s_mac(key, {other}), want);
  }
}

TEST(Blake2sMacDeathTest, RefusesAKeyOfImpossibleSize) {
  EXPECT_DEATH(blake2s_mac({}, {}), "");
  EXPECT_DEATH(blake2s_mac(counting(33), {}), "");
}

// Computed with Python's hmac over hashlib.blake2s; key lengths around the block of 64 bytes.
TEST(HmacBlake2s, KnownAnswers) {
  const struct {
    ByteVector key;
    ByteVector input;
    std::string_view want;
  } cases[] = {
      {{}, {}, "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd"},
      {to_vector(as_bytes("test-key")), to_vector(as_bytes("test-input")),
       "ed378e02e152b574e0d9e01fb029a7066c3cc687917c28bf9dfe5b042769fa46"},
      {ByteVector(64), to_vector(as_bytes("x")),
       "b68b06e897d266245ad94499b034fdcb74fdfdd99e354709277ee21687821dd2"},
      {counting(65), to_vector(as_bytes("abc")),
       "44d87b3939dec16bc76cbd83e3982ac0a4eafab8a5b87c8c2adbd0da7d5c9695"},
      {counting(200), counting(130),
       "66b2f0949dcc1be80b1ca3914a7e7ab1b8f5a049a526c68c127f5a86d2fb0275"},
  };
  for (const auto& c : cases) { EXPECT_EQ(to_hex(hmac_blake2s(c.key, {c.input}).view()), c.want); }
}

}  // namespace
}  // namespace ipop::crypto
