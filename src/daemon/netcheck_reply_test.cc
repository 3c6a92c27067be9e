#include "daemon/netcheck_reply.h"

#include <gtest/gtest.h>

namespace ipop::daemon {
namespace {

nat::OuterAddresses::Report symmetric() {
  nat::OuterAddresses::Report report;
  report.v4.mapping = nat::MappingKind::AddressAndPortDependent;
  report.v4.ports = nat::PortPreservation::Changed;
  report.seen = {*Endpoint::parse("203.0.113.7:5"), *Endpoint::parse("[2001:db8::7]:6")};
  report.gateways = {{.gateway = Ipv4{0xc0a80101}, .asking = true}};
  report.stun = {{*Endpoint::parse("198.51.100.1:3478"), {}}};
  return report;
}

TEST(NetcheckReply, SortsByFamily) {
  const auto reply = netcheck_of(
      symmetric(), {*IpAddress::parse("192.168.1.2"), *IpAddress::parse("2001:db8::2")});
  EXPECT_EQ(reply.ipv4.mapping, control::NatMapping::AddressAndPortDependent);
  EXPECT_EQ(reply.ipv4.ports, control::NatPorts::Changed);
  EXPECT_EQ(reply.ipv4.seen, std::vector{*Endpoint::parse("203.0.113.7:5")});
  EXPECT_EQ(reply.ipv6.seen, std::vector{*Endpoint::parse("[2001:db8::7]:6")});
  EXPECT_EQ(reply.ipv4.addresses, std::vector<std::string>{"192.168.1.2"});
  EXPECT_EQ(reply.ipv6.addresses, std::vector<std::string>{"2001:db8::2"});
  EXPECT_EQ(reply.ipv6.mapping, control::NatMapping::Unknown);
  ASSERT_EQ(reply.gateways.size(), 1U);
  EXPECT_EQ(reply.gateways.front().protocol, control::GatewayProtocol::Asking);
  ASSERT_EQ(reply.stun.size(), 1U);
  EXPECT_FALSE(reply.stun.front().seen.has_value());
}

TEST(NetcheckReply, ASequentialNatIsNamed) {
  auto report = symmetric();
  report.v4.step = nat::PortStep{1, 40000};
  EXPECT_EQ(netcheck_of(report, {}).ipv4.ports, control::NatPorts::Sequential);
}

TEST(NetcheckReply, AdviceFitsWhatIsWrong) {
  auto report = symmetric();
  const std::vector<IpAddress> local{*IpAddress::parse("192.168.1.2")};
  auto advice = advice_on(netcheck_of(report, local));
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice.front().code, "hard_nat");

  report.gateways.front().external = Endpoint::parse("203.0.113.7:9");
  report.gateways.front().protocol = nat::OuterAddresses::Protocol::Igd;
  EXPECT_EQ(netcheck_of(report, local).gateways.front().protocol, control::GatewayProtocol::Upnp);
  EXPECT_TRUE(advice_on(netcheck_of(report, local)).empty()) << "forwarded: nothing is hard";
  report.gateways.front().external = Endpoint::parse("100.64.3.7:9");
  advice = advice_on(netcheck_of(report, local));
  ASSERT_EQ(advice.size(), 1U) << "the provider's NAT is in front";
  EXPECT_EQ(advice.front().code, "hard_nat");

  const nat::OuterAddresses::Report unseen;
  advice = advice_on(netcheck_of(unseen, local));
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice.front().code, "not_seen");
  advice = advice_on(netcheck_of(unseen, {}));
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice.front().code, "no_address");
}

}  // namespace
}  // namespace ipop::daemon
