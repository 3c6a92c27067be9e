// Members that do not reach each other talk through others (docs/protocol.md, "relay").
#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

const engine::MemberStatus* member_of(const engine::NetworkStatus& status, std::string_view name) {
  for (const engine::MemberStatus& m : status.members) {
    if (m.name == name) return &m;
  }
  return nullptr;
}

/// Alice founds; the relays join, then bob. Alice and bob are node 0 and 1 and do not reach each
/// other, unless they are `together`; the others reach everybody.
class RelayWorld : public World {
 public:
  explicit RelayWorld(std::uint64_t seed, std::size_t relays = 1, bool together = false)
      : World(seed) {
    for (std::size_t i = 0; i < relays + 2; ++i) add_node();
    set_path(alice(), bob(), {.blocked = !together});
    found(alice());
    const char* names[] = {"rita", "ralf", "rosa"};
    for (std::size_t i = 0; i < relays; ++i) {
      begin_join(relay(i), invite(alice()), names[i]);
      check(run_until([&] { return has_joined(relay(i)); }, 10s));
    }
    // By a relay's invite, whose hosts are to be reached.
    begin_join(bob(), invite(relay(0)), "bob");
    check(run_until([&] { return has_joined(bob()); }, 10s));
    check(run_until([&] { return status_of(alice(), "bob") != nullptr; }, 5s));
  }

  Node& alice() { return node(0); }
  Node& bob() { return node(1); }
  Node& relay(std::size_t i) { return node(2 + i); }

  const engine::MemberStatus* status_of(Node& at, std::string_view name) {
    last_ = at.status();
    return member_of(last_, name);
  }
  std::string via(Node& at, std::string_view name) {
    const auto* m = status_of(at, name);
    return m != nullptr && m->online ? m->via.value_or("direct") : "none";
  }
  bool is_relayed() {
    const std::string there = via(alice(), "bob");
    const std::string back = via(bob(), "alice");
    return there != "none" && there != "direct" && back != "none" && back != "direct";
  }
  bool is_direct() { return via(alice(), "bob") == "direct" && via(bob(), "alice") == "direct"; }

  void send(Node& from, Node& to) {
    const auto self = from.status();
    from.send_ip(self.slot, ip_packet(*self.v4, *to.status().v4));
  }
  /// Packets both ways, ten a second; how many did not arrive.
  std::size_t lost_while(Duration time) {
    run_for(500ms);  // what is under way has arrived
    const std::size_t before = alice().received.size() + bob().received.size();
    std::size_t sent = 0;
    for (Duration passed{}; passed < time; passed += 100ms) {
      send(alice(), bob());
      send(bob(), alice());
      sent += 2;
      run_for(100ms);
    }
    run_for(1s);
    return sent - (alice().received.size() + bob().received.size() - before);
  }

 private:
  engine::NetworkStatus last_;
};

TEST(Relaying, TwoThatDoNotReachEachOtherTalkThroughAThird) {
  RelayWorld w(1);
  const Instant begun = w.at();
  w.send(w.alice(), w.bob());
  ASSERT_TRUE(w.run_until([&] { return !w.bob().received.empty(); }, 3s)) << "it waited";
  EXPECT_LT(w.at() - begun, 2s);
  ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 3s));
  EXPECT_EQ(w.via(w.alice(), "bob"), "rita");
  EXPECT_EQ(w.via(w.bob(), "alice"), "rita");
  EXPECT_EQ(w.lost_while(10s), 0U);
  EXPECT_TRUE(w.relay(0).received.empty());
}

TEST(Relaying, WithoutAPacketThatWaitsTheyMeetAfterTwoSeconds) {
  RelayWorld w(2);
  EXPECT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s));
}

// Four legs of 90 ms: a challenge is answered later than it is repeated.
TEST(Relaying, WorksOverLongLegs) {
  for (std::uint64_t seed = 20; seed < 25; ++seed) {
    RelayWorld w(seed);
    w.default_path.delay = 90ms;
    EXPECT_TRUE(w.run_until([&] { return w.is_relayed(); }, 10s)) << seed;
    w.lost_while(1s);
    EXPECT_EQ(w.lost_while(60s), 0U) << seed;
    EXPECT_TRUE(w.is_relayed()) << seed;
  }
}

TEST(Relaying, WorksOverLossyLinks) {
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    RelayWorld w(seed);
    w.default_path = {.delay = 30ms, .jitter = 20ms, .loss = 0.1, .duplication = 0.05};
    EXPECT_TRUE(w.run_until(
        [&] {
          w.send(w.alice(), w.bob());
          w.run_for(200ms);
          return !w.bob().received.empty() && w.is_relayed();
        },
        20s))
        << seed;
  }
}

TEST(Relaying, ARelayThatCrashesIsReplaced) {
  for (std::uint64_t seed = 30; seed < 40; ++seed) {
    RelayWorld w(seed, 2);
    w.send(w.alice(), w.bob());
    ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s)) << seed;
    ASSERT_EQ(w.lost_while(5s), 0U) << seed;
    Node& used = w.via(w.alice(), "bob") == "rita" ? w.relay(0) : w.relay(1);
    used.crash();
    // 500 ms of silence and three challenges of 300 ms, then the warm one.
    EXPECT_LE(w.lost_while(5s), 2U * 25U) << seed;
    EXPECT_EQ(w.lost_while(5s), 0U) << seed;
    EXPECT_NE(w.via(w.alice(), "bob"), "direct");
    used.start();
    EXPECT_EQ(w.lost_while(20s), 0U) << seed;
  }
}

TEST(Relaying, TheOnlyRelayMayComeBack) {
  RelayWorld w(3);
  w.send(w.alice(), w.bob());
  ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s));
  w.relay(0).crash();
  w.run_for(5s);
  w.relay(0).start();
  EXPECT_TRUE(w.run_until(
      [&] {
        w.send(w.alice(), w.bob());
        w.run_for(500ms);
        return w.is_relayed();
      },
      40s));
  EXPECT_EQ(w.lost_while(5s), 0U);
}

// Nobody's session with the other ends; the relay has forgotten its circuits.
TEST(Relaying, AnEndThatIsKilledIsReachedAgain) {
  RelayWorld w(4);
  w.send(w.alice(), w.bob());
  ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s));
  w.bob().crash();
  w.run_for(200ms);
  w.bob().start();
  EXPECT_TRUE(w.run_until(
      [&] {
        w.send(w.alice(), w.bob());
        w.run_for(500ms);
        return w.is_relayed() && !w.bob().received.empty();
      },
      40s));
  EXPECT_EQ(w.lost_while(5s), 0U);
}

TEST(Relaying, ADirectPathTakesOverWithoutALoss) {
  for (std::uint64_t seed = 50; seed < 60; ++seed) {
    RelayWorld w(seed);
    w.send(w.alice(), w.bob());
    ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s)) << seed;
    w.set_path(w.alice(), w.bob(), {});
    EXPECT_LE(w.lost_while(60s), 1U) << seed;
    EXPECT_TRUE(w.is_direct()) << seed;
    // And when it is lost again, the relay is back soon.
    w.set_path(w.alice(), w.bob(), {.blocked = true});
    w.lost_while(5s);
    EXPECT_EQ(w.lost_while(5s), 0U) << seed;
    EXPECT_TRUE(w.is_relayed()) << seed;
  }
}

TEST(Relaying, WhoWasReachedDirectlyFromTheStartIsRelayedWhenThatIsCut) {
  // The ends cross each other out of what rita lists when their own path ends.
  RelayWorld w(5, 1, true);
  ASSERT_TRUE(w.run_until([&] { return w.is_direct(); }, 10s));
  ASSERT_EQ(w.lost_while(5s), 0U);
  w.set_path(w.alice(), w.bob(), {.blocked = true});
  w.lost_while(10s);
  EXPECT_TRUE(w.is_relayed());
  EXPECT_EQ(w.lost_while(10s), 0U);
}

TEST(Relaying, AKickedMemberIsRelayedNoMore) {
  RelayWorld w(5);
  w.send(w.alice(), w.bob());
  ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s));
  const auto self = w.alice().status();
  const auto bob4 = *w.bob().status().v4;
  ASSERT_TRUE(w.alice().engine().kick(w.alice().now(), {}, "bob"));
  w.alice().drain();
  w.run_for(2s);
  EXPECT_TRUE(w.relay(0).snapshot().labels.empty()) << "its circuits are gone";
  const auto received = w.bob().received.size();
  for (int i = 0; i < 100; ++i) {
    w.alice().send_ip(self.slot, ip_packet(*self.v4, bob4));
    w.run_for(100ms);
  }
  EXPECT_EQ(w.bob().received.size(), received);
  EXPECT_TRUE(w.relay(0).snapshot().labels.empty());
}

TEST(Relaying, WithADirectPathNobodyIsAsked) {
  World world(6);
  make_trio(world);
  world.run_for(60s);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(world.node(i).snapshot().labels.empty());
}

TEST(Relaying, HoldsForHoursAcrossRekeys) {
  RelayWorld w(7);
  w.send(w.alice(), w.bob());
  ASSERT_TRUE(w.run_until([&] { return w.is_relayed(); }, 8s));
  std::size_t lost = 0;
  for (int minute = 0; minute < 180; ++minute) {
    lost += w.lost_while(200ms);
    w.run_for(58s);
  }
  EXPECT_EQ(lost, 0U);
  EXPECT_TRUE(w.is_relayed());
}

}  // namespace
}  // namespace ipop::sim
