#include "nat/port_mapper_testing.h"

namespace ipop::nat {
namespace {

TEST(PortMapper, MapsByPcpAndRenewsAfterHalfOfTheLifetime) {
  Bench b;
  b.start();
  b.run_for(1s);
  ASSERT_EQ(b.mapped.size(), 1U);
  EXPECT_EQ(b.mapped[0].external, kExternal);
  EXPECT_EQ(b.mapped[0].lifetime, 7200s);
  EXPECT_EQ(b.mapper.mapped(), std::vector{kExternal});
  b.run_for(10h);
  EXPECT_TRUE(b.lost.empty());
  const auto& requests = b.gateway.map_requests;
  ASSERT_GE(requests.size(), 9U);   // 10 h / 1.25 h, and the first
  ASSERT_LE(requests.size(), 11U);  // 10 h / 1 h, and the first
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].nonce, requests[0].nonce);
    EXPECT_EQ(requests[i].client, kGateway.local);
    EXPECT_EQ(requests[i].internal_port, kPort);
    EXPECT_EQ(requests[i].lifetime_seconds, 7200U);
    EXPECT_EQ(requests[i].suggested, i == 0 ? Endpoint(Ipv4{}, kPort) : kExternal);
  }
}

TEST(PortMapper, FallsBackToNatPmpWhenTheGatewaySaysSo) {
  Bench b;
  b.gateway.pcp = false;
  b.start();
  b.settle();
  ASSERT_EQ(b.mapped.size(), 1U) << "no timer was needed";
  EXPECT_EQ(b.mapped[0].external, kExternal);
  b.run_for(10h);
  EXPECT_TRUE(b.lost.empty());
  EXPECT_GE(b.mapped.size(), 9U);
  EXPECT_EQ(b.sent.size(), 1 + 2 * b.mapped.size()) << "PCP was tried once";
}

TEST(PortMapper, FallsBackToNatPmpWhenPcpIsSilence) {
  Bench b;
  b.gateway.pcp = b.gateway.tells_version = false;
  const Instant begin = b.now;
  b.start();
  b.run_for(1min);
  ASSERT_EQ(b.mapped.size(), 1U);
  EXPECT_EQ(b.sent_since(begin),
            (std::vector<Duration>{0ms, 250ms, 750ms, 1750ms, 3750ms, 3750ms}));
}

TEST(PortMapper, AnOlderDraftOrAForeignMappingIsAReasonToTryNatPmp) {
  for (const std::uint8_t result : {wire::kPcpUnsupportedVersion, wire::kPcpNotAuthorized}) {
    Bench b;
    b.gateway.pcp_result = result;
    b.start();
    b.settle();
    EXPECT_EQ(b.mapped.size(), 1U);
  }
}

TEST(PortMapper, ASilentNetworkIsAskedRarely) {
  Bench b;
  b.answering = false;
  const Instant begin = b.now;
  b.start();
  b.run_for(9min);
  EXPECT_EQ(b.sent_since(begin).size(), 8U);
  EXPECT_EQ(b.sent_since(begin).back(), 5500ms);
  ASSERT_EQ(b.unavailable.size(), 1U);
  EXPECT_EQ(b.unavailable[0].reason, PortMapper::Reason::Silent);
  b.run_for(51min);
  EXPECT_EQ(b.sent.size(), 6 * 8U);
  b.answering = true;  // and it is found when it comes
  b.run_for(11min);
  EXPECT_EQ(b.mapper.mapped(), std::vector{kExternal});
}

TEST(PortMapper, AMappingThatNobodyRenewsIsLostAtItsEnd) {
  for (const bool pcp : {true, false}) {
    Bench b;
    b.gateway.pcp = pcp;
    b.start();
    b.settle();
    b.answering = false;
    const Instant end = b.now + 7200s;
    b.run_for(7199s);
    EXPECT_TRUE(b.lost.empty());
    EXPECT_LE(b.sent.size(), 80U) << "attempts halve what is left, and stay apart";
    b.run_for(1s);
    EXPECT_EQ(b.now, end);
    ASSERT_EQ(b.lost.size(), 1U);
    EXPECT_EQ(b.lost[0].external, kExternal);
    EXPECT_TRUE(b.mapper.mapped().empty());
    b.run_for(1min);
    b.gateway.pcp = true;  // it was replaced by one that knows more
    b.answering = true;
    b.run_for(20min);
    EXPECT_EQ(b.mapper.mapped(), std::vector{kExternal});
    EXPECT_FALSE(b.gateway.map_requests.empty());
  }
}

TEST(PortMapper, ALongSleepEndsTheMappingAndMakesANewOne) {
  Bench b;
  b.start();
  b.settle();
  b.now += 24h;
  b.mapper.handle_timeout(b.now);
  b.settle();
  EXPECT_EQ(b.lost.size(), 1U);
  EXPECT_EQ(b.mapped.size(), 2U);
}

TEST(PortMapper, AnAnnouncementOfALostEpochAsksAtOnce) {
  for (const bool pcp : {true, false}) {
    Bench b;
    b.gateway.pcp = pcp;
    b.start();
    b.run_for(30min);
    const auto announce = [&](const Endpoint& from, std::uint32_t epoch) {
      const Instant begin = b.now;
      const wire::PortMappingResponse response =
          pcp ? wire::PortMappingResponse(wire::PcpAnnounce{epoch})
              : wire::PortMappingResponse(wire::NatPmpAddress{kExternal.address.v4(), epoch});
      b.mapper.handle_announcement(b.now, from, wire::write_port_mapping_response(response));
      b.settle();
      return b.sent_since(begin).size();
    };
    EXPECT_EQ(announce(kGatewayPort, b.gateway.epoch(b.now)), 0U) << "it goes on as it should";
    EXPECT_EQ(announce({kGateway.gateway, 5350}, 1), 0U);
    EXPECT_EQ(announce({Ipv4{0xc0a80103}, 5351}, 1), 0U);
    b.gateway.booted = b.now - 1s;
    b.gateway.external.port = 50001;
    EXPECT_EQ(announce(kGatewayPort, 1), pcp ? 1U : 2U);
    EXPECT_EQ(b.mapper.mapped(), std::vector{b.gateway.external});
    EXPECT_EQ(b.lost.size(), 1U);
    // A liar on the link makes us ask once in ten seconds, no more.
    const std::size_t before = b.sent.size();
    for (int i = 0; i < 600; ++i) {
      b.run_for(100ms);
      b.mapper.handle_announcement(b.now, kGatewayPort,
                                   wire::write_port_mapping_response(wire::PcpAnnounce{0}));
    }
    EXPECT_LE(b.sent.size() - before, 14U);
    EXPECT_GE(b.sent.size() - before, 5U);
  }
}

TEST(PortMapper, ANewExternalAddressIsAReasonToAsk) {
  Bench b;
  b.gateway.pcp = false;
  b.start();
  b.run_for(30min);
  const std::size_t before = b.sent.size();
  b.gateway.external.address = Ipv4{0xcb007109};
  const wire::NatPmpAddress moved{Ipv4{0xcb007109}, b.gateway.epoch(b.now)};
  b.mapper.handle_announcement(b.now, kGatewayPort, wire::write_port_mapping_response(moved));
  b.settle();
  EXPECT_EQ(b.sent.size(), before + 2);
  EXPECT_EQ(b.mapper.mapped(), std::vector{b.gateway.external});
  EXPECT_EQ(b.lost.size(), 1U);
}

TEST(PortMapper, ASuspicionAsksAtOnceButNotAgainAndAgain) {
  Bench b;
  b.start();
  b.run_for(1min);
  const Instant begin = b.now;
  for (int i = 0; i < 100; ++i) {
    b.mapper.suspect(b.now);
    b.run_for(100ms);
  }
  EXPECT_EQ(b.sent_since(begin), (std::vector<Duration>{0s, 10s}));
}

TEST(PortMapper, TheSameNetworkAgainChangesNothing) {
  Bench b;
  b.start();
  b.run_for(1min);
  b.start();
  EXPECT_EQ(b.sent.size(), 1U);
  EXPECT_TRUE(b.lost.empty());
}

TEST(PortMapper, AnotherAddressOrGatewayStartsAfreshWithAnotherNonce) {
  Bench b;
  b.start();
  b.settle();
  b.gateway.owner.reset();
  b.start(kPort, {kGateway.gateway, Ipv4{0xc0a80109}});
  b.settle();
  ASSERT_EQ(b.gateway.map_requests.size(), 2U);
  EXPECT_NE(b.gateway.map_requests[0].nonce, b.gateway.map_requests[1].nonce);
  EXPECT_EQ(b.gateway.map_requests[1].client, IpAddress(Ipv4{0xc0a80109}));
  EXPECT_EQ(b.lost.size(), 1U);
  EXPECT_EQ(b.mapped.size(), 2U);
  b.mapper.set_network(b.now, kPort, {});
  b.drain();
  EXPECT_EQ(b.lost.size(), 2U);
  EXPECT_EQ(b.wait, Instant::max());
}

TEST(PortMapper, AnotherPortDeletesTheOldMapping) {
  for (const bool pcp : {true, false}) {
    Bench b;
    b.gateway.pcp = pcp;
    b.start();
    b.settle();
    b.start(kPort + 1);
    b.settle();
    EXPECT_EQ(b.gateway.deletions, 1);
    EXPECT_EQ(b.lost.size(), 1U);
    EXPECT_EQ(b.mapped.size(), 2U);
  }
}

TEST(PortMapper, ReleaseDeletesWhatIsMappedOrAskedFor) {
  for (const bool pcp : {true, false}) {
    for (const bool settled : {true, false}) {
      Bench b;
      b.gateway.pcp = pcp;
      b.start();
      if (settled) b.settle();
      const std::size_t before = b.sent.size();
      b.mapper.release();
      b.drain();
      EXPECT_EQ(b.sent.size(), before + 1);
      EXPECT_EQ(b.gateway.deletions, pcp || settled ? 1 : 0);
      EXPECT_EQ(b.wait, Instant::max());
      EXPECT_FALSE(b.mapper.owns(kGatewayPort));
      EXPECT_TRUE(b.mapper.mapped().empty());
    }
  }
}

TEST(PortMapper, ReleaseAsksNobodyWhoGaveNothing) {
  Bench b;
  b.answering = false;
  b.start();
  b.run_for(1min);
  const std::size_t before = b.sent.size();
  b.mapper.release();
  b.drain();
  EXPECT_EQ(b.sent.size(), before);
}

TEST(PortMapper, AKilledProcessRenewsItsMappingWhenItKeptItsKey) {
  SeededRng rng(3);
  const auto key = PortMapper::Key::random(rng);
  const auto run = [&](FakeGateway& gateway, PortMapper::Key k) {
    Bench b;
    b.mapper = PortMapper(std::move(k), b.rng);
    gateway.nat_pmp = false;
    b.gateway = gateway;
    b.start();
    b.settle();
    gateway = b.gateway;
    return b.mapped.size();
  };
  FakeGateway gateway;
  EXPECT_EQ(run(gateway, key.clone()), 1U);
  EXPECT_EQ(run(gateway, key.clone()), 1U);
  EXPECT_EQ(run(gateway, PortMapper::Key::random(rng)), 0U) << "the gateway refuses a stranger";
}

TEST(PortMapper, OpensAnIpv6FirewallByPcpOnly) {
  const PortMapper::Gateway v6{IpAddress::parse("2001:db8::1").value(),
                               IpAddress::parse("2001:db8::2").value()};
  Bench b;
  b.gateway.external = {v6.local, kPort};
  b.start(kPort, v6);
  ASSERT_EQ(b.to_deliver.size(), 1U);
  b.deliver({v6.gateway, 5351}, *b.to_deliver.front());
  ASSERT_EQ(b.mapped.size(), 1U);
  EXPECT_EQ(b.mapped[0].external, Endpoint(v6.local, kPort));

  Bench silent;
  silent.answering = false;
  silent.start(kPort, v6);
  silent.run_for(1min);
  EXPECT_EQ(silent.sent.size(), 4U);
  for (const auto& [at, s] : silent.sent) EXPECT_EQ(s.datagram.size(), 60U);
}

TEST(PortMapper, AsksOnlyGatewaysThatCanBeAskedAndNotTooMany) {
  Bench b;
  b.answering = false;
  const auto fe80 = IpAddress::parse("fe80::1").value();
  const auto v6 = IpAddress::parse("2001:db8::2").value();
  b.mapper.set_network(b.now, kPort,
                       std::vector<PortMapper::Gateway>{{fe80, v6},
                                                        {Ipv4{}, kGateway.local},
                                                        {kGateway.gateway, Ipv4{}},
                                                        {kGateway.gateway, v6},
                                                        {kGateway.local, kGateway.local},
                                                        {Ipv4{0xe0000001}, kGateway.local}});
  b.drain();
  EXPECT_TRUE(b.sent.empty());
  std::vector<PortMapper::Gateway> many;
  for (std::uint32_t i = 0; i < 20; ++i)
    many.push_back({Ipv4{0x0a000001 + i / 2}, Ipv4{0x0b000001 + i}});
  b.mapper.set_network(b.now, kPort, many);
  b.drain();
  EXPECT_EQ(b.sent.size(), PortMapper::kGatewaysMax);
}

}  // namespace
}  // namespace ipop::nat
