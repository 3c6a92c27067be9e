#include "base/way.h"

#include <gtest/gtest.h>

#include <set>
#include <unordered_set>
#include <vector>

namespace ipop {
namespace {

const Endpoint kHere{Ipv4{0xc0000201}, 7};
const Endpoint kThere{Ipv4{0xc0000202}, 7};

std::vector<Way> some_ways() {
  return {Way(),
          kHere,
          kThere,
          Endpoint{*Ipv6::parse("2001:db8::1"), 7},
          Way::stream(kHere),
          Way::stream(kThere),
          Way::relay(PeerHandle{1}, RelayLabel{1}),
          Way::relay(PeerHandle{1}, RelayLabel{2}),
          Way::relay(PeerHandle{2}, RelayLabel{1}),
          Way::routed()};
}

TEST(Way, IsWhatItWasMadeOf) {
  const Way direct = kHere;
  EXPECT_TRUE(direct.is_direct());
  EXPECT_EQ(direct.endpoint(), kHere);
  const Way stream = Way::stream(kHere);
  EXPECT_TRUE(stream.is_stream() && stream.is_leg());
  EXPECT_FALSE(stream.is_direct());
  EXPECT_EQ(stream.endpoint(), kHere);
  const Way relay = Way::relay(PeerHandle{3}, RelayLabel{4});
  EXPECT_TRUE(relay.is_relay());
  EXPECT_EQ(relay.hop(), PeerHandle{3});
  EXPECT_EQ(relay.label(), RelayLabel{4});
  EXPECT_EQ(Way::routed().kind(), Way::Kind::Routed);
}

TEST(Way, EqualsItselfOnly) {
  const auto ways = some_ways();
  std::unordered_set<Way> hashed;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    for (std::size_t j = 0; j < ways.size(); ++j) EXPECT_EQ(ways[i] == ways[j], i == j);
    hashed.insert(ways[i]);
  }
  EXPECT_EQ(hashed.size(), ways.size());
  EXPECT_EQ(Way(kHere), kHere);
  EXPECT_NE(Way(kHere), kThere);
}

TEST(Way, TwoSocketsOfOursAreTwoWaysToOneAddress) {
  const Way spare(kHere, SocketId{1});
  EXPECT_NE(spare, Way(kHere));
  EXPECT_NE(spare, Way(kHere, SocketId{2}));
  EXPECT_EQ(spare.endpoint(), Way(kHere).endpoint());
  EXPECT_EQ(spare.socket(), SocketId{1});
  EXPECT_EQ(Way(kHere).socket(), kMainSocket);
  EXPECT_LT(spare, Way::relay(PeerHandle{0}, RelayLabel{0}));
}

TEST(Way, DirectIsBetterThanStreamThanRelayThanRouted) {
  EXPECT_LT(Way(kThere), Way::stream(kHere));
  EXPECT_LT(Way::stream(kThere), Way::relay(PeerHandle{0}, RelayLabel{0}));
  EXPECT_LT(Way::relay(PeerHandle{9}, RelayLabel{9}), Way::routed());
}

TEST(WayDeathTest, HasNoPartsOfAnotherKind) {
  EXPECT_DEATH(static_cast<void>(Way::routed().endpoint()), "");
  EXPECT_DEATH(static_cast<void>(Way(kHere).hop()), "");
  EXPECT_DEATH(static_cast<void>(Way(kHere).label()), "");
}

TEST(Way, IsNamedInLogs) {
  EXPECT_EQ(Way(kHere).to_string(), "192.0.2.1:7");
  EXPECT_EQ(Way::stream(kHere).to_string(), "tls 192.0.2.1:7");
  EXPECT_EQ(Way::relay(PeerHandle{1}, RelayLabel{1}).to_string(), "relay");
  EXPECT_EQ(Way::routed().to_string(), "routed");
}

}  // namespace
}  // namespace ipop
