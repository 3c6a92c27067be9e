// The simulated NATs map and filter as RFC 4787 says of their kinds.
#include "sim/nat_box.h"

#include <gtest/gtest.h>

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

const Endpoint kOne{Ipv4{0xc6120001}, 1000};
const Endpoint kTwo{Ipv4{0xc6120002}, 2000};
constexpr Ipv4 kOutside{0xcb007101};
constexpr Instant kStart{1h};

NatBox box(NatKind kind) { return {kOutside, kind, 60s, 7}; }

TEST(NatBox, OnePortForEverybodyOrAnotherForEach) {
  for (const NatKind kind : {NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric}) {
    NatBox nat = box(kind);
    const Endpoint to_one = nat.translate(kStart, kMainSocket, kOne);
    EXPECT_EQ(to_one.address, IpAddress(kOutside));
    EXPECT_EQ(nat.translate(kStart + 1s, kMainSocket, kOne), to_one);
    EXPECT_EQ(nat.translate(kStart + 1s, kMainSocket, kTwo) == to_one, kind != NatKind::Symmetric);
  }
}

TEST(NatBox, LetsInWhoWasSentToAndAFullConeAnybody) {
  for (const NatKind kind : {NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric}) {
    NatBox nat = box(kind);
    EXPECT_FALSE(nat.lets_in(kStart, kOne, 5000)) << "nothing was sent yet";
    const Endpoint out = nat.translate(kStart, kMainSocket, kOne);
    EXPECT_TRUE(nat.lets_in(kStart, kOne, out.port));
    EXPECT_FALSE(nat.lets_in(kStart, kOne, static_cast<std::uint16_t>(out.port ^ 1U)));
    EXPECT_EQ(nat.lets_in(kStart, kTwo, out.port).has_value(), kind == NatKind::FullCone);
    const Endpoint other_port{kOne.address, 1001};
    EXPECT_EQ(nat.lets_in(kStart, other_port, out.port).has_value(), kind == NatKind::FullCone);
  }
}

TEST(NatBox, AMappingDiesWithoutTraffic) {
  for (const NatKind kind : {NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric}) {
    NatBox nat = box(kind);
    const Endpoint out = nat.translate(kStart, kMainSocket, kOne);
    EXPECT_EQ(nat.translate(kStart + 59s, kMainSocket, kOne), out);
    EXPECT_TRUE(nat.lets_in(kStart + 119s, kOne, out.port));
    EXPECT_FALSE(nat.lets_in(kStart + 120s, kOne, out.port));
    EXPECT_NE(nat.translate(kStart + 120s, kMainSocket, kOne), out);
  }
}

}  // namespace
}  // namespace ipop::sim
