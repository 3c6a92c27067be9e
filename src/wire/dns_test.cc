#include "wire/dns.h"

#include "wire/canonical_testing.h"
#include "wire/reader.h"

namespace ipop::wire {
namespace {

/// "bob.family.internal" and "Bob.Family.Internal", class IN.
const std::string kLowerName = "03626f620666616d696c7908696e7465726e616c00";
const std::string kMixedName = "03426f620646616d696c7908496e7465726e616c00";
/// id 1234, RD, one question.
const std::string kHeader = "123401000001000000000000";
const std::string kHeaderEdns = "123401000001000000000001";
/// OPT, 1232 bytes, no options.
const std::string kOpt = "00002904d0000000000000";

DnsQuery query_of(const std::string& hex) {
  const auto query = parse_dns_query(*from_hex(hex));
  EXPECT_TRUE(query) << hex;
  return query ? *query : DnsQuery{};
}

std::string answer_of(const DnsQuery& query, const DnsAnswer& answer,
                      std::size_t size_max = kDnsUdpSizeMin) {
  ByteVector out;
  write_dns_answer(query, answer, size_max, out);
  return to_hex(out);
}

TEST(DnsQuery, ReadsTheQuestion) {
  const DnsQuery q = query_of(kHeader + kMixedName + "00010001");
  EXPECT_EQ(q.verdict, DnsRcode::NoError);
  EXPECT_EQ(q.id, 0x1234);
  EXPECT_EQ(q.opcode, 0);
  EXPECT_TRUE(q.recursion_desired);
  EXPECT_FALSE(q.checking_disabled);
  EXPECT_EQ(q.name, "bob.family.internal");
  EXPECT_EQ(q.type, kDnsTypeA);
  EXPECT_EQ(q.dns_class, kDnsClassIn);
  EXPECT_EQ(to_hex(q.question), kMixedName + "00010001");
  EXPECT_FALSE(q.has_edns);
  EXPECT_EQ(dns_udp_size(q), 512U);
}

TEST(DnsQuery, ReadsEdns) {
  struct Case {
    std::string opt;
    std::uint16_t size;
    bool dnssec_ok;
    std::size_t udp_size;
  };
  for (const Case& c : {
           Case{kOpt, 1232, false, 1232},
           Case{"0000291000000080000000", 4096, true, 1232},
           Case{"0000290000000000000000", 0, false, 512},
           Case{"0000290320000000000000", 800, false, 800},
           Case{"00002904d0000000000004" + std::string("000a0000"), 1232, false, 1232},
           Case{"00002904d000000000000c" + std::string("000a00080102030405060708"), 1232, false,
                1232},
       }) {
    const DnsQuery q = query_of(kHeaderEdns + kLowerName + "00010001" + c.opt);
    EXPECT_EQ(q.verdict, DnsRcode::NoError) << c.opt;
    EXPECT_TRUE(q.has_edns);
    EXPECT_EQ(q.edns_udp_size, c.size);
    EXPECT_EQ(q.dnssec_ok, c.dnssec_ok);
    EXPECT_EQ(dns_udp_size(q), c.udp_size);
  }
  const DnsQuery newer = query_of(kHeaderEdns + kLowerName + "00010001" + "00002904d0000100000000");
  EXPECT_EQ(newer.verdict, DnsRcode::BadVers);
  EXPECT_TRUE(newer.has_edns);
}

struct Bad {
  const char* why;
  std::string hex;
  DnsRcode verdict = DnsRcode::FormErr;
};

class BadQuery : public testing::TestWithParam<Bad> {};

TEST_P(BadQuery, HasAVerdictAndNoQuestion) {
  const DnsQuery q = query_of(GetParam().hex);
  EXPECT_EQ(q.verdict, GetParam().verdict);
  EXPECT_TRUE(q.question.empty());
  EXPECT_TRUE(q.name.empty());
  EXPECT_EQ(q.id, 0x1234);
  const std::string answer = answer_of(q, {.rcode = q.verdict});
  EXPECT_EQ(answer.size(), 24U);
  EXPECT_EQ(answer.substr(0, 4), "1234");
  EXPECT_EQ(answer.substr(8), "0000000000000000");
}

std::string label(std::size_t n) {
  return to_hex(ByteVector{static_cast<std::byte>(n)}) + to_hex(ByteVector(n, std::byte{'a'}));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadQuery,
    testing::Values(
        Bad{"no question", "123401000000000000000000"},
        Bad{"two questions",
            "123401000002000000000000" + kLowerName + "00010001" + kLowerName + "00010001"},
        Bad{"an answer", "123401000001000100000000" + kLowerName + "00010001"},
        Bad{"an authority", "123401000001000000010000" + kLowerName + "00010001"},
        Bad{"truncated flag", "123403000001000000000000" + kLowerName + "00010001"},
        Bad{"question missing", kHeader}, Bad{"name cut", kHeader + "03626f"},
        Bad{"no root", kHeader + "03626f62"}, Bad{"no class", kHeader + kLowerName + "0001"},
        Bad{"half a class", kHeader + kLowerName + "000100"},
        Bad{"trailing byte", kHeader + kLowerName + "0001000100"},
        Bad{"pointer", kHeader + "c00c00010001"},
        Bad{"pointer after a label", kHeader + "03626f62c00c00010001"},
        Bad{"label type 01", kHeader + "41" + std::string(130, '6') + "0000010001"},
        Bad{"label type 10", kHeader + "8100" + "0000010001"},
        Bad{"name of 256",
            kHeader + label(63) + label(63) + label(63) + label(62) + "00" + "00010001"},
        Bad{"OPT announced", kHeaderEdns + kLowerName + "00010001"},
        Bad{"OPT not announced", kHeader + kLowerName + "00010001" + kOpt},
        Bad{"OPT twice", "123401000001000000000002" + kLowerName + "00010001" + kOpt + kOpt},
        Bad{"OPT with a name",
            kHeaderEdns + kLowerName + "00010001" + "016100002904d0000000000000"},
        Bad{"OPT cut", kHeaderEdns + kLowerName + "00010001" + "00002904d00000000000"},
        Bad{"OPT option cut",
            kHeaderEdns + kLowerName + "00010001" + "00002904d0000000000003000a00"},
        Bad{"OPT option long",
            kHeaderEdns + kLowerName + "00010001" + "00002904d0000000000004000a0001"},
        Bad{"OPT trailing", kHeaderEdns + kLowerName + "00010001" + kOpt + "00"},
        Bad{"TSIG", kHeaderEdns + kLowerName + "00010001" + "0000fa00ff000000000000"},
        Bad{"too long", kHeaderEdns + kLowerName + "00010001" + "00002904d000000000fff0" +
                            std::string(2 * 0xfff0, '0')},
        Bad{"inverse query", "123409000001000000000000" + kLowerName + "00010001",
            DnsRcode::NotImp},
        Bad{"update", "123429000001000000000000" + kLowerName + "00010001", DnsRcode::NotImp},
        Bad{"opcode 15", "123478000000000000000000", DnsRcode::NotImp}));

TEST(DnsQuery, NeverAnswersAResponseOrAFragment) {
  EXPECT_EQ(
      parse_dns_query(*from_hex("123481000001000000000000" + kLowerName + "00010001")).error().code,
      Errc::BadValue);
  const ByteVector header = *from_hex(kHeader);
  for (std::size_t n = 0; n < header.size(); ++n) {
    EXPECT_EQ(parse_dns_query(Bytes(header).first(n)).error().code, Errc::Truncated);
  }
}

TEST(DnsQuery, EveryCutIsFormErr) {
  const ByteVector good =
      *from_hex(kHeaderEdns + kLowerName + "00010001" + "00002904d0000000000004" + "000a0000");
  for (std::size_t n = 12; n < good.size(); ++n) {
    const ByteVector cut = to_vector(Bytes(good).first(n));
    const auto q = parse_dns_query(cut);
    ASSERT_TRUE(q);
    EXPECT_EQ(q->verdict, DnsRcode::FormErr) << n;
  }
}

TEST(DnsQuery, DifferentNamesHaveDifferentTexts) {
  struct Case {
    std::string name;
    const char* text;
  };
  for (const Case& c :
       {Case{"00", ""}, Case{"016100", "a"}, Case{"0161016200", "a.b"},
        Case{"03612e6200", "a\\046b"}, Case{"025c6100", "\\092a"}, Case{"02ff0000", "\\255\\000"},
        Case{"045f73697000", "_sip"}, Case{"01c300", "\\195"}, Case{"0320415a00", "\\032az"}}) {
    const DnsQuery q = query_of(kHeader + c.name + "00010001");
    EXPECT_EQ(q.verdict, DnsRcode::NoError);
    EXPECT_EQ(q.name, c.text);
  }
  const DnsQuery longest =
      query_of(kHeader + label(63) + label(63) + label(63) + label(61) + "00" + "00010001");
  EXPECT_EQ(longest.verdict, DnsRcode::NoError);
  EXPECT_EQ(longest.name.size(), 253U);
  EXPECT_TRUE(is_dns_name(longest.name));
}

TEST(DnsAnswer, AddressesPointersAndNegatives) {
  const DnsQuery a = query_of(kHeader + kMixedName + "00010001");
  EXPECT_EQ(
      answer_of(a, {.authoritative = true, .ttl_seconds = 60, .data = {Ipv4{0x0a530002}}}),
      "123485000001000100000000" + kMixedName + "00010001" + "c00c000100010000003c00040a530002");
  const DnsQuery aaaa = query_of(kHeader + kLowerName + "001c0001");
  EXPECT_EQ(answer_of(aaaa, {.authoritative = true,
                             .recursion_available = true,
                             .ttl_seconds = 1,
                             .data = {*Ipv6::parse("fd00::2"), *Ipv6::parse("fd00::3")}}),
            "123485800001000200000000" + kLowerName + "001c0001" +
                "c00c001c0001000000010010fd000000000000000000000000000002" +
                "c00c001c0001000000010010fd000000000000000000000000000003");
  const DnsQuery ptr =
      query_of(kHeader + "0132013002383302313007696e2d61646472046172706100" + "000c0001");
  EXPECT_EQ(ptr.name, "2.0.83.10.in-addr.arpa");
  EXPECT_EQ(
      answer_of(ptr, {.ttl_seconds = 60, .data = {DnsPointer{"bob.family.internal"}}}),
      "123481000001000100000000" + to_hex(ptr.question) + "c00c000c00010000003c0015" + kLowerName);
  const DnsAnswer no{.rcode = DnsRcode::NxDomain,
                     .authoritative = true,
                     .soa = DnsSoa{.zone = "family.internal",
                                   .primary = "a",
                                   .mailbox = "b",
                                   .serial = 7,
                                   .negative_ttl_seconds = 30}};
  EXPECT_EQ(answer_of(a, no), "123485030001000000010000" + kMixedName + "00010001" +
                                  "0666616d696c7908696e7465726e616c00" + "000600010000001e001a" +
                                  "016100" + "016200" + "00000007" + "00000e10" + "00000258" +
                                  "00015180" + "0000001e");
}

TEST(DnsAnswer, SoaOfTheZoneIsAnAnswer) {
  const std::string zone = "0666616d696c7908696e7465726e616c00";
  const DnsAnswer answer{.soa = DnsSoa{.zone = "family.internal", .primary = "a", .mailbox = "b"}};
  EXPECT_EQ(answer_of(query_of(kHeader + zone + "00060001"), answer).substr(0, 24),
            "123481000001000100000000");
  // Asked for anything else, the same record says "no such type here".
  EXPECT_EQ(answer_of(query_of(kHeader + zone + "00010001"), answer).substr(0, 24),
            "123481000001000000010000");
  EXPECT_EQ(answer_of(query_of(kHeader + kLowerName + "00060001"), answer).substr(0, 24),
            "123481000001000000010000");
}

TEST(DnsAnswer, EchoesEdnsAndFlags) {
  const DnsQuery q =
      query_of("123401100001000000000001" + kLowerName + "00010001" + "0000291000000080000000");
  EXPECT_TRUE(q.checking_disabled);
  EXPECT_EQ(answer_of(q, {.rcode = DnsRcode::Refused}),
            "123481150001000000000001" + kLowerName + "00010001" + "00002904d0000080000000");
  const DnsQuery newer = query_of(kHeaderEdns + kLowerName + "00010001" + "00002904d0000100000000");
  EXPECT_EQ(answer_of(newer, {.rcode = newer.verdict}),
            "123481000001000000000001" + kLowerName + "00010001" + "00002904d0010000000000");
}

TEST(DnsAnswer, TooLargeIsTruncated) {
  const DnsQuery q = query_of(kHeaderEdns + kLowerName + "00010001" + kOpt);
  DnsAnswer answer;
  const std::size_t empty = 12 + 21 + 4 + 11;
  for (std::size_t n = 0; n < 100; ++n) {
    const std::size_t whole = empty + 16 * n;
    for (const std::size_t size_max : {kDnsUdpSizeMin, dns_udp_size(q), kDnsTcpSizeMax}) {
      const std::string hex = answer_of(q, answer, size_max);
      EXPECT_EQ(hex.size(), 2 * (whole <= size_max ? whole : empty));
      EXPECT_EQ(hex.substr(4, 4), whole <= size_max ? "8100" : "8300");
    }
    answer.data.emplace_back(Ipv4{static_cast<std::uint32_t>(n)});
  }
}

TEST(DnsName, Limits) {
  const std::string l63(63, 'a');
  for (const std::string& good :
       {std::string(), std::string("a"), std::string("a.b"), l63,
        l63 + "." + l63 + "." + l63 + "." + std::string(61, 'a'), std::string("_sip._udp.x-1")}) {
    EXPECT_TRUE(is_dns_name(good)) << good;
  }
  for (const std::string& bad :
       {std::string("."), std::string("a."), std::string(".a"), std::string("a..b"), l63 + "a",
        l63 + "." + l63 + "." + l63 + "." + std::string(62, 'a'), std::string("A"),
        std::string("a b"), std::string("a\\046")}) {
    EXPECT_FALSE(is_dns_name(bad)) << bad;
  }
}

TEST(DnsName, ReverseNames) {
  const std::string six =
      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  EXPECT_EQ(address_of_reverse_name("2.0.83.10.in-addr.arpa"), IpAddress(Ipv4{0x0a530002}));
  EXPECT_EQ(address_of_reverse_name(six), IpAddress(*Ipv6::parse("2001:db8::1")));
  for (const std::string& bad :
       {std::string(), std::string("in-addr.arpa"), std::string(".in-addr.arpa"),
        std::string("0.83.10.in-addr.arpa"), std::string("1.2.0.83.10.in-addr.arpa"),
        std::string("02.0.83.10.in-addr.arpa"), std::string("256.0.83.10.in-addr.arpa"),
        std::string("2.0.83.10.in-addr.arpa.x"), std::string("2.0.83.10"), std::string("ip6.arpa"),
        six.substr(2), "1." + six, "g" + six.substr(1), "11" + six.substr(2),
        six.substr(0, 62) + "." + six.substr(63)}) {
    EXPECT_EQ(address_of_reverse_name(bad), std::nullopt) << bad;
  }
}

TEST(DnsQuery, RandomDamageIsAnsweredOrDropped) {
  SeededRng rng(61);
  const ByteVector good =
      *from_hex(kHeaderEdns + kMixedName + "00010001" + "00002904d0000000000004" + "000a0000");
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes = good;
    for (auto n = 1 + rng.below(3); n > 0; --n) {
      bytes[rng.below(bytes.size())] = static_cast<std::byte>(rng.below(256));
    }
    const auto q = parse_dns_query(bytes);
    if (!q) continue;
    const std::string answer = answer_of(*q, {.rcode = q->verdict});
    EXPECT_EQ(answer.substr(0, 4), to_hex(Bytes(bytes).first(2)));
    EXPECT_LE(answer.size(), 2 * bytes.size());
  }
}

}  // namespace
}  // namespace ipop::wire
