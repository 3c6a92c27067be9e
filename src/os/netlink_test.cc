#include "os/netlink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "os/test_support.h"
#include "os/tun.h"

namespace ipop::os {
namespace {

constexpr LinkOptions kLink{.mtu_bytes = 1340, .queue_packets = 77};
const Ipv4 kV4 = *Ipv4::parse("10.83.0.1");
const Ipv6 kV6 = *Ipv6::parse("fd12:3456:789a::1");
const Ipv6 kV6Prefix = *Ipv6::parse("fd12:3456:789a::");
constexpr int kNoSuchLink = 99999;

std::string read_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

int ask_interface(const std::string& name, unsigned long what) {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  EXPECT_EQ(::ioctl(socket.fd(), what, &request), 0);
  return what == SIOCGIFTXQLEN ? request.ifr_ifru.ifru_ivalue : request.ifr_mtu;
}

std::vector<InterfaceAddress> addresses_of(Netlink& netlink, int ifindex) {
  auto all = netlink.addresses();
  if (!all) {
    ADD_FAILURE() << all.error().what;
    return {};
  }
  std::erase_if(*all, [&](const InterfaceAddress& a) { return a.ifindex != ifindex; });
  return *all;
}

class NetlinkTest : public testing::Test {
 protected:
  TestNamespace ns_;
  Result<Tun> tun_ = Tun::open("");
  Result<Netlink> netlink_ = Netlink::open();
  void SetUp() override {
    ASSERT_TRUE(tun_) << tun_.error().what;
    ASSERT_TRUE(netlink_);
  }
  int index() const { return tun_->ifindex(); }
};

TEST_F(NetlinkTest, BringsTheLinkUp) {
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  EXPECT_EQ(ask_interface(tun_->name(), SIOCGIFMTU), 1340);
  EXPECT_EQ(ask_interface(tun_->name(), SIOCGIFTXQLEN), 77);
  EXPECT_TRUE(addresses_of(*netlink_, index()).empty()) << "no link-local address";
  EXPECT_EQ(netlink_->links()->at(index()).flags & IFF_UP, unsigned{IFF_UP});
  ASSERT_TRUE(netlink_->set_mtu(index(), 1280));
  EXPECT_EQ(ask_interface(tun_->name(), SIOCGIFMTU), 1280);
  ASSERT_TRUE(netlink_->set_link_down(index()));
  EXPECT_EQ(netlink_->links()->at(index()).flags & IFF_UP, 0U);
}

TEST_F(NetlinkTest, AddressesComeAndGo) {
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  for (int i = 0; i < 2; ++i) {  // twice is no error
    ASSERT_TRUE(netlink_->add_address(index(), kV4, 16));
    ASSERT_TRUE(netlink_->add_address(index(), kV6, 128));
  }
  const auto addresses = addresses_of(*netlink_, index());
  ASSERT_EQ(addresses.size(), 2U);
  for (const InterfaceAddress& a : addresses) {
    EXPECT_EQ(a.interface, tun_->name());
    EXPECT_TRUE(a.up);
    EXPECT_FALSE(a.loopback);
    EXPECT_FALSE(a.tentative) << "usable at once";
    EXPECT_FALSE(a.temporary);
    EXPECT_EQ(a.scope, InterfaceAddress::Scope::Global);
    EXPECT_EQ(a.address, a.address.is_v6() ? IpAddress(kV6) : IpAddress(kV4));
    EXPECT_EQ(a.prefix_length, a.address.is_v6() ? 128 : 16);
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(netlink_->remove_address(index(), kV4, 16));
    EXPECT_TRUE(netlink_->remove_address(index(), kV6, 128));
  }
  EXPECT_TRUE(addresses_of(*netlink_, index()).empty());
}

TEST_F(NetlinkTest, TheLoopbackIsListedAsOne) {
  const auto addresses = addresses_of(*netlink_, 1);
  ASSERT_EQ(addresses.size(), 2U);
  for (const InterfaceAddress& a : addresses) {
    EXPECT_EQ(a.interface, "lo");
    EXPECT_TRUE(a.loopback);
    EXPECT_TRUE(a.address.is_loopback());
    EXPECT_EQ(a.scope, InterfaceAddress::Scope::Host);
  }
}

TEST_F(NetlinkTest, RoutesComeAndGo) {
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  EXPECT_TRUE(netlink_->routes4()->empty());
  ASSERT_TRUE(netlink_->add_address(index(), kV4, 16));
  auto routes = netlink_->routes4();
  ASSERT_TRUE(routes);
  ASSERT_EQ(routes->size(), 1U) << "the connected route comes with the address";
  EXPECT_EQ((*routes)[0].destination, Prefix4::parse("10.83.0.0/16"));
  EXPECT_EQ((*routes)[0].ifindex, index());
  EXPECT_EQ((*routes)[0].interface, tun_->name());
  EXPECT_FALSE((*routes)[0].has_gateway);

  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(netlink_->add_route(index(), *Ipv4::parse("192.168.7.0"), 24));
    ASSERT_TRUE(netlink_->add_route(index(), kV6Prefix, 48));
  }
  EXPECT_EQ(netlink_->routes4()->size(), 2U);
  EXPECT_NE(read_line("/proc/thread-self/net/ipv6_route").find("fd123456789a"), std::string::npos);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(netlink_->remove_route(index(), *Ipv4::parse("192.168.7.0"), 24));
    EXPECT_TRUE(netlink_->remove_route(index(), kV6Prefix, 48));
  }
  EXPECT_EQ(netlink_->routes4()->size(), 1U);
}

TEST_F(NetlinkTest, NamesTheDefaultGatewaysAndOurAddressTowardsThem) {
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  EXPECT_TRUE(netlink_->default_gateways()->empty());
  ASSERT_TRUE(netlink_->add_address(index(), kV4, 16));
  ASSERT_TRUE(netlink_->add_address(index(), *Ipv4::parse("192.168.9.1"), 24));
  ASSERT_TRUE(netlink_->add_route(index(), *Ipv4::parse("172.16.0.0"), 12));
  EXPECT_TRUE(netlink_->default_gateways()->empty()) << "that is no way to the Internet";
  const std::string via = "ip route add default via 10.83.0.254 dev " + tun_->name();
  ASSERT_EQ(std::system((via + " metric 5").c_str()), 0);
  ASSERT_EQ(std::system((via + " metric 6").c_str()), 0);
  auto found = netlink_->default_gateways();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U) << "one gateway, by two routes";
  EXPECT_EQ((*found)[0].ifindex, index());
  EXPECT_EQ((*found)[0].gateway, IpAddress(*Ipv4::parse("10.83.0.254")));
  EXPECT_EQ((*found)[0].local, IpAddress(kV4)) << "of the two, the one in its prefix";
  const std::string other =
      "ip route add default via 192.168.9.9 dev " + tun_->name() + " src 10.83.0.1 metric 7";
  ASSERT_EQ(std::system(other.c_str()), 0);
  found = netlink_->default_gateways();
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[1].local, IpAddress(*Ipv4::parse("10.83.0.1"))) << "as the route says";
}

TEST_F(NetlinkTest, ManyAddressesComeInManyParts) {
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  for (std::uint32_t i = 1; i <= 1500; ++i) {
    ASSERT_TRUE(netlink_->add_address(index(), Ipv4{kV4.value + i}, 16));
  }
  EXPECT_EQ(addresses_of(*netlink_, index()).size(), 1500U);
}

TEST_F(NetlinkTest, ErrorsAreTheKernelsAndTheSocketGoesOn) {
  EXPECT_EQ(netlink_->set_link_up(kNoSuchLink, kLink).error().os, ENODEV);
  EXPECT_EQ(netlink_->set_link_down(kNoSuchLink).error().os, ENODEV);
  EXPECT_FALSE(netlink_->set_link_up(index(), {.mtu_bytes = 1, .queue_packets = 1}));
  EXPECT_FALSE(netlink_->add_address(kNoSuchLink, kV4, 16));
  EXPECT_FALSE(netlink_->add_address(index(), kV4, 33));
  EXPECT_FALSE(netlink_->add_address(index(), kV6, 129));
  EXPECT_FALSE(netlink_->add_route(index(), *Ipv4::parse("10.0.0.1"), 8));  // host bits
  EXPECT_FALSE(netlink_->add_route(index(), kV6Prefix, 48)) << "the link is down";
  EXPECT_TRUE(netlink_->remove_address(kNoSuchLink, kV4, 16));
  EXPECT_TRUE(netlink_->set_link_up(index(), kLink));
  EXPECT_TRUE(netlink_->addresses());
}

TEST_F(NetlinkTest, WithIpv6SwitchedOffTheRestWorks) {
  std::ofstream("/proc/sys/net/ipv6/conf/" + tun_->name() + "/disable_ipv6") << "1" << std::flush;
  EXPECT_TRUE(netlink_->set_link_up(index(), kLink));
  EXPECT_TRUE(netlink_->add_address(index(), kV4, 16));
  EXPECT_FALSE(netlink_->add_address(index(), kV6, 128));
}

TEST_F(NetlinkTest, FindsAClash) {
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  ASSERT_TRUE(netlink_->add_address(index(), kV4, 16));
  const auto routes = netlink_->routes4();
  const auto clash = find_clash(*routes, *Prefix4::parse("10.83.7.0/24"), 0);
  ASSERT_TRUE(clash);
  EXPECT_EQ(clash->interface, tun_->name());
  EXPECT_FALSE(find_clash(*routes, *Prefix4::parse("10.83.7.0/24"), index())) << "our own";
  EXPECT_FALSE(find_clash(*routes, *Prefix4::parse("10.84.0.0/16"), 0));
}

TEST(FindClash, WiderAndNarrowerRoutesButNotTheInternet) {
  const Prefix4 subnet = *Prefix4::parse("10.83.0.0/16");
  struct Case {
    const char* route;
    bool clash;
  };
  for (const Case& c :
       {Case{"10.83.0.0/16", true}, Case{"10.83.9.0/24", true}, Case{"10.83.0.1/32", true},
        Case{"10.0.0.0/8", true}, Case{"8.0.0.0/5", true}, Case{"0.0.0.0/0", false},
        Case{"0.0.0.0/1", false}, Case{"128.0.0.0/1", false}, Case{"10.82.0.0/16", false},
        Case{"10.84.0.0/16", false}, Case{"192.168.0.0/16", false}}) {
    const std::vector<Route4> routes = {{.destination = *Prefix4::parse(c.route), .ifindex = 3}};
    EXPECT_EQ(find_clash(routes, subnet, 0).has_value(), c.clash) << c.route;
    EXPECT_FALSE(find_clash(routes, subnet, 3)) << c.route;
  }
  const std::vector<Route4> several = {{.destination = subnet, .ifindex = 0}};
  EXPECT_TRUE(find_clash(several, subnet, 3)) << "a multipath route is nobody's own";
}

/// Whether draining empties it. The kernel may have more to say meanwhile (an address that turns
/// out to be nobody else's), but not for ever.
bool falls_silent(NetlinkWatch& watch) {
  for (int i = 0; i < 100; ++i) {
    if (!is_readable(watch.fd())) return true;
    static_cast<void>(watch.drain());
  }
  return false;
}

TEST_F(NetlinkTest, TheWatchTellsOfChanges) {
  auto watch = NetlinkWatch::open();
  ASSERT_TRUE(watch);
  EXPECT_FALSE(watch->drain());
  struct Change {
    const char* name;
    std::function<Result<void>()> make;
  };
  for (const Change& change :
       {Change{"link", [&] { return netlink_->set_link_up(index(), kLink); }},
        Change{"address 4", [&] { return netlink_->add_address(index(), kV4, 16); }},
        Change{"address 6", [&] { return netlink_->add_address(index(), kV6, 128); }},
        Change{"route 4",
               [&] { return netlink_->add_route(index(), *Ipv4::parse("10.99.0.0"), 16); }},
        Change{"route 6", [&] { return netlink_->add_route(index(), kV6Prefix, 48); }}}) {
    ASSERT_TRUE(change.make()) << change.name;
    EXPECT_TRUE(wait_readable(watch->fd())) << change.name;
    EXPECT_TRUE(watch->drain()) << change.name;
    EXPECT_TRUE(falls_silent(*watch)) << change.name;
  }
}

TEST_F(NetlinkTest, TheWatchSurvivesAFlood) {
  auto watch = NetlinkWatch::open();
  ASSERT_TRUE(netlink_->set_link_up(index(), kLink));
  for (std::uint32_t i = 1; i <= 3000; ++i) {
    ASSERT_TRUE(netlink_->add_address(index(), Ipv4{kV4.value + i}, 16));
  }
  EXPECT_TRUE(watch->drain());
  EXPECT_TRUE(falls_silent(*watch));
  ASSERT_TRUE(netlink_->set_link_down(index()));
  EXPECT_TRUE(watch->drain());
}

}  // namespace
}  // namespace ipop::os
