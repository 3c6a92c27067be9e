// Paths that drop what is large without a word (RFC 8899): packets find the size that goes.
#include <gtest/gtest.h>

#include "nat/path_mtu.h"
#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

/// What a datagram has around a packet of this size, in the payload of UDP.
constexpr std::size_t datagram_of(std::size_t packet) { return packet + wire::kDataOverhead; }
constexpr std::size_t relayed_of(std::size_t packet) {
  return datagram_of(packet) + wire::kRelayOverhead;
}

/// Somebody who sends packets as large as he is told that he may: as TCP with path MTU discovery.
class Talker {
 public:
  Talker(World& world, Node& from, Node& to) : world_(&world), from_(&from), to_(&to) {}

  /// A packet every 10 ms; whether one of the size that is the largest now has arrived.
  bool send() {
    const auto self = from_->status();
    const std::size_t before = to_->received.size();
    const std::size_t told = from_->received.size();
    from_->send_ip(self.slot, ip_packet(*self.v4, *to_->status().v4, size_));
    for (std::size_t i = told; i < from_->received.size(); ++i) heed(from_->received[i]);
    world_->run_for(10ms);
    largest_ = 0;
    for (std::size_t i = before; i < to_->received.size(); ++i) {
      largest_ = std::max(largest_, to_->received[i].size());
    }
    return largest_ == size_;
  }
  /// How long until packets of the size that is told arrive, one after the other.
  std::optional<Duration> stalled(Duration limit) {
    const Instant begun = world_->at();
    while (world_->at() - begun < limit) {
      const Instant at = world_->at();
      int arrived = 0;
      while (arrived < 10 && send()) ++arrived;
      if (arrived == 10) return at - begun;
    }
    return std::nullopt;
  }
  std::uint16_t size() const { return size_; }

 private:
  /// RFC 792, destination unreachable, code 4: the next hop's MTU.
  void heed(Bytes icmp) {
    ASSERT_GE(icmp.size(), 28U);
    ASSERT_EQ(icmp[20], std::byte{3});
    size_ = static_cast<std::uint16_t>(std::to_integer<unsigned>(icmp[26]) << 8U |
                                       std::to_integer<unsigned>(icmp[27]));
  }

  World* world_;
  Node* from_;
  Node* to_;
  std::uint16_t size_ = 1420;
  std::size_t largest_ = 0;
};

std::uint16_t mtu_of(Node& at, std::string_view member) {
  for (const engine::MemberStatus& m : at.status().members) {
    if (m.name == member) return m.mtu.value_or(0);
  }
  return 0;
}

/// Packets for a while, so that what there is to be found is.
void talk(World& world, Talker& talker, Duration time) {
  for (const Instant end = world.at() + time; world.at() < end;) talker.send();
}

TEST(PathMtu, AnOrdinaryPathTakesTheInterfacesMtu) {
  World world(1);
  make_pair(world);
  Talker talker(world, world.node(0), world.node(1));
  talk(world, talker, 2s);
  EXPECT_EQ(talker.size(), 1420);
  EXPECT_EQ(mtu_of(world.node(0), "bob"), 1420);
}

TEST(PathMtu, ABlackHoleStallsPacketsForABoundedTime) {
  for (const std::size_t packet : {1170U, 1240U, 1279U, 1280U, 1300U, 1340U, 1400U, 1419U}) {
    World world(packet);
    make_pair(world);
    world.default_path.delay = 1ms;
    world.default_path.size_max = datagram_of(packet);
    for (const std::size_t from : {0U, 1U}) {
      Talker talker(world, world.node(from), world.node(1 - from));
      const auto stalled = talker.stalled(10s);
      ASSERT_TRUE(stalled) << packet;
      EXPECT_LT(*stalled, 1s) << packet;
      EXPECT_LE(talker.size(), packet);
      talk(world, talker, 3s);
      const std::uint16_t found = mtu_of(world.node(from), from == 0 ? "bob" : "alice");
      EXPECT_LE(found, packet);
      EXPECT_LT(packet - found, nat::PathMtu::kStep);
    }
    EXPECT_GT(world.too_big(), 0U);
  }
}

/// In the middle of a conversation the path comes to lead through a narrower link.
TEST(PathMtu, APathThatNarrowsIsNoticedWhilePacketsGo) {
  World world(2);
  make_pair(world);
  world.default_path.delay = 4ms;
  Talker talker(world, world.node(0), world.node(1));
  Talker other(world, world.node(1), world.node(0));
  for (const Instant end = world.at() + 10s; world.at() < end; other.send()) talker.send();
  world.default_path.size_max = datagram_of(1300);
  const auto stalled = talker.stalled(30s);
  ASSERT_TRUE(stalled);
  // Nothing comes back, so that the path is under suspicion within a second.
  EXPECT_LT(*stalled, 3s);
  EXPECT_GT(world.too_big(), 0U);
  EXPECT_TRUE(world.node(0).is_online_with("bob"));

  // Both ends talk: silence shows nothing, the next confirmation does.
  World both(3);
  make_pair(both);
  both.default_path.delay = 4ms;
  Talker there(both, both.node(0), both.node(1));
  talk(both, there, 2s);
  both.default_path.size_max = datagram_of(1300);
  const Instant begun = both.at();
  while (!there.send() && both.at() - begun < 60s) {
    const auto self = both.node(1).status();
    both.node(1).send_ip(self.slot, ip_packet(*self.v4, *both.node(0).status().v4));
  }
  EXPECT_LT(both.at() - begun, nat::PathMtu::kConfirm + 3s);
  EXPECT_LE(there.size(), 1300);
}

TEST(PathMtu, LossyPathsKeepTheirSize) {
  for (std::uint64_t seed = 10; seed < 15; ++seed) {
    World world(seed);
    make_pair(world);
    world.default_path = {.delay = 20ms, .jitter = 10ms, .loss = 0.05};
    Talker talker(world, world.node(0), world.node(1));
    talk(world, talker, 60s);
    EXPECT_EQ(mtu_of(world.node(0), "bob"), 1420) << seed;
  }
}

TEST(PathMtu, IdleMembersAreNotProbed) {
  World world(4);
  make_pair(world);
  std::vector<ByteVector> passed;
  world.tap = &passed;
  world.run_for(1h);
  ASSERT_FALSE(passed.empty()) << "keepalives";
  for (const ByteVector& datagram : passed) EXPECT_LT(datagram.size(), 400U);
}

/// The second leg is known to the relay alone; the first end finds it all the same.
TEST(PathMtu, TheSecondLegOfARelayIsFound) {
  World world(5);
  make_trio(world);
  world.default_path.delay = 1ms;
  Node &alice = world.node(0), &bob = world.node(1), &carol = world.node(2);
  world.set_path(alice, bob, {.delay = 1ms, .blocked = true});
  world.set_path(bob, carol, {.delay = 1ms, .size_max = relayed_of(1300)});
  Talker talker(world, alice, bob);
  ASSERT_TRUE(world.run_until(
      [&] {
        talker.send();
        const auto status = alice.status();
        return std::any_of(status.members.begin(), status.members.end(),
                           [](const auto& m) { return m.name == "bob" && m.online && m.via; });
      },
      30s));
  const auto stalled = talker.stalled(10s);
  ASSERT_TRUE(stalled);
  EXPECT_LT(*stalled, 2s);
  talk(world, talker, 3s);
  EXPECT_LE(mtu_of(alice, "bob"), 1300);
  EXPECT_GT(mtu_of(alice, "bob"), 1300 - nat::PathMtu::kStep);
  EXPECT_EQ(mtu_of(alice, "carol"), 1420) << "whose own path is wide";
  EXPECT_GT(world.too_big(), 0U);

  // On a direct path again, it is that one's.
  world.set_path(alice, bob, {.delay = 1ms});
  ASSERT_TRUE(world.run_until(
      [&] {
        talker.send();
        return mtu_of(alice, "bob") == 1420;
      },
      60s));
}

/// 1500 bytes outside, less 60 around a packet, less 37 for the relay.
TEST(PathMtu, ARelayTakesWhatItNeedsOfTheOutsideNotOfTheInterface) {
  World world(6);
  make_trio(world);
  Node &alice = world.node(0), &bob = world.node(1);
  world.set_path(alice, bob, {.blocked = true});
  Talker talker(world, alice, bob);
  talk(world, talker, 15s);
  EXPECT_EQ(mtu_of(alice, "bob"), 1403);
  EXPECT_TRUE(talker.stalled(1s));
}

}  // namespace
}  // namespace ipop::sim
