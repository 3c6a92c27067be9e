#include "wire/statement.h"

#include "wire/canonical_testing.h"
#include "wire/statement_testing.h"

namespace ipop::wire {
namespace {

std::optional<ByteVector> rewrite(Bytes input) {
  const auto statement = parse_statement(input);
  if (!statement) return std::nullopt;
  ByteVector out;
  write_statement(*statement, out);
  return out;
}

ByteVector bytes_of(const Statement& statement) {
  ByteVector out;
  write_statement(statement, out);
  return out;
}

template <class Body>
Statement statement_of(Body body) {
  Statement out{.network = filled<NetworkId>(0xa0), .signature = filled<Signature>(0x55)};
  if (std::is_same_v<Body, Genesis>) out.network = {};
  out.body = std::move(body);
  return out;
}

TEST(Statement, TypesAndDomainsBelongTogether) {
  struct Case {
    Statement statement;
    StatementType type;
    std::string_view domain;
    std::size_t size;
  };
  const std::vector<Case> cases{
      {statement_of(good_genesis()), StatementType::Genesis, "ipop v1 genesis", 215},
      {statement_of(good_member_grant()), StatementType::Grant, "ipop v1 grant", 210},
      {statement_of(good_admit()), StatementType::Admit, "ipop v1 admit", 130},
      {statement_of(good_revoke()), StatementType::Revoke, "ipop v1 revoke", 225},
      {statement_of(good_config()), StatementType::Config, "ipop v1 config", 111},
      {statement_of(good_roll()), StatementType::Roll, "ipop v1 roll", 151},
      {statement_of(good_skey()), StatementType::Skey, "ipop v1 skey", 158},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(type_of(c.statement), c.type);
    EXPECT_EQ(domain_of(c.type), c.domain);
    const ByteVector bytes = bytes_of(c.statement);
    EXPECT_EQ(bytes.size(), c.size) << c.domain;
    EXPECT_EQ(bytes[0], static_cast<std::byte>(c.type));
    EXPECT_EQ(bytes[1], std::byte{1});
    ByteVector body;
    write_statement_body(c.statement, body);
    append(body, c.statement.signature.view());
    EXPECT_EQ(to_hex(body), to_hex(bytes));
    const auto back = parse_statement(bytes);
    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ(type_of(*back), c.type);
  }
  EXPECT_EQ(domain_of(StatementType{0}), "");
  EXPECT_EQ(domain_of(StatementType{8}), "");
}

TEST(Statement, EveryKindIsCanonical) {
  for (const Statement& statement :
       {statement_of(good_genesis()), statement_of(good_member_grant()),
        statement_of(good_invite_grant()), statement_of(good_redemption_grant()),
        statement_of(good_admit()), statement_of(good_revoke()), statement_of(good_config()),
        statement_of(good_roll()), statement_of(good_skey())}) {
    expect_canonical_exact(rewrite, bytes_of(statement));
  }
}

TEST(Statement, ShortInputIsTruncatedWhateverItsZerosMean) {
  for (const Statement& statement :
       {statement_of(good_genesis()), statement_of(good_member_grant()), statement_of(good_admit()),
        statement_of(good_revoke()), statement_of(good_config()), statement_of(good_roll()),
        statement_of(good_skey())}) {
    const ByteVector bytes = bytes_of(statement);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      const auto r = parse_statement(Bytes(bytes).first(n));
      ASSERT_FALSE(r);
      EXPECT_EQ(r.error().code, Errc::Truncated) << n << ' ' << r.error().what;
    }
  }
}

TEST(Statement, RefusesOtherTypesAndVersions) {
  const ByteVector good = bytes_of(statement_of(good_skey()));
  for (unsigned v = 0; v < 256; ++v) {
    ByteVector bytes = good;
    bytes[1] = static_cast<std::byte>(v);
    EXPECT_EQ(parse_statement(bytes).has_value(), v == 1);
    bytes = good;
    bytes[0] = static_cast<std::byte>(v);
    EXPECT_EQ(parse_statement(bytes).has_value(), v == 7) << v;
  }
  Statement genesis = statement_of(good_genesis());
  genesis.network = filled<NetworkId>(1);
  EXPECT_FALSE(parse_statement(bytes_of(genesis)));
}

/// One field of a good body changed to what the layout forbids, and the nearest that it allows.
template <class Body>
struct Change {
  const char* why;
  bool allowed;
  std::function<void(Body&)> apply;
};

template <class Body>
void expect_changes(const Body& good, const std::vector<Change<Body>>& changes) {
  ASSERT_TRUE(parse_statement(bytes_of(statement_of(good))));
  for (const auto& change : changes) {
    Body body = good;
    change.apply(body);
    const ByteVector bytes = bytes_of(statement_of(body));
    const auto r = parse_statement(bytes);
    EXPECT_EQ(r.has_value(), change.allowed) << change.why;
    if (r) {
      expect_identity(rewrite, bytes);
    } else {
      EXPECT_EQ(r.error().code, Errc::BadValue) << change.why;
    }
  }
}

TEST(Statement, GenesisFields) {
  using C = Change<Genesis>;
  const auto pool = [](const char* text) {
    return [prefix = *Prefix4::parse(text)](Genesis& g) { g.pool = prefix; };
  };
  expect_changes<Genesis>(
      good_genesis(),
      {C{"no root", false, [](Genesis& g) { g.root = {}; }},
       C{"no recovery", false, [](Genesis& g) { g.recovery = {}; }},
       C{"policy 0", true, [](Genesis& g) { g.policy = 0; }},
       C{"policy 2", false, [](Genesis& g) { g.policy = 2; }},
       C{"policy 0x81", false, [](Genesis& g) { g.policy = 0x81; }},
       C{"pool /7", false, pool("10.0.0.0/7")},
       C{"pool /8", true, pool("10.0.0.0/8")},
       C{"pool /0", false, pool("0.0.0.0/0")},
       C{"pool /30", true, pool("192.168.1.4/30")},
       C{"pool /31", false, pool("192.168.1.4/31")},
       C{"pool /32", false, pool("192.168.1.4/32")},
       C{"pool /33", false, [](Genesis& g) { g.pool.length = 33; }},
       C{"pool /255", false, [](Genesis& g) { g.pool.length = 255; }},
       C{"pool host bits", false, [](Genesis& g) { g.pool.base.value |= 1; }},
       C{"pool host bits high", false, [](Genesis& g) { g.pool.base.value |= 0x8000; }},
       C{"no name", false, [](Genesis& g) { g.name.clear(); }},
       C{"upper case", false, [](Genesis& g) { g.name = "Family"; }},
       C{"dot", false, [](Genesis& g) { g.name = "a.b"; }},
       C{"reserved", false, [](Genesis& g) { g.name = "localhost"; }},
       C{"32 letters", true, [](Genesis& g) { g.name = std::string(32, 'a'); }}});
}

TEST(Statement, GrantFieldsThatAllKindsShare) {
  using C = Change<Grant>;
  for (const Grant& good : {good_member_grant(), good_invite_grant(), good_redemption_grant()}) {
    expect_changes<Grant>(good,
                          {C{"no subject", false, [](Grant& g) { g.subject = {}; }},
                           C{"kind 3", false, [](Grant& g) { g.kind = GrantKind{3}; }},
                           C{"kind 255", false, [](Grant& g) { g.kind = GrantKind{255}; }},
                           C{"rank 0", false, [](Grant& g) { g.rank = 0; }},
                           C{"rank 15", true, [](Grant& g) { g.rank = 15; }},
                           C{"rank 16", false, [](Grant& g) { g.rank = 16; }},
                           C{"rank 255", false, [](Grant& g) { g.rank = 255; }},
                           C{"no rights", false, [](Grant& g) { g.rights = 0; }},
                           C{"all rights", true, [](Grant& g) { g.rights = kRightsAll; }},
                           C{"unknown right", false, [](Grant& g) { g.rights = 33; }},
                           C{"unknown high right", false, [](Grant& g) { g.rights = 0x8001; }},
                           C{"not after < not before", false,
                             [](Grant& g) {
                               g.not_before = {500};
                               g.not_after = {499};
                             }},
                           C{"never ends", true, [](Grant& g) { g.not_after = UnixTime::never(); }},
                           C{"all groups", true, [](Grant& g) { g.groups = UINT64_MAX; }},
                           C{"bad name", false, [](Grant& g) { g.name = "bob_"; }},
                           C{"hyphen first", false, [](Grant& g) { g.name = "-bob"; }},
                           C{"no name", true, [](Grant& g) { g.name.clear(); }}});
  }
}

TEST(Statement, InviteGrantFields) {
  using C = Change<Grant>;
  expect_changes<Grant>(
      good_invite_grant(),
      {C{"tunnel key", false, [](Grant& g) { g.tunnel_key = filled<TunnelKey>(1); }},
       C{"epoch", true, [](Grant& g) { g.epoch = Epoch{UINT32_MAX}; }},
       C{"no uses", false, [](Grant& g) { g.uses = 0; }},
       C{"no deadline", false, [](Grant& g) { g.redeem_until = {}; }},
       C{"deadline before it begins", false,
         [](Grant& g) {
           g.not_before = {2000};
           g.redeem_until = {1999};
         }},
       C{"name for one use", true, [](Grant& g) { g.uses = 1, g.name = "bob"; }},
       C{"name for two", false, [](Grant& g) { g.uses = 2, g.name = "bob"; }},
       C{"address for two", false,
         [](Grant& g) {
           g.uses = 2;
           g.name.clear();
           g.v4 = {0x0a530002};
         }},
       C{"65535 uses", true,
         [](Grant& g) {
           g.uses = 65535;
           g.name.clear();
           g.v4 = {};
         }},
       C{"is a member's", false, [](Grant& g) { g.kind = GrantKind::Member; }}});
}

TEST(Statement, OtherGrantFields) {
  using C = Change<Grant>;
  for (const Grant& good : {good_member_grant(), good_redemption_grant()}) {
    expect_changes<Grant>(good,
                          {C{"no tunnel key", false, [](Grant& g) { g.tunnel_key = {}; }},
                           C{"uses", false, [](Grant& g) { g.uses = 1; }},
                           C{"deadline", false, [](Grant& g) { g.redeem_until = {1}; }},
                           C{"is an invite", false, [](Grant& g) { g.kind = GrantKind::Invite; }}});
  }
}

TEST(Statement, AdmitFields) {
  using C = Change<Admit>;
  expect_changes<Admit>(good_admit(), {C{"no address", false, [](Admit& a) { a.v4 = {}; }},
                                       C{"no name", false, [](Admit& a) { a.name.clear(); }},
                                       C{"bad name", false, [](Admit& a) { a.name = "b b"; }},
                                       C{"wpad", false, [](Admit& a) { a.name = "wpad"; }},
                                       C{"time 0", true, [](Admit& a) { a.time = {}; }}});
}

TEST(Statement, RevokeFields) {
  using C = Change<Revoke>;
  const auto id = [](std::uint8_t n) { return filled<StatementId>(n); };
  std::vector<StatementId> most;
  for (std::uint32_t i = 0; i < kKeepMax; ++i) {
    StatementId one;
    one.bytes[0] = static_cast<std::byte>(i >> 8U);
    one.bytes[1] = static_cast<std::byte>(i);
    most.push_back(one);
  }
  expect_changes<Revoke>(
      good_revoke(),
      {C{"kind 2", false, [](Revoke& r) { r.kind = Revoke::Target{2}; }},
       C{"no target", false, [](Revoke& r) { r.target = {}; }},
       C{"a key as a grant", false, [](Revoke& r) { r.kind = Revoke::Target::Grant; }},
       C{"a grant", true,
         [](Revoke& r) {
           r.kind = Revoke::Target::Grant;
           std::fill(r.target.bytes.begin() + 16, r.target.bytes.end(), std::byte{0});
         }},
       C{"a grant with one byte more", false,
         [](Revoke& r) {
           r.kind = Revoke::Target::Grant;
           std::fill(r.target.bytes.begin() + 16, r.target.bytes.end() - 1, std::byte{0});
         }},
       C{"epoch without commitment", false, [](Revoke& r) { r.next_commit = {}; }},
       C{"commitment without epoch", false, [](Revoke& r) { r.next_epoch = {}; }},
       C{"the secret stays", true,
         [](Revoke& r) {
           r.next_epoch = {};
           r.next_commit = {};
         }},
       C{"keeps nothing", true, [](Revoke& r) { r.keep.clear(); }},
       C{"unsorted", false, [id](Revoke& r) { r.keep = {id(2), id(1)}; }},
       C{"twice", false, [id](Revoke& r) { r.keep = {id(1), id(1)}; }},
       C{"unsorted at the end", false, [id](Revoke& r) { r.keep = {id(1), id(3), id(2)}; }},
       C{"most", true, [most](Revoke& r) { r.keep = most; }}});
  // One more than the most cannot be written; by hand.
  ByteVector bytes = bytes_of(statement_of(good_revoke()));
  const std::size_t count_at = 18 + 1 + 32 + 16 + 8 + 4 + 32;
  bytes[count_at] = std::byte{0x01};
  bytes[count_at + 1] = std::byte{0x04};
  bytes.resize(bytes.size() + 1025 * 16);
  EXPECT_EQ(parse_statement(bytes).error().what, "revoke keep count");
}

TEST(Statement, LargestFitsItsLimit) {
  Revoke revoke = good_revoke();
  revoke.keep.clear();
  for (std::uint32_t i = 0; i < kKeepMax; ++i) {
    StatementId one;
    one.bytes[14] = static_cast<std::byte>(i >> 8U);
    one.bytes[15] = static_cast<std::byte>(i);
    revoke.keep.push_back(one);
  }
  EXPECT_LE(bytes_of(statement_of(revoke)).size(), kStatementSizeMax);
}

TEST(Statement, ConfigRollAndSkeyFields) {
  expect_changes<Config>(
      good_config(),
      {{"empty", true, [](Config& c) { c.blob.clear(); }},
       {"largest", true, [](Config& c) { c.blob.assign(kConfigMax, std::byte{1}); }}});
  ByteVector bytes = bytes_of(statement_of(good_config()));
  bytes[18 + 16 + 8 + 1] = std::byte{4};  // 1027 bytes
  bytes.resize(bytes.size() + 1024);
  EXPECT_EQ(parse_statement(bytes).error().what, "config length");

  expect_changes<Roll>(
      good_roll(), {{"epoch 0", false, [](Roll& r) { r.epoch = 0; }},
                    {"no root", false, [](Roll& r) { r.root = {}; }},
                    {"no recovery", false, [](Roll& r) { r.recovery = {}; }},
                    {"recovery signs", true, [](Roll& r) { r.signer = Roll::Signer::Recovery; }},
                    {"signer 2", false, [](Roll& r) { r.signer = Roll::Signer{2}; }}});
  expect_changes<Skey>(good_skey(), {{"epoch 0", false, [](Skey& s) { s.epoch = 0; }},
                                     {"epoch max", true, [](Skey& s) { s.epoch = UINT32_MAX; }},
                                     {"no identity", false, [](Skey& s) { s.identity = {}; }},
                                     {"no key", false, [](Skey& s) { s.tunnel_key = {}; }}});
}

TEST(Statement, Names) {
  for (const char* good : {"a", "0", "bob", "a-b", "a--b", "xn--p1ai", "bob-2", "localhosts",
                           "abcdefghijklmnopqrstuvwxyz012345"}) {
    EXPECT_TRUE(is_valid_name(good)) << good;
  }
  for (const char* bad : {"",
                          "-",
                          "-a",
                          "a-",
                          "A",
                          "aB",
                          "a.b",
                          "a_b",
                          "_gateway",
                          "a b",
                          " a",
                          "a\n",
                          "a/b",
                          "ä",
                          "a\x7f",
                          "localhost",
                          "wpad",
                          "isatap",
                          "broadcasthost",
                          "*",
                          "a,b",
                          "a\\b",
                          "abcdefghijklmnopqrstuvwxyz0123456"}) {
    EXPECT_FALSE(is_valid_name(bad)) << bad;
  }
  EXPECT_FALSE(is_valid_name(std::string_view("a\0b", 3)));
}

TEST(Statement, RandomFieldsComeBack) {
  SeededRng rng(41);
  for (int i = 0; i < 2000; ++i) {
    Grant grant = random_grant(rng);
    const Statement statement = statement_of(grant);
    const ByteVector bytes = bytes_of(statement);
    const auto back = parse_statement(bytes);
    ASSERT_TRUE(back) << back.error().what << ' ' << to_hex(bytes);
    const auto* g = std::get_if<Grant>(&back->body);
    ASSERT_NE(g, nullptr);
    EXPECT_EQ(g->issuer, grant.issuer);
    EXPECT_EQ(g->subject, grant.subject);
    EXPECT_EQ(g->tunnel_key, grant.tunnel_key);
    EXPECT_EQ(g->epoch, grant.epoch);
    EXPECT_EQ(g->kind, grant.kind);
    EXPECT_EQ(g->rank, grant.rank);
    EXPECT_EQ(g->rights, grant.rights);
    EXPECT_EQ(g->uses, grant.uses);
    EXPECT_EQ(g->v4, grant.v4);
    EXPECT_EQ(g->groups, grant.groups);
    EXPECT_EQ(g->not_before, grant.not_before);
    EXPECT_EQ(g->redeem_until, grant.redeem_until);
    EXPECT_EQ(g->not_after, grant.not_after);
    EXPECT_EQ(g->name, grant.name);
    expect_identity(rewrite, bytes);
  }
}

TEST(Statement, RandomDamageNeverHasTwoEncodings) {
  SeededRng rng(42);
  const std::vector<ByteVector> good{
      bytes_of(statement_of(good_genesis())), bytes_of(statement_of(good_invite_grant())),
      bytes_of(statement_of(good_admit())), bytes_of(statement_of(good_revoke())),
      bytes_of(statement_of(good_config()))};
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes = good[rng.below(good.size())];
    for (auto n = 1 + rng.below(4); n > 0; --n) {
      bytes[rng.below(bytes.size())] = static_cast<std::byte>(rng.below(256));
    }
    if (rng.below(4) == 0) bytes.resize(rng.below(bytes.size() + 20));
    expect_canonical_or_refused(rewrite, bytes);
  }
}

}  // namespace
}  // namespace ipop::wire
