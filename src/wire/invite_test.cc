#include "wire/invite.h"

#include "wire/statement_testing.h"

namespace ipop::wire {
namespace {

std::optional<ByteVector> rewrite(Bytes input) {
  const auto invite = parse_invite(input);
  if (!invite) return std::nullopt;
  return write_invite(*invite);
}

InviteHost host_of(std::uint8_t key, const char* endpoint) {
  return {.tunnel_key = filled<TunnelKey>(key), .endpoint = *Endpoint::parse(endpoint)};
}

/// What `ipop invite` makes on a founder's machine: one use, a day, three addresses of itself.
Invite founders_invite() {
  Invite out;
  out.network = filled<NetworkId>(0xa0);
  out.seed.fill(std::byte{1});
  out.secret.fill(std::byte{2});
  out.grant.network = out.network;
  out.grant.signature = filled<Signature>(3);
  out.grant.body = Grant{.issuer = filled<StatementId>(4),
                         .kind = GrantKind::Invite,
                         .rank = 2,
                         .uses = 1,
                         .not_before = {1700000000},
                         .redeem_until = {1700086400}};
  out.hosts = {host_of(5, "192.168.178.20:41820"), host_of(5, "203.0.113.7:41820"),
               host_of(5, "[2001:db8:1:2:3:4:5:6]:41820")};
  return out;
}

/// Every field that may be absent is there.
Invite members_invite() {
  Invite out = founders_invite();
  out.epoch = Epoch{7};
  out.grant.body = good_invite_grant();
  if (auto* grant = std::get_if<Grant>(&out.grant.body)) {
    grant->subject = {};
    grant->epoch = out.epoch;
    grant->rights = kRightJoin | kRightInvite;
  }
  out.chain = {ByteVector(209, std::byte{8}), ByteVector(130, std::byte{9})};
  out.hosts = {host_of(5, "203.0.113.7:1"), host_of(6, "203.0.113.8:2"), host_of(6, "[::1]:3")};
  return out;
}

const InviteChecksum kChecksum{std::byte{0xde}, std::byte{0xad}, std::byte{0xbe}, std::byte{0xef}};

TEST(Invite, AFoundersStaysSmall) {
  const ByteVector layout = write_invite(founders_invite());
  const std::size_t binary = layout.size() + kChecksum.size();
  EXPECT_EQ(binary, 254U);
  EXPECT_LE(binary, 370U);
  const std::string text = invite_text(layout, kChecksum);
  EXPECT_EQ(text.size(), 6 + (binary * 8 + 4) / 5);
  // A QR of version 11 (61 modules and a margin, so below 80 columns) holds 468 characters of the
  // alphanumeric set at level L, ISO/IEC 18004 table 7.
  EXPECT_LE(text.size(), 468U);

  Invite fixed = founders_invite();
  auto* grant = std::get_if<Grant>(&fixed.grant.body);
  ASSERT_NE(grant, nullptr);
  grant->name = std::string(32, 'n');
  grant->v4 = {0x0a530002};
  grant->not_after = {1800000000};
  EXPECT_LE(write_invite(fixed).size() + kChecksum.size(), 370U);
}

TEST(Invite, EveryFieldComesBack) {
  const Invite invite = members_invite();
  const auto back = parse_invite(write_invite(invite));
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(back->network, invite.network);
  EXPECT_EQ(back->seed, invite.seed);
  EXPECT_EQ(back->epoch, invite.epoch);
  EXPECT_EQ(back->secret, invite.secret);
  EXPECT_EQ(back->grant.network, invite.network);
  EXPECT_EQ(back->grant.signature, invite.grant.signature);
  EXPECT_EQ(back->chain, invite.chain);
  ASSERT_EQ(back->hosts.size(), invite.hosts.size());
  for (std::size_t i = 0; i < invite.hosts.size(); ++i) {
    EXPECT_EQ(back->hosts[i].tunnel_key, invite.hosts[i].tunnel_key);
    EXPECT_EQ(back->hosts[i].endpoint, invite.hosts[i].endpoint);
  }
  const auto* in = std::get_if<Grant>(&invite.grant.body);
  const auto* out = std::get_if<Grant>(&back->grant.body);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(out->kind, GrantKind::Invite);
  EXPECT_TRUE(out->subject.is_zero());
  EXPECT_TRUE(out->tunnel_key.is_zero());
  EXPECT_EQ(out->epoch, invite.epoch);
  EXPECT_EQ(out->issuer, in->issuer);
  EXPECT_EQ(out->rank, in->rank);
  EXPECT_EQ(out->rights, in->rights);
  EXPECT_EQ(out->uses, in->uses);
  EXPECT_EQ(out->v4, in->v4);
  EXPECT_EQ(out->groups, in->groups);
  EXPECT_EQ(out->not_before, in->not_before);
  EXPECT_EQ(out->redeem_until, in->redeem_until);
  EXPECT_EQ(out->not_after, in->not_after);
  EXPECT_EQ(out->name, in->name);
}

TEST(Invite, ReadableUpToItsLimits) {
  Invite invite = members_invite();
  invite.chain.assign(kInviteChainMax, ByteVector(1, std::byte{1}));
  EXPECT_TRUE(is_invite_readable(invite));
  EXPECT_TRUE(parse_invite(write_invite(invite)));
  invite.chain.emplace_back(1, std::byte{1});
  EXPECT_FALSE(is_invite_readable(invite));

  invite.chain.assign(1, ByteVector(1, std::byte{1}));
  const std::size_t room = kInviteSizeMax - kChecksum.size() - write_invite(invite).size();
  invite.chain[0].resize(1 + room);
  EXPECT_TRUE(is_invite_readable(invite));
  const auto text = parse_invite_text(invite_text(write_invite(invite), kChecksum));
  ASSERT_TRUE(text);
  EXPECT_TRUE(parse_invite(text->layout));
  invite.chain[0].resize(2 + room);
  EXPECT_FALSE(is_invite_readable(invite));
  EXPECT_FALSE(parse_invite_text(invite_text(write_invite(invite), kChecksum)));
}

TEST(Invite, IsCanonical) {
  Invite bare = founders_invite();
  bare.hosts.clear();
  for (const Invite& invite : {bare, founders_invite(), members_invite()}) {
    expect_canonical_exact(rewrite, write_invite(invite));
  }
}

TEST(Invite, RandomOnesComeBack) {
  SeededRng rng(51);
  for (int i = 0; i < 2000; ++i) {
    Invite invite = founders_invite();
    invite.network = random_fixed<NetworkId>(rng);
    Grant grant;
    do { grant = random_grant(rng); } while (grant.kind != GrantKind::Invite);
    grant.subject = {};
    if (rng.below(3) == 0) grant.issuer = StatementId{invite.network.bytes};
    invite.epoch = grant.epoch;
    invite.grant.body = grant;
    invite.hosts.resize(rng.below(kInviteHostsMax + 1));
    for (auto n = rng.below(4); n > 0; --n) {
      invite.chain.push_back(random_bytes(rng, 1 + rng.below(300)));
    }
    const ByteVector bytes = write_invite(invite);
    expect_identity(rewrite, bytes);
    const auto back = parse_invite(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(to_hex(write_invite(*back)), to_hex(bytes));
  }
}

/// Older readers say of such an invite that it is too new for them, and read all others.
TEST(Invite, OneWithATlsHostIsOfTheSecondVersion) {
  Invite invite = founders_invite();
  EXPECT_EQ(write_invite(invite)[0], std::byte{1});
  invite.hosts[1].tls = true;
  ByteVector bytes = write_invite(invite);
  EXPECT_EQ(bytes[0], std::byte{2});
  const auto back = parse_invite(bytes);
  ASSERT_TRUE(back);
  EXPECT_FALSE(back->hosts[0].tls);
  EXPECT_TRUE(back->hosts[1].tls);
  EXPECT_EQ(back->hosts[1].endpoint, invite.hosts[1].endpoint);
  EXPECT_EQ(to_hex(write_invite(*back)), to_hex(bytes));
  bytes[0] = std::byte{1};
  EXPECT_FALSE(parse_invite(bytes)) << "a host of the second version in the first";
  bytes = write_invite(founders_invite());
  bytes[0] = std::byte{2};
  EXPECT_FALSE(parse_invite(bytes)) << "no host that needs the second version";
}

TEST(Invite, RefusesASecondEncoding) {
  // The compact GRANT begins at 85: flags, rank, deadline, then what the flags announce.
  Invite invite = founders_invite();
  invite.hosts.clear();
  invite.grant.body = Grant{.kind = GrantKind::Invite, .rank = 1, .uses = 1, .redeem_until = {1}};
  std::get_if<Grant>(&invite.grant.body)->issuer = StatementId{invite.network.bytes};
  const ByteVector good = write_invite(invite);
  ASSERT_TRUE(parse_invite(good));
  ASSERT_EQ(good[85], std::byte{0});
  const std::string network(32, 'a');
  struct Case {
    unsigned flag;
    std::string usual;  // the value that is meant when the field is absent
  };
  for (const Case& c :
       {Case{1, to_hex(invite.network.view())}, Case{2, "0100"}, Case{4, "0100"},
        Case{8, "00000000"}, Case{16, "0000000000000000"}, Case{32, "0000000000000000"},
        Case{64, "ffffffffffffffff"}, Case{128, "00"}}) {
    ByteVector bytes = good;
    bytes[85] = static_cast<std::byte>(c.flag);
    const ByteVector field = *from_hex(c.usual);
    bytes.insert(bytes.begin() + 85 + 10, field.begin(), field.end());
    EXPECT_FALSE(parse_invite(bytes)) << c.flag;
  }
}

TEST(Invite, RefusesBadHosts) {
  const std::string key5(64, '5');
  const std::string key0(64, '0');
  Invite invite = founders_invite();
  invite.hosts.clear();
  ByteVector head = write_invite(invite);
  head.pop_back();
  struct Case {
    const char* why;
    bool good;
    std::string hex;
  };
  for (const Case& c : {
           Case{"one", true, "0104" + key5 + "cb0071070100"},
           Case{"same key", true, "0204" + key5 + "cb0071070100" + "84" + "cb0071080100"},
           Case{"none announced", false, "01"},
           Case{"four", false, "04"},
           Case{"same key as nobody", false, "0184" + std::string("cb0071070100")},
           Case{"same key as nobody, with one", false, "0184" + key5 + "cb0071070100"},
           Case{"key repeated", false,
                "0204" + key5 + "cb0071070100" + "04" + key5 + "cb0071080100"},
           Case{"zero key", false, "0104" + key0 + "cb0071070100"},
           Case{"port 0", false, "0104" + key5 + "cb0071070000"},
           Case{"family 0", false, "0100" + key5 + "cb0071070100"},
           Case{"family 5", false, "0105" + key5 + "cb0071070100"},
           Case{"family flags", false, "0144" + key5 + "cb0071070100"},
           Case{"address cut", false, "0106" + key5 + "cb0071070100"},
           Case{"multicast", false, "0104" + key5 + "e00000010100"},
           Case{"trailing", false, "0104" + key5 + "cb007107010000"},
       }) {
    ByteVector bytes = head;
    append(bytes, *from_hex(c.hex));
    EXPECT_EQ(parse_invite(bytes).has_value(), c.good) << c.why;
  }
}

TEST(Invite, ErrorsAreForUsers) {
  const ByteVector good = write_invite(members_invite());
  ByteVector newer = good;
  newer[0] = std::byte{3};
  EXPECT_EQ(parse_invite(newer).error(),
            (Error{Errc::Unsupported, "this invite needs a newer ipop"}));
  for (std::size_t n = 0; n < good.size(); ++n) {
    const auto r = parse_invite(Bytes(good).first(n));
    ASSERT_FALSE(r);
    EXPECT_TRUE(r.error().what.starts_with("the invite is damaged: ")) << r.error().what;
  }
  ByteVector bad_rank = good;
  bad_rank[86] = std::byte{0};
  EXPECT_EQ(parse_invite(bad_rank).error().what,
            "the invite is damaged: its content does not fit together");
}

TEST(InviteText, ReadsWhatPeoplePaste) {
  const ByteVector layout = *from_hex("00112233445566778899aabbccddeeff");
  const std::string text = invite_text(layout, kChecksum);
  EXPECT_EQ(text, "IPOP1-AAISEM2EKVTHPCEZVK54ZXPO77PK3PXP");
  std::string lower;
  std::string spaced;
  for (const char c : text) {
    lower += static_cast<char>(std::tolower(c));
    spaced += c;
    if (spaced.size() % 7 == 0) spaced += "\r\n ";
    if (spaced.size() % 5 == 0) spaced += '-';
  }
  for (const std::string& one : {text, lower, spaced, "  " + text + "\n", "\t" + lower + "\r\n",
                                 "IPOP1" + text.substr(6), "ipop-1-" + text.substr(6)}) {
    const auto r = parse_invite_text(one);
    ASSERT_TRUE(r) << one << ": " << r.error().what;
    EXPECT_EQ(r->layout, layout);
    EXPECT_EQ(r->checksum, kChecksum);
  }
}

TEST(InviteText, EveryLengthComesBack) {
  SeededRng rng(52);
  for (std::size_t n = 1; n < 400; ++n) {
    const ByteVector layout = random_bytes(rng, n);
    const std::string text = invite_text(layout, kChecksum);
    const auto r = parse_invite_text(text);
    ASSERT_TRUE(r) << r.error().what;
    EXPECT_EQ(r->layout, layout);
    EXPECT_EQ(r->checksum, kChecksum);
    EXPECT_EQ(invite_text(r->layout, r->checksum), text);
  }
  const ByteVector most(kInviteSizeMax - 4, std::byte{0xff});
  EXPECT_TRUE(parse_invite_text(invite_text(most, kChecksum)));
}

TEST(InviteText, SaysWhatIsWrong) {
  const std::string good = invite_text(write_invite(founders_invite()), kChecksum);
  const std::string not_one = "this is not an ipop invite (one begins with IPOP1-)";
  const std::string character = "the invite is damaged: it has a character that does not belong";
  const std::string number = "the invite is damaged: characters are missing or too many";
  const std::string end = "the invite is damaged: its end is missing";
  const std::string too_long = "the invite is damaged: it is too long";
  const std::string newer = "this invite needs a newer ipop";
  struct Case {
    std::string text;
    std::string what;
    Errc code = Errc::BadValue;
  };
  for (const Case& c : {
           Case{"", not_one},
           Case{" \r\n-", not_one},
           Case{"ipop", not_one},
           Case{"ipop-", not_one},
           Case{"IPOPX-AAAA", not_one},
           Case{"https://example.org/" + good, not_one},
           Case{good.substr(1), not_one},
           Case{std::string(100000, 'A'), not_one},
           Case{std::string("IP\0P1-", 6), not_one},
           Case{"IPOP2-AAAA", newer, Errc::Unsupported},
           Case{"ipop9-0189", newer, Errc::Unsupported},
           Case{"IPOP1-", end},
           Case{"IPOP1-AAAAAAA", end},
           Case{"IPOP1-AAAAAAAA" + std::string(), "", Errc::BadValue},
           Case{"IPOP1-A", number},
           Case{"IPOP1-AAA", number},
           Case{"IPOP1-AAAAAA", number},
           Case{"IPOP1-AAAAAAB", number},
           Case{good + "AA", number},
           Case{good + "0", character},
           Case{good + "=", character},
           Case{good + "1", character},
           Case{good + "8", character},
           Case{good + ".", character},
           Case{good + "\xc3\xa4", character},
           Case{"\"" + good, not_one},
           Case{"IPOP1-" + std::string(13109, 'A'), too_long},
           Case{"IPOP1-" + std::string(100000, 'A'), too_long},
       }) {
    const auto r = parse_invite_text(c.text);
    if (c.what.empty()) {
      EXPECT_TRUE(r) << c.text;  // five bytes: the shortest that has a layout and a checksum
      continue;
    }
    ASSERT_FALSE(r) << c.text.substr(0, 40);
    EXPECT_EQ(r.error().what, c.what) << c.text.substr(0, 40);
    EXPECT_EQ(r.error().code, c.code);
  }
}

TEST(InviteText, AnyCutIsDamagedOrAnotherText) {
  const ByteVector layout = write_invite(founders_invite());
  const std::string good = invite_text(layout, kChecksum);
  for (std::size_t n = 0; n < good.size(); ++n) {
    const auto r = parse_invite_text(std::string_view(good).substr(0, n));
    if (r) {
      // The checksum, which the caller compares, is then made of other bytes.
      EXPECT_LT(r->layout.size(), layout.size());
      EXPECT_EQ(invite_text(r->layout, r->checksum), good.substr(0, n));
    }
  }
}

TEST(InviteText, OneTextForOneLayout) {
  // Of the characters that share the decoded bits, only the one with zero padding is read.
  const std::string good = invite_text(*from_hex("aabb"), kChecksum);  // 6 bytes, 10 characters
  ASSERT_EQ(good.size(), 16U);
  std::size_t accepted = 0;
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")) {
    const auto r = parse_invite_text(good.substr(0, 15) + c);
    if (!r) continue;
    ++accepted;
    EXPECT_EQ(invite_text(r->layout, r->checksum), good.substr(0, 15) + c);
  }
  EXPECT_EQ(accepted, 8U);  // two bits of the last character are padding
}

}  // namespace
}  // namespace ipop::wire
