// Project Wycheproof's vectors (C2SP/wycheproof, testvectors_v1) through the wrappers of crypto/.
// Each test counts what it ran against what the file says it holds, so that a vector cannot be
// passed over unseen.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "crypto/aead.h"
#include "crypto/ed25519.h"
#include "crypto/hkdf.h"
#include "crypto/testing.h"
#include "crypto/x25519.h"
#include "crypto/xchacha.h"

namespace ipop::crypto {
namespace {

using Json = nlohmann::json;

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

class Wycheproof : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::is_directory(IPOP_VECTORS_DIR)) {
      GTEST_SKIP() << IPOP_VECTORS_DIR " is absent";
    }
  }

  /// Calls run(group, test) for every vector of the groups that `wanted` takes.
  template <class Wanted, class Run>
  void for_each(const std::string& file, Wanted wanted, Run run) {
    std::ifstream stream(std::filesystem::path(IPOP_VECTORS_DIR) / file);
    ASSERT_TRUE(stream.is_open()) << file;
    const Json all = Json::parse(stream);
    std::size_t ran = 0;
    std::size_t other_parameters = 0;
    for (const Json& group : all.at("testGroups")) {
      for (const Json& test : group.at("tests")) {
        if (!wanted(group)) {
          ++other_parameters;
          continue;
        }
        SCOPED_TRACE(file + " tcId " + test.at("tcId").dump());
        run(group, test);
        ++ran;
      }
    }
    EXPECT_GT(ran, 0U);
    EXPECT_EQ(ran + other_parameters, all.at("numberOfTests").get<std::size_t>());
    RecordProperty("vectors", static_cast<int>(ran));
  }

  static ByteVector field(const Json& test, const char* name) {
    const auto bytes = from_hex(test.at(name).get<std::string>());
    EXPECT_TRUE(bytes.has_value()) << name;
    return bytes ? *bytes : ByteVector{};
  }
  static bool is_valid(const Json& test) { return test.at("result") == "valid"; }

  void run_aead(const std::string& file, Suite suite) {
    for (const Backend backend : test::backends()) run_aead(file, suite, backend);
  }
  void run_aead(const std::string& file, Suite suite, Backend backend) {
    for_each(
        file, [](const Json& g) { return g["ivSize"] == 96 && g["keySize"] == 256; },
        [suite, backend](const Json& group, const Json& test) {
          ASSERT_EQ(group["tagSize"], 128);
          const auto key = Secret<32>::from(field(test, "key"));
          const auto aead = open_aead(backend, suite, *key);
          AeadNonce nonce{};
          copy_bytes(nonce, field(test, "iv"));
          const ByteVector aad = field(test, "aad");
          const ByteVector text = field(test, "msg");
          ByteVector published = field(test, "ct");
          append(published, field(test, "tag"));

          ByteVector sealed = text;
          sealed.resize(text.size() + kTagSize);
          aead->seal(nonce, aad, sealed);
          EXPECT_EQ(equal_bytes(sealed, published), is_valid(test));

          const auto opened = aead->open(nonce, aad, published);
          ASSERT_EQ(opened.has_value(), is_valid(test));
          EXPECT_TRUE(opened ? equal_bytes(*opened, text) : all_zero(published));
        });
  }
};

TEST_F(Wycheproof, Aes256Gcm) { run_aead("aes_gcm_test.json", Suite::Aes256Gcm); }

TEST_F(Wycheproof, ChaCha20Poly1305) {
  run_aead("chacha20_poly1305_test.json", Suite::ChaCha20Poly1305);
}

TEST_F(Wycheproof, XChaCha20Poly1305) {
  for_each(
      "xchacha20_poly1305_test.json",
      [](const Json& g) { return g["ivSize"] == 192 && g["keySize"] == 256; },
      [](const Json&, const Json& test) {
        const auto key = Secret<32>::from(field(test, "key"));
        XChaChaNonce nonce{};
        copy_bytes(nonce, field(test, "iv"));
        const ByteVector aad = field(test, "aad");
        const ByteVector text = field(test, "msg");
        ByteVector published = field(test, "ct");
        append(published, field(test, "tag"));

        ByteVector sealed(text.size() + kTagSize);
        xchacha_seal(*key, nonce, aad, text, sealed);
        EXPECT_EQ(equal_bytes(sealed, published), is_valid(test));

        ByteVector opened(text.size(), std::byte{0xaa});
        const auto result = xchacha_open(*key, nonce, aad, published, opened);
        ASSERT_EQ(result.has_value(), is_valid(test));
        EXPECT_TRUE(result ? equal_bytes(opened, text) : all_zero(opened));
      });
}

// "acceptable" marks unusual public keys (twist, non-canonical). RFC 7748 computes with them all;
// refused is exactly the all-zero result.
TEST_F(Wycheproof, X25519) {
  for_each(
      "x25519_test.json", [](const Json& g) { return g["curve"] == "curve25519"; },
      [](const Json&, const Json& test) {
        const auto secret = Secret<32>::from(field(test, "private"));
        const auto peer = TunnelKey::from(field(test, "public"));
        ASSERT_TRUE(secret && peer);
        const ByteVector want = field(test, "shared");
        const auto got = x25519(*secret, *peer);
        ASSERT_EQ(got.has_value(), !all_zero(want));
        EXPECT_TRUE(got ? equal_bytes(got->reveal(), want) : got.error().code == Errc::Denied);
      });
}

TEST_F(Wycheproof, Ed25519) {
  for_each(
      "ed25519_test.json", [](const Json&) { return true; },
      [](const Json& group, const Json& test) {
        const auto key = IdentityKey::from(field(group["publicKey"], "pk"));
        ASSERT_TRUE(key.has_value());
        const ByteVector message = field(test, "msg");
        // A signature of another length cannot even be put into the type.
        const auto signature = Signature::from(field(test, "sig"));
        EXPECT_EQ(signature && verify(*key, {}, message, *signature), is_valid(test));
        if (message.size() > 1 && signature) {
          const Bytes head = Bytes(message).first(message.size() / 2);
          const Bytes tail = Bytes(message).subspan(head.size());
          EXPECT_EQ(verify(*key, head, tail, *signature), is_valid(test));
        }
      });
}

TEST_F(Wycheproof, HkdfSha256) {
  for_each(
      "hkdf_sha256_test.json", [](const Json&) { return true; },
      [](const Json&, const Json& test) {
        const ByteVector input = field(test, "ikm");
        const ByteVector salt = field(test, "salt");
        const ByteVector info = field(test, "info");
        ByteVector out(test.at("size").get<std::size_t>());
        if (!is_valid(test)) {
          // Too long an output is a mistake of our own code: it stops the process.
          ASSERT_GT(out.size(), 255U * 32U);
          EXPECT_DEATH(hkdf_sha256(input, salt, info, out), "");
          return;
        }
        hkdf_sha256(input, salt, info, out);
        EXPECT_TRUE(equal_bytes(out, field(test, "okm")));
      });
}

}  // namespace
}  // namespace ipop::crypto
