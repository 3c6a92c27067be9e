// The vectors of docs/protocol.md, so that page and parsers cannot drift apart.
#include <fstream>
#include <map>

#include "wire/candidate.h"
#include "wire/canonical_testing.h"
#include "wire/data.h"
#include "wire/frames.h"
#include "wire/handshake.h"
#include "wire/invite.h"
#include "wire/statement.h"

namespace ipop::wire {
namespace {

using Vectors = std::map<std::string, std::string>;

Vectors read_vectors() {
  std::ifstream page(std::string(IPOP_DOCS) + "/protocol.md");
  Vectors out;
  std::string line;
  bool inside = false;
  while (std::getline(page, line)) {
    if (line.starts_with("```")) inside = line == "```vectors";
    const std::size_t space = line.find(' ');
    if (inside && space != std::string::npos) out[line.substr(0, space)] = line.substr(space + 1);
  }
  return out;
}

class ProtocolPage : public testing::Test {
 protected:
  ByteVector bytes(const std::string& name) const {
    const auto it = vectors_.find(name);
    EXPECT_NE(it, vectors_.end()) << name;
    const auto out = it == vectors_.end() ? std::nullopt : from_hex(it->second);
    EXPECT_TRUE(out) << name;
    return out ? *out : ByteVector();
  }
  template <class Id>
  Id id(const std::string& name) const {
    const auto out = Id::from(bytes(name));
    EXPECT_TRUE(out) << name;
    return out ? *out : Id{};
  }
  template <class Body>
  Body statement(const std::string& name) const {
    const auto parsed = parse_statement(bytes("statement_" + name));
    EXPECT_TRUE(parsed) << name;
    const auto* body = parsed ? std::get_if<Body>(&parsed->body) : nullptr;
    EXPECT_NE(body, nullptr) << name;
    return body == nullptr ? Body{} : *body;
  }

  Vectors vectors_ = read_vectors();
};

TEST_F(ProtocolPage, EveryStatementAndFrameIsWrittenAsOnThePage) {
  std::size_t statements = 0;
  std::size_t frames = 0;
  for (const auto& [name, hex] : vectors_) {
    ByteVector out;
    if (name.starts_with("statement_")) {
      const auto parsed = parse_statement(bytes(name));
      ASSERT_TRUE(parsed) << name << ": " << parsed.error().what;
      write_statement(*parsed, out);
      EXPECT_EQ(to_hex(out), hex) << name;
      ++statements;
    } else if (name.starts_with("frame_")) {
      const ByteVector in = bytes(name);
      const auto parsed = parse_frame(in);
      ASSERT_TRUE(parsed) << name << ": " << parsed.error().what;
      write_frame(*parsed, out);
      EXPECT_EQ(to_hex(out), hex) << name;
      ++frames;
    }
  }
  EXPECT_EQ(statements, 11U);
  EXPECT_EQ(frames, 40U);
}

TEST_F(ProtocolPage, StatementsSayWhatTheTextSays) {
  const auto network = id<NetworkId>("network_id");
  const auto genesis = statement<Genesis>("genesis");
  EXPECT_EQ(genesis.name, "family");
  EXPECT_EQ(genesis.pool.to_string(), "10.83.0.0/16");
  EXPECT_EQ(to_hex(genesis.secret_commit.view()), vectors_["secret_commit_0"]);
  const auto member = statement<Grant>("grant_member");
  EXPECT_EQ(member.issuer.bytes, network.bytes);
  EXPECT_EQ(member.kind, GrantKind::Member);
  EXPECT_EQ(member.rank, 1);
  EXPECT_EQ(member.rights, kRightsAll);
  EXPECT_EQ(member.v4.to_string(), "10.83.0.1");
  EXPECT_EQ(member.tunnel_key, id<TunnelKey>("tunnel_key_alice"));
  const auto invite = statement<Grant>("grant_invite");
  EXPECT_EQ(invite.issuer, id<StatementId>("id_grant_member"));
  EXPECT_EQ(invite.kind, GrantKind::Invite);
  EXPECT_EQ(invite.epoch, Epoch{0});
  EXPECT_EQ(statement<Grant>("grant_invite_1").epoch, Epoch{1});
  const auto device = statement<Grant>("grant_device");
  EXPECT_EQ(device.kind, GrantKind::Device);
  EXPECT_EQ(device.rank, 2);
  EXPECT_EQ(device.name, "phone");
  EXPECT_EQ(device.v4.to_string(), "10.83.0.9");
  EXPECT_TRUE(equal_bytes(device.subject.view(), device.tunnel_key.view()));
  const auto redemption = statement<Grant>("grant_redemption");
  EXPECT_EQ(redemption.issuer, id<StatementId>("id_grant_invite"));
  EXPECT_EQ(redemption.kind, GrantKind::Redemption);
  EXPECT_EQ(redemption.name, "bob");
  const auto admit = statement<Admit>("admit");
  EXPECT_EQ(admit.redemption, id<StatementId>("id_grant_redemption"));
  EXPECT_EQ(admit.admitter, id<StatementId>("id_grant_member"));
  EXPECT_EQ(admit.v4.to_string(), "10.83.0.2");
  const auto revoke = statement<Revoke>("revoke");
  EXPECT_EQ(revoke.target, invite.subject);
  EXPECT_EQ(revoke.keep, std::vector{id<StatementId>("id_grant_redemption")});
  EXPECT_EQ(revoke.next_epoch, Epoch{1});
  EXPECT_EQ(statement<Config>("config").version, 1U);
  EXPECT_EQ(statement<Roll>("roll").signer, Roll::Signer::Recovery);
  EXPECT_EQ(statement<Skey>("skey").identity, redemption.subject);
}

TEST_F(ProtocolPage, HandshakePayloadsAndHeaders) {
  const auto initiation = parse_initiation_payload(bytes("initiation_payload"));
  ASSERT_TRUE(initiation);
  EXPECT_EQ(initiation->suites, 3);
  EXPECT_EQ(initiation->grant, id<StatementId>("id_grant_redemption"));
  ASSERT_EQ(initiation->candidates.size(), 2U);
  EXPECT_EQ(initiation->candidates[0].to_string(), "203.0.113.7:41820");
  EXPECT_EQ(initiation->candidates[1].to_string(), "[2001:db8::1]:41820");
  ByteVector out;
  write_initiation_payload(*initiation, out);
  EXPECT_EQ(to_hex(out), vectors_["initiation_payload"]);

  const auto response = parse_response_payload(bytes("response_payload"));
  ASSERT_TRUE(response);
  out.clear();
  write_response_payload(*response, out);
  EXPECT_EQ(to_hex(out), vectors_["response_payload"]);

  ByteVector candidates;
  Writer writer(candidates);
  for (const Endpoint& e : initiation->candidates) write_candidate(e, writer);
  EXPECT_EQ(to_hex(candidates), vectors_["candidate_v4"] + vectors_["candidate_v6"]);

  ByteVector packet = bytes("data_header");
  packet.resize(kDataOverhead);
  const auto data = parse_data(packet);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->queue, 1);
  EXPECT_EQ(data->flags, kDataFlagCsumPartial);
  EXPECT_EQ(data->counter, Counter{0x0102030405060708});
  ByteVector header(kDataHeaderSize);
  write_data_header(*data, header);
  EXPECT_EQ(to_hex(header), vectors_["data_header"]);
}

TEST_F(ProtocolPage, InviteCarriesItsGrant) {
  const auto text = parse_invite_text(vectors_["invite_text"]);
  ASSERT_TRUE(text) << text.error().what;
  EXPECT_EQ(to_hex(text->layout), vectors_["invite_layout"]);
  EXPECT_EQ(to_hex(text->checksum), vectors_["invite_checksum"]);
  EXPECT_EQ(invite_text(text->layout, text->checksum), vectors_["invite_text"]);
  const auto invite = parse_invite(text->layout);
  ASSERT_TRUE(invite) << invite.error().what;
  EXPECT_EQ(to_hex(write_invite(*invite)), vectors_["invite_layout"]);
  EXPECT_EQ(to_hex(invite->seed), vectors_["seed_invite"]);
  EXPECT_EQ(to_hex(invite->secret), vectors_["secret_0"]);
  EXPECT_EQ(invite->hosts.size(), 3U);

  // With the subject back in place it is the signed GRANT itself.
  Statement grant = invite->grant;
  std::get_if<Grant>(&grant.body)->subject = statement<Grant>("grant_invite").subject;
  ByteVector out;
  write_statement(grant, out);
  EXPECT_EQ(to_hex(out), vectors_["statement_grant_invite"]);
}

}  // namespace
}  // namespace ipop::wire
