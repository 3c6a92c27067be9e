#include "nat/port_mapper.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/port_mapping_testing.h"

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 40000;
const PortMapper::Gateway kGateway{Ipv4{0xc0a80101}, Ipv4{0xc0a80102}};
const Endpoint kGatewayPort{kGateway.gateway, 5351};
const Endpoint kExternal{Ipv4{0xcb007107}, 50000};

/// A gateway that forwards whatever it is asked to, in the ways that are out there.
struct FakeGateway {
  bool pcp = true;
  bool nat_pmp = true;
  bool tells_version = true;  ///< RFC 6886 3.5, when it has no PCP
  std::uint8_t pcp_result = 0;
  std::uint16_t nat_pmp_result = 0;
  std::uint32_t error_lifetime = 0;
  Endpoint external = kExternal;
  std::uint32_t lifetime = 7200;
  Instant booted{};
  std::optional<wire::PcpNonce> owner;
  int deletions = 0;
  std::vector<wire::PcpMapRequest> map_requests;

  std::uint32_t epoch(Instant now) const {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now - booted).count());
  }
  std::optional<wire::PortMappingResponse> answer(Instant now, Bytes datagram) {
    const auto request = wire::read_port_mapping_request(datagram);
    EXPECT_TRUE(request) << to_hex(datagram);
    if (!request) return std::nullopt;
    if (const auto* map = std::get_if<wire::PcpMapRequest>(&*request)) {
      return answer_pcp(now, *map);
    }
    if (!nat_pmp) return std::nullopt;
    if (nat_pmp_result != 0) return wire::NatPmpError{nat_pmp_result, epoch(now)};
    if (const auto* map = std::get_if<wire::NatPmpMapRequest>(&*request)) {
      if (map->lifetime_seconds == 0) {
        EXPECT_EQ(map->suggested_port, 0);
        ++deletions;
        return wire::NatPmpMapped{map->internal_port, 0, 0, epoch(now)};
      }
      return wire::NatPmpMapped{map->internal_port, external.port, lifetime, epoch(now)};
    }
    return wire::NatPmpAddress{external.address.v4(), epoch(now)};
  }
  std::optional<wire::PortMappingResponse> answer_pcp(Instant now, const wire::PcpMapRequest& map) {
    if (!pcp) {
      if (!tells_version) return std::nullopt;
      return wire::NatPmpError{1, epoch(now)};
    }
    map_requests.push_back(map);
    auto result = pcp_result;
    if (owner && owner != map.nonce) result = wire::kPcpNotAuthorized;
    if (result != 0) return wire::PcpError{2, result, error_lifetime, epoch(now), map.nonce};
    owner = map.nonce;
    if (map.lifetime_seconds == 0) {
      EXPECT_EQ(map.suggested.port, 0);
      ++deletions;
      owner.reset();
    }
    return wire::PcpMapped{map.nonce, map.internal_port, external,
                           std::min(lifetime, map.lifetime_seconds), epoch(now)};
  }
};

struct Bench {
  SeededRng rng{7};
  PortMapper mapper{PortMapper::Key::random(rng), rng};
  FakeGateway gateway;
  bool answering = true;
  Instant now{100h};
  Instant wait = Instant::max();
  std::vector<std::pair<Instant, PortMapper::SendTo>> sent;
  std::vector<PortMapper::Mapped> mapped;
  std::vector<PortMapper::Lost> lost;
  std::vector<PortMapper::Unavailable> unavailable;

  void start(std::uint16_t port = kPort, const PortMapper::Gateway& g = kGateway) {
    mapper.set_network(now, port, std::vector{g});
    drain();
  }
  void drain() {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 1000) << "it answers itself without end";
      const auto output = mapper.poll_output();
      if (const auto* w = std::get_if<PortMapper::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (const auto* m = std::get_if<PortMapper::Mapped>(&output)) mapped.push_back(*m);
      if (const auto* l = std::get_if<PortMapper::Lost>(&output)) lost.push_back(*l);
      if (const auto* u = std::get_if<PortMapper::Unavailable>(&output)) unavailable.push_back(*u);
      if (const auto* s = std::get_if<PortMapper::SendTo>(&output)) {
        sent.emplace_back(now, *s);
        // It arrives when the machine has been drained.
        to_deliver.push_back(answering ? gateway.answer(now, s->datagram) : std::nullopt);
      }
    }
  }
  /// Drains, and delivers what the gateway answered, until both are quiet.
  void settle() {
    drain();
    for (int steps = 0; !to_deliver.empty(); ++steps) {
      ASSERT_LT(steps, 100) << "they talk without end";
      const auto response = to_deliver.front();
      to_deliver.erase(to_deliver.begin());
      if (response) deliver(kGatewayPort, *response);
    }
  }
  void deliver(const Endpoint& from, const wire::PortMappingResponse& response) {
    mapper.handle_datagram(now, from, wire::write_port_mapping_response(response));
    drain();
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    settle();
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 5000) << "the deadline stands still";
      now = std::max(now, wait);
      mapper.handle_timeout(now);
      settle();
    }
    now = end;
  }
  std::vector<Duration> sent_since(Instant begin) const {
    std::vector<Duration> out;
    for (const auto& [at, s] : sent) {
      if (at >= begin) out.push_back(at - begin);
    }
    return out;
  }

  std::vector<std::optional<wire::PortMappingResponse>> to_deliver;
};

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
