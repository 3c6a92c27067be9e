// The hashes, keys and signatures of docs/protocol.md, by the code that the daemon runs.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "crypto/blake2s.h"
#include "crypto/ed25519.h"
#include "crypto/hkdf.h"
#include "crypto/x25519.h"
#include "member/invite.h"
#include "member/statement_set.h"

namespace ipop::member {
namespace {

class ProtocolPage : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream page(std::string(IPOP_DOCS) + "/protocol.md");
    std::string line;
    bool inside = false;
    while (std::getline(page, line)) {
      if (line.starts_with("```")) inside = line == "```vectors";
      const std::size_t space = line.find(' ');
      if (inside && space != std::string::npos)
        vectors_[line.substr(0, space)] = line.substr(space + 1);
    }
    ASSERT_FALSE(vectors_.empty());
  }
  ByteVector bytes(const std::string& name) { return *from_hex(vectors_.at(name)); }
  wire::Statement statement(const std::string& name) {
    return *wire::parse_statement(bytes("statement_" + name));
  }
  static crypto::SigningKey key(std::uint8_t seed) {
    return crypto::SigningKey::from_seed(
        *crypto::Secret<32>::from(ByteVector(32, std::byte{seed})));
  }
  std::map<std::string, std::string> vectors_;
};

TEST_F(ProtocolPage, Identifiers) {
  const auto network = network_id_of(statement("genesis"));
  EXPECT_EQ(to_hex(network.view()), vectors_["network_id"]);
  for (const char* name :
       {"grant_member", "grant_invite", "grant_redemption", "grant_device", "admit", "roll"}) {
    EXPECT_EQ(to_hex(statement_id_of(statement(name)).view()), vectors_[std::string("id_") + name]);
  }
  EXPECT_EQ(to_hex(node_id_of(network, key(5).public_key()).view()), vectors_["node_id_bob"]);
  EXPECT_EQ(to_hex(ipv6_of(network, key(5).public_key()).bytes), vectors_["ipv6_bob"]);
  const auto device = statement_id_of(statement("grant_device"));
  EXPECT_EQ(to_hex(device_ipv6_of(network, device).bytes), vectors_["ipv6_device"]);
  const auto secret = crypto::Secret<32>::from(bytes("secret_0"));
  EXPECT_EQ(to_hex(secret_commit_of(*secret).view()), vectors_["secret_commit_0"]);
}

TEST_F(ProtocolPage, SignaturesAndDigest) {
  const std::map<std::string, std::uint8_t> signers{
      {"genesis", 1},          {"grant_member", 1}, {"grant_invite", 3}, {"grant_invite_1", 3},
      {"grant_redemption", 4}, {"grant_device", 3}, {"admit", 3},        {"revoke", 3},
      {"config", 3},           {"roll", 2},         {"skey", 5}};
  for (const auto& [name, seed] : signers) {
    EXPECT_EQ(to_hex(sign_statement(statement(name), key(seed)).bytes),
              vectors_["statement_" + name])
        << name;
  }
  StatementSet set(network_id_of(statement("genesis")));
  for (const char* name :
       {"admit", "grant_redemption", "grant_invite", "grant_member", "genesis"}) {
    EXPECT_TRUE(set.add(bytes(std::string("statement_") + name))) << name;
  }
  EXPECT_EQ(set.size(), 5U);
  EXPECT_EQ(to_hex(set.digest().view()), vectors_["authority_digest"]);
  EXPECT_TRUE(set.add(bytes("statement_grant_device")));
}

TEST_F(ProtocolPage, KeysOfTheNetworkSecret) {
  const auto secret = crypto::Secret<32>::from(bytes("secret_0"));
  const auto mac = crypto::derive_key(*secret, "ipop mac");
  EXPECT_EQ(to_hex(crypto::derive_key(*secret, "ipop psk").reveal()), vectors_["psk_0"]);
  EXPECT_EQ(to_hex(mac.reveal()), vectors_["mac_0"]);
  EXPECT_EQ(to_hex(crypto::derive_key(*secret, "ipop rendezvous").reveal()), vectors_["rv_0"]);
  const ByteVector alice = bytes("tunnel_key_alice");
  EXPECT_EQ(to_hex(crypto::blake2s({as_bytes("ipop mac1"), mac.reveal(), alice}).view()),
            vectors_["mac1_key_alice"]);
  EXPECT_EQ(to_hex(crypto::blake2s({as_bytes("ipop cookie"), alice}).view()),
            vectors_["cookie_key_alice"]);
}

TEST_F(ProtocolPage, Invite) {
  const auto read = read_invite(vectors_["invite_text"]);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(to_hex(read->grant.view()), vectors_["id_grant_invite"]);
  EXPECT_EQ(invite_string(read->invite), vectors_["invite_text"]);
}

}  // namespace
}  // namespace ipop::member
