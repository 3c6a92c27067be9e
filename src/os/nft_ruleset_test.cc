// Rulesets as administrators write them, put into a namespace's kernel by nft(8), read back,
// judged.
#include "os/nft_ruleset.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "os/test_support.h"

namespace ipop::os {
namespace {

using Fate = NftJudgement::Fate;

void load(const std::string& ruleset) {
  FILE* nft = ::popen("nft -f -", "w");
  ASSERT_NE(nft, nullptr);
  EXPECT_EQ(std::fwrite(ruleset.data(), 1, ruleset.size(), nft), ruleset.size());
  EXPECT_EQ(::pclose(nft), 0) << ruleset;
}

struct Case {
  const char* name;
  const char* ruleset;
  Fate stranger;
  Fate answer;
  const char* chain = "";
};

class NftRules : public testing::TestWithParam<Case> {};

TEST_P(NftRules, AreJudged) {
  const TestNamespace ns;
  load(GetParam().ruleset);
  const auto rules = read_nft_ruleset();
  ASSERT_TRUE(rules) << rules.error().what;
  const auto stranger = judge_incoming_udp(*rules, {.port = 41820});
  const auto answer = judge_incoming_udp(*rules, {.port = 41820, .is_established = true});
  EXPECT_EQ(stranger.fate, GetParam().stranger);
  EXPECT_EQ(answer.fate, GetParam().answer);
  if (answer.fate == Fate::Dropped) { EXPECT_EQ(answer.chain, GetParam().chain); }
}

constexpr Case kCases[] = {
    {"Nothing", "", Fate::Accepted, Fate::Accepted},
    {"OurPortDropped",
     "table inet filter { chain input { type filter hook input priority 0; "
     "udp dport 41820 counter drop; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"OurPortRejected",
     "table ip mine { chain in { type filter hook input priority 0; udp dport 41820 reject; }; }",
     Fate::Dropped, Fate::Dropped, "ip mine in"},
    {"AnotherPortDropped",
     "table inet filter { chain input { type filter hook input priority 0; "
     "udp dport 41821 drop; tcp dport 41820 drop; }; }",
     Fate::Accepted, Fate::Accepted},
    {"TheUsualServer",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "iif lo accept; iifname \"lo\" accept; ct state established,related accept; "
     "ct state invalid drop; tcp dport 22 accept; }; }",
     Fate::Dropped, Fate::Accepted},
    {"TheUsualServerThatLetsUsIn",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "iif lo accept; ct state established accept; udp dport 40000-50000 accept; }; }",
     Fate::Accepted, Fate::Accepted},
    {"NoUdpButPorts",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "iif lo accept; tcp dport 22 accept; meta l4proto icmp accept; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"AnotherChainBefore",
     "table inet early { chain pre { type filter hook prerouting priority raw; "
     "meta l4proto udp drop; }; }",
     Fate::Dropped, Fate::Dropped, "inet early pre"},
    {"AnAnswerFromAnAddressThatIsLookedUpOverItsState",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "ct state established,related fib saddr type unicast accept; }; }",
     Fate::Dropped, Fate::Unknown},
    {"AJump",
     "table inet filter { chain datagrams { udp dport 41820 drop; return; }; "
     "chain input { type filter hook input priority 0; meta l4proto udp jump datagrams; accept; }; "
     "}",
     Fate::Dropped, Fate::Dropped, "inet filter datagrams"},
    {"AJumpThatReturns",
     "table inet filter { chain datagrams { udp dport 1 drop; return; }; "
     "chain input { type filter hook input priority 0; policy drop; jump datagrams; "
     "udp dport != 1 accept; }; }",
     Fate::Accepted, Fate::Accepted},
    {"AGotoIsNoReturn",
     "table inet filter { chain datagrams { udp dport 1 accept; }; "
     "chain input { type filter hook input priority 0; policy drop; goto datagrams; accept; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"WhatIsDroppedDependsOnTheSource",
     "table inet filter { chain input { type filter hook input priority 0; "
     "ip saddr 198.51.100.1 drop; }; }",
     Fate::Unknown, Fate::Unknown},
    {"WhatIsLetInDependsOnTheSourceTheRestIsDropped",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "ip saddr 198.51.100.1 accept; }; }",
     Fate::Unknown, Fate::Unknown},
    {"AMatchThatCannotBeFollowedAndDropsAllTheSame",
     "table inet filter { chain input { type filter hook input priority 0; "
     "limit rate 1/second log; udp dport 41820 drop; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"ASetOfPorts",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "udp dport { 53, 41820 } accept; }; }",
     Fate::Accepted, Fate::Accepted},
    {"ASetOfOtherPorts",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "udp dport { 53, 4182 } accept; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"ASetOfRanges",
     "table inet filter { chain input { type filter hook input priority 0; "
     "udp dport { 53, 41000-42000 } drop; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"BesideASetOfRanges",
     "table inet filter { chain input { type filter hook input priority 0; "
     "udp dport { 53, 40000-41819, 41821-50000 } drop; }; }",
     Fate::Accepted, Fate::Accepted},
    {"NotInASet",
     "table inet filter { chain input { type filter hook input priority 0; "
     "udp dport != { 53, 67 } drop; }; }",
     Fate::Dropped, Fate::Dropped, "inet filter input"},
    {"ANamedSet",
     "table inet filter { set games { type inet_service; elements = { 41820 }; }; "
     "chain input { type filter hook input priority 0; policy drop; "
     "udp dport @games accept; }; }",
     Fate::Accepted, Fate::Accepted},
    {"ASetOfSources",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "ip saddr { 198.51.100.1, 198.51.100.2 } accept; }; }",
     Fate::Unknown, Fate::Unknown},
    {"AMapOfVerdicts",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "ct state vmap { established : accept, related : accept, invalid : drop }; }; }",
     Fate::Dropped, Fate::Accepted},
    {"AMapOfPortsToChains",
     "table inet filter { chain games { accept; }; "
     "chain input { type filter hook input priority 0; policy drop; "
     "udp dport vmap { 41820 : jump games, 53 : drop }; }; }",
     Fate::Accepted, Fate::Accepted},
    {"AMapOfPortsAndSources",
     "table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "ip saddr . udp dport vmap { 198.51.100.1 . 41820 : accept }; }; }",
     Fate::Unknown, Fate::Unknown},
    {"TheWayOutAndTheWayThrough",
     "table inet filter { chain out { type filter hook output priority 0; policy drop; }; "
     "chain through { type filter hook forward priority 0; policy drop; }; }",
     Fate::Accepted, Fate::Accepted},
    {"TheOtherFamily",
     "table ip6 filter { chain input { type filter hook input priority 0; policy drop; }; }",
     Fate::Accepted, Fate::Accepted},
    {"NatDoesNotDrop",
     "table ip nat { chain pre { type nat hook prerouting priority -100; "
     "udp dport 41820 redirect to :1; }; }",
     Fate::Accepted, Fate::Accepted},
};
INSTANTIATE_TEST_SUITE_P(Table, NftRules, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(NftRuleset, ThePolicyOfIpv6IsAnotherOne) {
  const TestNamespace ns;
  load("table ip6 filter { chain input { type filter hook input priority 0; policy drop; }; }");
  const auto rules = read_nft_ruleset();
  ASSERT_TRUE(rules) << rules.error().what;
  const auto fate = judge_incoming_udp(*rules, {.port = 41820, .is_v6 = true});
  EXPECT_EQ(fate.fate, Fate::Dropped);
  EXPECT_EQ(fate.chain, "ip6 filter input");
  EXPECT_FALSE(fate.rule) << "it is the policy";
}

/// In several tables, whose chains have the same names.
TEST(NftRuleset, RulesComeToTheirChains) {
  const TestNamespace ns;
  std::string ruleset;
  for (const char* table : {"inet a", "inet b", "ip a"}) {
    ruleset += std::string("table ") + table + " { chain empty { }; chain x { accept; accept; }; " +
               "chain y { drop; }; }\n";
  }
  load(ruleset);
  const auto rules = read_nft_ruleset();
  ASSERT_TRUE(rules) << rules.error().what;
  ASSERT_EQ(rules->chains.size(), 9U);
  for (const NftChain& chain : rules->chains) {
    const std::size_t expected = chain.name == "empty" ? 0 : chain.name == "x" ? 2 : 1;
    EXPECT_EQ(chain.rules.size(), expected) << chain.table << " " << chain.name;
  }
}

TEST(NftRuleset, OneThatIsTooLongIsNotRead) {
  const TestNamespace ns;
  std::string ruleset = "table inet a { chain x { ";
  for (int i = 0; i <= 20000; ++i) ruleset += "accept; ";
  load(ruleset + "}; }");
  const auto rules = read_nft_ruleset();
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, Errc::Busy);
}

TEST(NftRuleset, ChainsThatCallEachOtherEnd) {
  NftRuleset rules;
  const auto jump = [](const char* to) {
    return NftRule{.handle = 1, .steps = {NftVerdict{NftVerdict::Kind::Jump, to}}};
  };
  rules.chains = {{.family = 1,
                   .table = "t",
                   .name = "a",
                   .is_filter = true,
                   .hook = 1,
                   .rules = {jump("b"), jump("gone")}},
                  {.family = 1, .table = "t", .name = "b", .rules = {jump("b")}}};
  EXPECT_EQ(judge_incoming_udp(rules, {.port = 1}).fate, Fate::Unknown);
}

/// As "input" of a table inet filter, with this policy.
NftRuleset input(NftRule rule, bool drops) {
  NftRuleset out;
  out.chains.push_back({.family = 1,
                        .table = "filter",
                        .name = "input",
                        .is_filter = true,
                        .hook = 1,
                        .drops = drops,
                        .rules = {std::move(rule)}});
  return out;
}

/// Which `fib` does over the conntrack state that was looked at before.
TEST(NftRuleset, WhatCannotBeFollowedMayLoadARegister) {
  const auto number = [](std::uint8_t n) {
    return ByteVector{std::byte{n}, std::byte{0}, std::byte{0}, std::byte{0}};
  };
  NftRule rule{.handle = 1, .steps = {}};
  rule.steps = {
      NftLoad{.what = NftLoad::What::ConntrackState, .to = 1},
      NftBitwise{.from = 1, .to = 1, .mask = number(6), .flip = number(0)},
      NftCompare{.from = 1, .relation = NftCompare::Relation::NotEqual, .value = number(0)},
      NftRiddle{},
      NftCompare{.from = 1, .value = number(1)},
      NftVerdict{NftVerdict::Kind::Accept, {}}};
  const NftRuleset rules = input(std::move(rule), true);
  EXPECT_EQ(judge_incoming_udp(rules, {.port = 1, .is_established = true}).fate, Fate::Unknown);
  EXPECT_EQ(judge_incoming_udp(rules, {.port = 1}).fate, Fate::Dropped);
}

TEST(NftRuleset, WhatMayDecideDoesSoWhateverTheRestOfTheRuleMatches) {
  NftRule rule{.handle = 1, .steps = {}};
  rule.steps = {NftRiddle{.may_decide = true}, NftLoad{.what = NftLoad::What::L4Protocol, .to = 1},
                NftCompare{.from = 1, .value = {std::byte{6}}},
                NftVerdict{NftVerdict::Kind::Drop, {}}};
  for (const bool drops : {false, true}) {
    EXPECT_EQ(judge_incoming_udp(input(rule, drops), {.port = 1}).fate, Fate::Unknown) << drops;
  }
}

}  // namespace
}  // namespace ipop::os
