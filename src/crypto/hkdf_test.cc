#include "crypto/hkdf.h"

#include <gtest/gtest.h>

#include "crypto/blake2s.h"

namespace ipop::crypto {
namespace {

ByteVector hex(std::string_view text) { return *from_hex(text); }

ByteVector range(unsigned first, unsigned last) {
  ByteVector out;
  for (unsigned b = first; b <= last; ++b) out.push_back(static_cast<std::byte>(b));
  return out;
}

std::string text(const Secret<32>& secret) { return to_hex(secret.reveal()); }

// RFC 5869 appendix A, cases 1 to 3.
TEST(HkdfSha256, Rfc5869) {
  const struct {
    ByteVector input, salt, info;
    std::string_view want;
  } cases[] = {
      {ByteVector(22, std::byte{0x0b}), range(0x00, 0x0c), range(0xf0, 0xf9),
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {range(0x00, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff),
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
       "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
       "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {ByteVector(22, std::byte{0x0b}),
       {},
       {},
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const auto& c : cases) {
    ByteVector out(c.want.size() / 2);
    hkdf_sha256(c.input, c.salt, c.info, out);
    EXPECT_EQ(to_hex(out), c.want);
  }
}

TEST(HkdfSha256, ShorterOutputIsAPrefix) {
  ByteVector longest(255 * 32);
  hkdf_sha256(hex("01"), {}, {}, longest);
  for (const std::size_t size : {0U, 1U, 31U, 32U, 33U, 64U, 65U, 8159U}) {
    ByteVector out(size);
    hkdf_sha256(hex("01"), {}, {}, out);
    EXPECT_TRUE(equal_bytes(out, Bytes(longest).first(size)));
  }
}

TEST(HkdfSha256DeathTest, RefusesMoreThan255Blocks) {
  ByteVector out(255 * 32 + 1);
  EXPECT_DEATH(hkdf_sha256({}, {}, {}, out), "");
}

// Computed with Python's hmac over hashlib.blake2s.
TEST(NoiseHkdf, KnownAnswers) {
  const auto key = Secret<32>::from(range(0, 31));
  const Bytes input = as_bytes("test-input");
  const std::string_view want[] = {
      "409cda436eaad0024d2732387b29c13bf062f3ceedf65e26508c27dfa176eb4b",
      "e12853c7568466b405ffbc113cb7c5336c83a93a06ea6719ce3a02d405177cf7",
      "25478a8e7deb67668a7f1b35e39d982df03b690bc08fd319d9d2117bdc41170e"};
  Secret<32> a;
  Secret<32> b;
  Secret<32> c;
  noise_hkdf(*key, input, a);
  EXPECT_EQ(text(a), want[0]);
  noise_hkdf(*key, input, a, b);
  EXPECT_EQ(text(a), want[0]);
  EXPECT_EQ(text(b), want[1]);
  noise_hkdf(*key, input, a, b, c);
  EXPECT_EQ(text(a), want[0]);
  EXPECT_EQ(text(b), want[1]);
  EXPECT_EQ(text(c), want[2]);
  noise_hkdf(*key, {}, a, b);
  EXPECT_EQ(text(a), "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624");
  EXPECT_EQ(text(b), "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd");
}

TEST(NoiseHkdf, TheChainingKeyMayBeAnOutput) {
  const auto key = Secret<32>::from(range(0, 31));
  Secret<32> a;
  Secret<32> b;
  Secret<32> c;
  noise_hkdf(*key, as_bytes("x"), a, b, c);
  for (int position = 0; position < 3; ++position) {
    Secret<32> chaining = key->clone();
    Secret<32> other1;
    Secret<32> other2;
    if (position == 0) noise_hkdf(chaining, as_bytes("x"), chaining, other1, other2);
    if (position == 1) noise_hkdf(chaining, as_bytes("x"), other1, chaining, other2);
    if (position == 2) noise_hkdf(chaining, as_bytes("x"), other1, other2, chaining);
    EXPECT_EQ(text(chaining), text(position == 0 ? a : position == 1 ? b : c));
  }
}

TEST(DeriveKey, IsTheFirstBlockOfExpand) {
  const auto key = Secret<32>::from(range(0, 31));
  EXPECT_EQ(text(derive_key(*key, "ipop psk")),
            "3d70b418576a6eef021b8f10821c716b5b3dce4314ec6b97e7a449682eef61d4");
  const std::byte one{1};
  const Hash32 want =
      hmac_blake2s(key->reveal(), {as_bytes("ipop mac"), std::span<const std::byte>(&one, 1)});
  EXPECT_EQ(text(derive_key(*key, "ipop mac")), to_hex(want.view()));
}

TEST(DeriveKey, LabelsAndKeysSeparate) {
  const auto key = Secret<32>::from(range(0, 31));
  const auto other = Secret<32>::from(range(1, 32));
  EXPECT_NE(text(derive_key(*key, "a")), text(derive_key(*key, "b")));
  EXPECT_NE(text(derive_key(*key, "a")), text(derive_key(*key, "")));
  EXPECT_NE(text(derive_key(*key, "a")), text(derive_key(*other, "a")));
}

}  // namespace
}  // namespace ipop::crypto
