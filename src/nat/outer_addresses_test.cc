#include "nat/outer_addresses.h"

#include <gtest/gtest.h>

#include <map>

#include "nat/igd_mapper_testing.h"
#include "nat/nat_testing.h"
#include "nat/port_mapper_testing.h"
#include "nat/public_address.h"
#include "wire/stun_testing.h"

namespace ipop::nat {
namespace {

constexpr std::uint16_t kOurPort = 40000;
const IpAddress kLocal = Ipv4{0xc0a80102};
Endpoint server(std::uint32_t n) { return {Ipv4{0xc6330000U + n}, 3478}; }
Endpoint member(std::uint32_t n) { return {Ipv4{0xc6120000U + n}, 41000}; }

/// A host behind a NAT, with STUN servers and a gateway that answer where they are told to.
struct Host {
  explicit Host(OuterAddresses::Options options, std::uint64_t seed = 3)
      : rng(seed), nat(seed), outer(options, PortMapper::Key::random(rng), rng) {}

  SeededRng rng;
  NatForTest nat;
  FakeGateway gateway;
  bool gateway_answers = false;
  FakeIgd igd;
  bool igd_answers = false;
  bool servers_answer = true;
  OuterAddresses outer;
  Instant now{100h};
  Instant wait = Instant::max();
  int changes = 0;
  std::map<Endpoint, int> asked;

  void come_up() { network({kLocal}, {kGateway}); }
  void network(std::vector<IpAddress> local, std::vector<PortMapper::Gateway> gateways) {
    outer.handle_network(now, std::move(local), gateways);
    settle();
  }
  /// Member `n` says how it sees us.
  void observe(std::uint32_t n) { observe_as(n, nat.send({kLocal, kOurPort}, member(n))); }
  void observe_as(std::uint32_t n, const Endpoint& seen) {
    outer.handle_observation(now, Witness{n}, member(n), seen);
    settle();
  }
  void settle() {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 1000) << "it has no end";
      auto output = outer.poll_output();
      if (const auto* w = std::get_if<OuterAddresses::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (std::holds_alternative<OuterAddresses::Changed>(output)) ++changes;
      if (const auto* s = std::get_if<OuterAddresses::SendTo>(&output)) answer(*s);
      if (const auto* q = std::get_if<IgdQuestion>(&output)) {
        igd.silent = !igd_answers;
        outer.handle_igd_answer(now, igd.answer(now, *q));
      }
    }
  }
  void answer(const OuterAddresses::SendTo& sent) {
    ++asked[sent.to];
    if (sent.to.port == kGatewayPort.port) {
      const auto response = gateway_answers ? gateway.answer(now, sent.datagram) : std::nullopt;
      if (response) deliver(sent.to, wire::write_port_mapping_response(*response));
      return;
    }
    if (!servers_answer) return;
    const Endpoint seen = nat.send({kLocal, kOurPort}, sent.to);
    deliver(sent.to, wire::stun_success({*wire::stun_transaction(sent.datagram), seen, {}, {}}));
  }
  void deliver(const Endpoint& from, const ByteVector& datagram) {
    if (outer.owns(from, datagram)) outer.handle_datagram(now, from, datagram);
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 5000) << "the deadline stands still";
      now = std::max(now, wait);
      outer.handle_timeout(now);
      settle();
    }
    now = end;
  }
};

TEST(OuterAddresses, WithoutAnybodyItKnowsNothingAndAsksTheGatewayOnly) {
  Host host({.port = kOurPort});
  host.come_up();
  EXPECT_TRUE(host.outer.candidates().empty());
  EXPECT_EQ(host.asked.size(), 1U);
  EXPECT_EQ(host.asked.count(kGatewayPort), 1U);
}

TEST(OuterAddresses, MembersTellAndAgree) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.nat.ports = NatForTest::Ports::Random;
  host.come_up();
  EXPECT_TRUE(host.asked.empty()) << "nobody is asked whom the operator did not name";
  host.observe(1);
  ASSERT_EQ(host.outer.candidates().size(), 1U);
  EXPECT_EQ(host.outer.report(host.now).v4.mapping, MappingKind::Unknown) << "one witness";
  host.observe(2);
  const auto report = host.outer.report(host.now);
  EXPECT_EQ(report.v4.mapping, MappingKind::EndpointIndependent);
  EXPECT_EQ(report.v4.ports, PortPreservation::Changed);
  EXPECT_EQ(host.outer.candidates(), std::vector{*report.v4.external});
  EXPECT_EQ(host.changes, 1) << "the second said the same";
}

TEST(OuterAddresses, ALiarDoesNotDriveOutWhatTheOthersSay) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.come_up();
  host.observe(1);
  host.observe(2);
  const auto before = host.outer.candidates();
  for (std::uint16_t port = 1; port < 100; ++port) { host.observe_as(3, {Ipv4{0x09090909}, port}); }
  EXPECT_EQ(host.outer.candidates(), before);
  EXPECT_LE(host.outer.report(host.now).seen.size(), OuterAddresses::kSeenMax);
}

TEST(OuterAddresses, WhoIsOnOurOwnLinkSaysNothingOfTheNat) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.come_up();
  for (std::uint32_t n = 1; n < 6; ++n) host.observe_as(n, {kLocal, kOurPort});
  EXPECT_TRUE(host.outer.candidates().empty());
  EXPECT_EQ(host.outer.report(host.now).v4.mapping, MappingKind::Unknown);
  host.observe(7);
  host.observe(8);
  EXPECT_EQ(host.outer.report(host.now).v4.mapping, MappingKind::EndpointIndependent);
}

TEST(OuterAddresses, APublicHostHasNoNat) {
  Host host({.port = kOurPort, .port_mapping = false});
  const Endpoint own{Ipv4{0xcb007105}, kOurPort};
  host.network({own.address}, {kGateway});
  host.observe_as(1, own);
  host.observe_as(2, own);
  EXPECT_EQ(host.outer.report(host.now).v4.mapping, MappingKind::None);
}

TEST(OuterAddresses, ASymmetricNatIsToldByServersWithItsStep) {
  Host host({.port = kOurPort,
             .stun_servers = {server(1), server(2), server(3), server(4)},
             .port_mapping = false});
  host.nat.mapping = NatForTest::Depends::AddressAndPort;
  host.nat.ports = NatForTest::Ports::Sequential;
  host.nat.step = 2;
  host.come_up();
  const auto report = host.outer.report(host.now);
  EXPECT_EQ(report.v4.mapping, MappingKind::AddressAndPortDependent);
  ASSERT_TRUE(report.v4.step.has_value());
  EXPECT_EQ(report.v4.step->step, 2);
  ASSERT_GE(report.stun.size(), 3U);
  EXPECT_GE(std::ranges::count_if(report.stun, [](const auto& a) { return a.seen.has_value(); }),
            3);
  EXPECT_FALSE(host.outer.candidates().empty());
}

TEST(OuterAddresses, ServersAreAskedAgainOnlyWhileNoMemberTells) {
  Host host({.port = kOurPort, .stun_servers = {server(1)}, .port_mapping = false});
  host.come_up();
  EXPECT_EQ(host.asked[server(1)], 1);
  host.run_for(OuterAddresses::kStunPause + 1s);
  EXPECT_EQ(host.asked[server(1)], 2);
  for (int minute = 0; minute < 30; ++minute) {
    host.observe(1);
    host.run_for(1min);
  }
  EXPECT_EQ(host.asked[server(1)], 2);
  host.run_for(2 * OuterAddresses::kStunPause);
  EXPECT_GT(host.asked[server(1)], 2) << "the members are gone";
}

TEST(OuterAddresses, SilentServersAreNamedAndCostLittle) {
  Host host({.port = kOurPort, .stun_servers = {server(1), server(2)}, .port_mapping = false});
  host.servers_answer = false;
  host.come_up();
  host.run_for(1h);
  EXPECT_LE(host.asked[server(1)], 13 * StunClient::kSendsMax);
  const auto report = host.outer.report(host.now);
  ASSERT_EQ(report.stun.size(), 2U);
  for (const auto& answer : report.stun) EXPECT_FALSE(answer.seen.has_value());
}

TEST(OuterAddresses, AForwardedPortComesFirstAndIsGivenBack) {
  Host host({.port = kOurPort});
  host.gateway_answers = true;
  host.come_up();
  host.observe(1);
  host.observe(2);
  ASSERT_EQ(host.outer.candidates().size(), 2U);
  EXPECT_EQ(host.outer.candidates().front(), kExternal);
  ASSERT_EQ(host.outer.report(host.now).gateways.size(), 1U);
  EXPECT_EQ(host.outer.report(host.now).gateways.front().external, kExternal);
  host.outer.release(host.now);
  host.settle();
  EXPECT_EQ(host.gateway.deletions, 1);
}

TEST(OuterAddresses, AnotherNetworkIsAnotherNat) {
  Host host({.port = kOurPort});
  host.gateway_answers = true;
  host.come_up();
  host.observe(1);
  host.observe(2);
  ASSERT_EQ(host.outer.candidates().size(), 2U);
  const IpAddress bridge = Ipv4{0xac110001};
  host.network({kLocal, bridge}, {kGateway});
  EXPECT_EQ(host.outer.candidates().size(), 2U) << "one more interface moves nothing";
  host.gateway_answers = false;
  host.network({Ipv4{0x0a000005}}, {{Ipv4{0x0a000001}, Ipv4{0x0a000005}}});
  EXPECT_TRUE(host.outer.candidates().empty());
  EXPECT_EQ(host.outer.report(host.now).v4.mapping, MappingKind::Unknown);
}

TEST(OuterAddresses, WhatIsOnlyRepeatedChangesNothing) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.nat.mapping = NatForTest::Depends::AddressAndPort;
  host.nat.ports = NatForTest::Ports::Random;
  host.come_up();
  for (std::uint32_t n = 1; n <= 8; ++n) host.observe(n);
  const int before = host.changes;
  for (int minute = 0; minute < 60; ++minute) {
    for (std::uint32_t n = 1; n <= 8; ++n) host.observe(n);
    host.run_for(1min);
  }
  EXPECT_EQ(host.changes, before);
  EXPECT_EQ(host.outer.candidates().size(), OuterAddresses::kToldMax);
}

TEST(OuterAddresses, OfTwoNatsTheOuterOneCounts) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.come_up();
  const Endpoint between{Ipv4{0xc0a80005}, 40000};  // as the outer router's own network sees us
  host.observe_as(1, between);
  host.observe_as(2, between);
  EXPECT_EQ(host.outer.candidates(), std::vector{between});
  host.observe(3);
  const Endpoint outside = host.outer.candidates().front();
  EXPECT_TRUE(is_public(outside.address)) << "one who sees us from outside, against two";
  EXPECT_EQ(host.outer.candidates().back(), between) << "who is there needs that one";
  host.observe_as(4, between);
  host.observe(5);
  EXPECT_EQ(host.outer.report(host.now).v4.external, outside);
  EXPECT_EQ(host.outer.candidates(), (std::vector{outside, between}));
}

TEST(OuterAddresses, WhoeverIsOnOurLinkDoesNotKeepServersFromBeingAsked) {
  Host host({.port = kOurPort, .stun_servers = {server(1)}, .port_mapping = false});
  host.come_up();
  for (int minute = 0; minute < 12; ++minute) {
    host.observe_as(1, {kLocal, kOurPort});
    host.run_for(1min);
  }
  EXPECT_GE(host.asked[server(1)], 3);
}

TEST(OuterAddresses, WhatWasSeenLongAgoIsTheLastResort) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.nat.mapping = NatForTest::Depends::AddressAndPort;
  host.nat.ports = NatForTest::Ports::Random;
  host.come_up();
  for (std::uint32_t n = 1; n <= 3; ++n) host.observe(n);
  host.run_for(2 * Classifier::kExpiry);
  EXPECT_EQ(host.outer.report(host.now).seen.size(), 1U);
  host.observe(4);
  EXPECT_EQ(host.outer.candidates().size(), 1U) << "the new one alone";
}

TEST(OuterAddresses, ABridgeThatEndsOrAnUnusedAddressForgetsNothing) {
  Host host({.port = kOurPort, .port_mapping = false});
  const IpAddress bridge = Ipv4{0xac110001};
  const IpAddress temporary = *IpAddress::parse("2001:db8::77");
  const PortMapper::Gateway router6{*IpAddress::parse("fe80::1"), temporary};
  host.network({kLocal, bridge, temporary}, {kGateway, router6});
  host.observe(1);
  host.observe(2);
  ASSERT_EQ(host.outer.candidates().size(), 1U);
  const IpAddress next = *IpAddress::parse("2001:db8::78");
  host.network({kLocal, next}, {kGateway, {router6.gateway, next}});
  EXPECT_EQ(host.outer.candidates().size(), 1U);
  EXPECT_EQ(host.outer.report(host.now).v4.mapping, MappingKind::EndpointIndependent);
}

TEST(OuterAddresses, LostPathsAskAgainButNotOften) {
  Host host({.port = kOurPort, .stun_servers = {server(1)}});
  host.gateway_answers = true;
  host.come_up();
  const int before = host.asked[server(1)];
  const int gateway_before = host.asked[kGatewayPort];
  for (int i = 0; i < 1500; ++i) {
    host.outer.suspect(host.now);
    host.settle();
    host.run_for(10ms);
  }
  EXPECT_GT(host.asked[server(1)], before);
  EXPECT_LE(host.asked[server(1)], before + 2);
  EXPECT_GT(host.asked[kGatewayPort], gateway_before);
  EXPECT_LE(host.asked[kGatewayPort], gateway_before + 2);
}

TEST(OuterAddresses, StrangersThatArriveShowThatNothingIsFiltered) {
  Host host({.port = kOurPort, .port_mapping = false});
  host.come_up();
  host.outer.handle_unasked(host.now, Witness{1}, member(1));
  host.outer.handle_unasked(host.now, Witness{2}, member(2));
  EXPECT_EQ(host.outer.report(host.now).v4.filtering, FilteringKind::Unknown)
      << "the NAT still knew them from before we started";
  host.run_for(OuterAddresses::kSettled);
  host.outer.handle_unasked(host.now, Witness{1}, {kLocal, 1});
  host.outer.handle_unasked(host.now, Witness{2}, {Ipv4{0xc0a80109}, 1});
  EXPECT_EQ(host.outer.report(host.now).v4.filtering, FilteringKind::Unknown) << "they are near";
  host.outer.handle_unasked(host.now, Witness{1}, member(1));
  host.outer.handle_unasked(host.now, Witness{2}, member(2));
  EXPECT_EQ(host.outer.report(host.now).v4.filtering, FilteringKind::EndpointIndependent);
}

TEST(OuterAddresses, UpnpIsAskedWhereNothingElseForwards) {
  Host host({.port = kOurPort});
  host.igd_answers = true;
  host.come_up();
  host.run_for(1s);
  EXPECT_TRUE(host.igd.asked.empty()) << "PCP and NAT-PMP may still answer";
  host.run_for(9s);
  const Endpoint external{host.igd.external, kOurPort};
  EXPECT_EQ(host.outer.candidates(), std::vector{external});
  const auto state = host.outer.report(host.now).gateways.front();
  EXPECT_EQ(state.protocol, OuterAddresses::Protocol::Igd);
  EXPECT_EQ(state.external, external);
  host.run_for(24h);
  EXPECT_EQ(host.outer.candidates(), std::vector{external});
  EXPECT_EQ(host.igd.table.size(), 1U);
  host.outer.release(host.now);
  host.settle();
  EXPECT_TRUE(host.igd.table.empty());
}

TEST(OuterAddresses, UpnpIsLeftAloneWherePcpForwardsOrItIsOff) {
  Host pcp({.port = kOurPort});
  pcp.gateway_answers = pcp.igd_answers = true;
  pcp.come_up();
  pcp.run_for(12h);
  EXPECT_TRUE(pcp.igd.asked.empty());

  for (const bool all : {false, true}) {
    Host off({.port = kOurPort, .port_mapping = !all, .igd = all});
    off.igd_answers = true;
    off.come_up();
    off.run_for(1h);
    EXPECT_TRUE(off.igd.asked.empty());
  }
}

TEST(OuterAddresses, PcpThatComesBackTakesOverFromUpnp) {
  Host host({.port = kOurPort});
  host.igd_answers = true;
  host.gateway.external.port = kOurPort + 1;
  host.come_up();
  host.run_for(10s);
  EXPECT_EQ(host.igd.table.size(), 1U);
  host.gateway_answers = true;
  host.run_for(11min);
  EXPECT_TRUE(host.igd.table.empty());
  EXPECT_EQ(host.outer.candidates(), std::vector{host.gateway.external});
  EXPECT_NE(host.outer.report(host.now).gateways.front().protocol, OuterAddresses::Protocol::Igd);
}

TEST(OuterAddresses, PcpThatTakesOverUpnpsEntryKeepsIt) {
  Host host({.port = kOurPort});
  host.igd_answers = true;
  host.come_up();
  host.run_for(10s);
  host.gateway_answers = true;
  host.gateway.external.port = kOurPort;
  host.run_for(11min);
  EXPECT_NE(host.outer.report(host.now).gateways.front().protocol, OuterAddresses::Protocol::Igd);
  EXPECT_EQ(host.igd.table.size(), 1U) << "miniupnpd's one entry is PCP's now";
  host.outer.release(host.now);
  host.settle();
  EXPECT_EQ(host.igd.table.size(), 1U) << "and PCP's to delete";
}

TEST(OuterAddresses, UpnpIsAskedWhenWhatPcpMappedHasEnded) {
  Host host({.port = kOurPort});
  host.gateway_answers = host.igd_answers = true;
  host.come_up();
  host.gateway.pcp_result = 8;  // NO_RESOURCES
  host.run_for(100min);
  EXPECT_TRUE(host.igd.asked.empty()) << "it still holds";
  host.run_for(25min);
  EXPECT_EQ(host.igd.table.size(), 1U);
}

TEST(OuterAddresses, ARouterThatSeemsToHaveRestartedIsAskedAgain) {
  Host host({.port = kOurPort});
  host.igd_answers = true;
  host.come_up();
  host.observe(1);
  host.run_for(1min);
  host.igd.table.clear();
  host.observe(1);
  EXPECT_TRUE(host.igd.table.empty()) << "the member sees us as before";
  host.observe_as(1, {Ipv4{0xcb007107}, 61234});
  host.run_for(1s);
  EXPECT_EQ(host.igd.table.size(), 1U);
}

TEST(OuterAddresses, AnotherNetworkIsAskedByUpnpAfresh) {
  Host host({.port = kOurPort});
  host.igd_answers = true;
  host.come_up();
  host.run_for(10s);
  const IpAddress moved = Ipv4{0xc0a80105};
  host.network({moved}, {{kGateway.gateway, moved}});
  EXPECT_TRUE(host.outer.candidates().empty());
  host.run_for(10s);
  ASSERT_EQ(host.igd.table.size(), 1U);
  EXPECT_EQ(IpAddress(host.igd.table.begin()->second.client), moved);
  EXPECT_EQ(host.outer.candidates().size(), 1U);
}

TEST(OuterAddresses, WhatIsForwardedBehindAProvidersNatIsToldLast) {
  Host host({.port = kOurPort});
  host.igd_answers = true;
  host.igd.external = Ipv4{0x64400009};
  host.come_up();
  host.observe(1);
  host.observe(2);
  host.run_for(10s);
  ASSERT_GE(host.outer.candidates().size(), 2U);
  EXPECT_EQ(host.outer.candidates().back(), (Endpoint{host.igd.external, kOurPort}));
}

}  // namespace
}  // namespace ipop::nat
