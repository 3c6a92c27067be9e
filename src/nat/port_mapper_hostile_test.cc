// Gateways that refuse, err or lie: what is not an answer is no answer, and nobody is asked without
// end.

#include "nat/port_mapper_testing.h"

namespace ipop::nat {
namespace {

TEST(PortMapper, OwnsTheGatewaysPortWhileSomethingIsOutstanding) {
  Bench b;
  EXPECT_FALSE(b.mapper.owns(kGatewayPort));
  b.start();
  EXPECT_TRUE(b.mapper.owns(kGatewayPort));
  EXPECT_FALSE(b.mapper.owns({kGateway.gateway, 5350}));
  EXPECT_FALSE(b.mapper.owns({kGateway.local, 5351}));
  b.settle();
  EXPECT_FALSE(b.mapper.owns(kGatewayPort));
  const auto ignored = b.mapper.ignored();
  b.deliver(
      kGatewayPort,
      wire::PcpMapped{b.gateway.map_requests[0].nonce, kPort, {Ipv4{0xcb0071ff}, 1}, 7200, 1});
  b.deliver(kGatewayPort, wire::NatPmpError{2, 1});
  b.deliver(kGatewayPort, wire::PcpError{2, 8, 7200, 1, {}});
  EXPECT_EQ(b.mapper.ignored(), ignored + 3) << "answers to nothing";
  EXPECT_TRUE(b.unavailable.empty());
  EXPECT_EQ(b.mapper.mapped(), std::vector{kExternal});
}

TEST(PortMapper, IgnoresWhatIsNoAnswerToItsQuestion) {
  Bench b;
  b.answering = false;
  b.start();
  const auto request = wire::read_port_mapping_request(b.sent[0].second.datagram);
  const auto nonce = std::get<wire::PcpMapRequest>(*request).nonce;
  wire::PcpNonce other = nonce;
  other.bytes[0] ^= std::byte{1};
  const wire::PcpMapped good{nonce, kPort, kExternal, 7200, 1};
  auto bad = good;
  bad.nonce = other;
  b.deliver(kGatewayPort, bad);
  bad = good;
  bad.internal_port = kPort + 1;
  b.deliver(kGatewayPort, bad);
  bad = good;
  bad.lifetime_seconds = 0;
  b.deliver(kGatewayPort, bad);
  b.deliver(kGatewayPort, wire::PcpError{2, 8, 60, 1, other});
  b.deliver(kGatewayPort, wire::PcpAnnounce{1});
  b.deliver(kGatewayPort, wire::NatPmpAddress{kExternal.address.v4(), 1});
  b.deliver(kGatewayPort, wire::NatPmpMapped{kPort, 50000, 7200, 1});
  b.deliver({kGateway.gateway, 5350}, good);
  b.deliver({Ipv4{0xc0a80103}, 5351}, good);
  EXPECT_EQ(b.mapper.ignored(), 9U);
  EXPECT_EQ(b.sent.size(), 1U);
  EXPECT_TRUE(b.mapper.mapped().empty());
  b.deliver(kGatewayPort, good);
  EXPECT_EQ(b.mapper.mapped(), std::vector{kExternal});
}

TEST(PortMapper, RefusesAddressesThatNoStrangerCouldCall) {
  for (const char* text :
       {"0.0.0.0:50000", "10.1.2.3:50000", "100.64.0.1:50000", "100.127.255.255:50000",
        "127.0.0.1:50000", "169.254.1.1:50000", "172.31.0.1:50000", "192.168.1.2:50000",
        "192.168.7.7:50000", "224.0.0.1:50000", "240.0.0.1:50000", "255.255.255.255:50000"}) {
    for (const bool pcp : {true, false}) {
      Bench b;
      b.gateway.pcp = pcp;
      b.gateway.external = Endpoint::parse(text).value();
      b.start();
      b.settle();
      EXPECT_TRUE(b.mapped.empty()) << text;
      ASSERT_EQ(b.unavailable.size(), 1U) << text;
      EXPECT_EQ(b.unavailable[0].reason, PortMapper::Reason::Unusable) << text;
      EXPECT_EQ(b.gateway.deletions, pcp ? 1 : 0) << "NAT-PMP was not even asked for a port";
    }
  }
  for (const char* text : {"198.18.0.1:1", "203.0.113.7:65535", "100.128.0.1:7", "172.32.0.1:7"}) {
    Bench b;
    b.gateway.external = Endpoint::parse(text).value();
    b.start();
    b.settle();
    EXPECT_EQ(b.mapped.size(), 1U) << text;
  }
}

TEST(PortMapper, RefusesPortZeroOurOwnAddressAndAbsurdLifetimes) {
  const PortMapper::Gateway open{Ipv4{0xcb007101}, Ipv4{0xcb007102}};
  Bench own;
  own.gateway.external = {open.local, kPort};
  own.start(kPort, open);
  own.drain();
  own.deliver({open.gateway, 5351}, *own.to_deliver.front());
  EXPECT_TRUE(own.mapped.empty());

  for (const bool pcp : {true, false}) {
    Bench zero;
    zero.gateway.pcp = pcp;
    zero.gateway.external.port = 0;
    zero.start();
    zero.settle();
    EXPECT_TRUE(zero.mapped.empty());

    Bench brief;
    brief.gateway.pcp = pcp;
    brief.gateway.lifetime = 29;
    brief.start();
    brief.run_for(9min);
    EXPECT_TRUE(brief.mapped.empty());
    EXPECT_LE(brief.sent.size(), 4U);

    Bench shortest;
    shortest.gateway.pcp = pcp;
    shortest.gateway.lifetime = 30;
    shortest.start();
    shortest.run_for(10min);
    EXPECT_TRUE(shortest.lost.empty());
    EXPECT_LE(shortest.sent.size(), 90U);
  }
  Bench forever;
  forever.gateway.pcp = false;
  forever.gateway.lifetime = 0xffffffff;
  forever.start();
  forever.settle();
  ASSERT_EQ(forever.mapped.size(), 1U);
  EXPECT_EQ(forever.mapped[0].lifetime, 24h);
  EXPECT_LE(forever.wait, forever.now + 15h);
}

TEST(PortMapper, ARefusalIsRespectedForAsLongAsItSaysWithinReason) {
  struct Case {
    std::uint32_t told;
    Duration waited;
  };
  for (const Case& c : {Case{0, 30s}, Case{600, 600s}, Case{0xffffffff, 30min}}) {
    Bench b;
    b.gateway.pcp_result = 8;  // NO_RESOURCES
    b.gateway.error_lifetime = c.told;
    b.start();
    b.settle();
    ASSERT_EQ(b.unavailable.size(), 1U);
    EXPECT_EQ(b.unavailable[0].reason, PortMapper::Reason::Refused);
    EXPECT_EQ(b.wait, b.now + c.waited);
  }
  for (const auto& [result, waited] :
       {std::pair<std::uint16_t, Duration>{2, 30min}, {3, 30s}, {4, 30s}, {5, 30min}}) {
    Bench b;
    b.gateway.pcp = false;
    b.gateway.nat_pmp_result = result;
    b.start();
    b.settle();
    ASSERT_EQ(b.unavailable.size(), 1U);
    EXPECT_EQ(b.wait, b.now + waited) << result;
  }
}

TEST(PortMapper, ARefusedRenewalKeepsTheMappingToItsEnd) {
  Bench b;
  b.start();
  b.settle();
  b.gateway.pcp_result = 8;
  b.gateway.error_lifetime = 600;
  b.run_for(7199s);
  EXPECT_TRUE(b.lost.empty());
  EXPECT_FALSE(b.unavailable.empty());
  b.run_for(1s);
  EXPECT_EQ(b.lost.size(), 1U);
}

TEST(PortMapper, WhateverAGatewaySaysItIsAskedSeldomAndBelievedLittle) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SeededRng rng(seed);
    Bench b;
    b.answering = false;
    b.start();
    const Instant begin = b.now;
    const auto pick = [&](std::initializer_list<std::uint32_t> values) {
      return *(values.begin() + static_cast<std::ptrdiff_t>(rng.below(values.size())));
    };
    for (int i = 0; i < 400; ++i) {
      const auto request = b.sent.empty()
                               ? std::nullopt
                               : wire::read_port_mapping_request(b.sent.back().second.datagram);
      wire::PcpNonce nonce;
      if (const auto* map = request ? std::get_if<wire::PcpMapRequest>(&*request) : nullptr) {
        nonce = map->nonce;
      }
      const Endpoint external{Ipv4{pick({0, 0xcb007107, 0xcb007108, 0xc0a80101})},
                              static_cast<std::uint16_t>(pick({0, 1, 50000}))};
      const auto lifetime = pick({0, 1, 29, 30, 7200, 0xffffffff});
      const auto epoch = pick({0, 1, 1000, 0xffffffff});
      const std::vector<wire::PortMappingResponse> answers{
          wire::PcpMapped{nonce, kPort, external, lifetime, epoch},
          wire::PcpError{2, static_cast<std::uint8_t>(1 + rng.below(14)), lifetime, epoch, nonce},
          wire::PcpError{1, 1, lifetime, epoch, {}},
          wire::NatPmpAddress{external.address.v4(), epoch},
          wire::NatPmpMapped{kPort, external.port, lifetime, epoch},
          wire::NatPmpError{static_cast<std::uint16_t>(1 + rng.below(6)), epoch}};
      const auto bytes = wire::write_port_mapping_response(answers[rng.below(answers.size())]);
      if (rng.below(4) == 0) {
        b.mapper.handle_announcement(b.now, kGatewayPort, bytes);
      } else {
        b.mapper.handle_datagram(b.now, kGatewayPort, bytes);
      }
      b.to_deliver.clear();
      b.run_for(
          std::chrono::milliseconds(rng.below(10) == 0 ? rng.below(3600000) : rng.below(500)));
      for (const Endpoint& e : b.mapper.mapped()) {
        EXPECT_TRUE(e.address == IpAddress(Ipv4{0xcb007107}) ||
                    e.address == IpAddress(Ipv4{0xcb007108}));
        EXPECT_NE(e.port, 0);
      }
      ASSERT_GT(b.wait, b.now) << "seed " << seed;
    }
    const auto elapsed = std::chrono::duration<double>(b.now - begin).count();
    // At worst eight requests and a deletion in each of the shortest pauses.
    EXPECT_LT(static_cast<double>(b.sent.size()), 60 + elapsed / 4 * 2) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ipop::nat
