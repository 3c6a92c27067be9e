// Members that UDP does not reach talk by TLS connections, and by UDP again as soon as it passes.
#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 443;

/// Alice founds and takes TLS connections, unless told otherwise; UDP from and to bob and carol is
/// dropped, between each other and from everybody.
class StreamWorld : public World {
 public:
  explicit StreamWorld(std::uint64_t seed, bool serves = true) : World(seed) {
    add_node();
    alice().crash();
    alice().stream_port = serves ? kPort : 0;
    alice().start();
    add_node();
    add_node();
    set_udp(false);
    set_path(bob(), carol(), {.blocked = true});
    found(alice());
  }

  Node& alice() { return node(0); }
  Node& bob() { return node(1); }
  Node& carol() { return node(2); }

  void set_udp(bool passes) {
    set_path(alice(), bob(), {.udp_blocked = !passes});
    set_path(alice(), carol(), {.udp_blocked = !passes});
  }
  bool joins(Node& who, const std::string& name, Duration limit = 20s) {
    begin_join(who, invite(alice()), name);
    return run_until([&] { return has_joined(who); }, limit);
  }
  engine::MemberStatus status_of(Node& at, std::string_view name) {
    for (const engine::MemberStatus& m : at.status().members) {
      if (m.name == name) return m;
    }
    return {};
  }
  bool is_by_tls(Node& at, std::string_view name) {
    const auto m = status_of(at, name);
    return m.online && m.stream;
  }
  bool is_by_udp(Node& at, std::string_view name) {
    const auto m = status_of(at, name);
    return m.online && m.endpoint;
  }
  void send(Node& from, Node& to) {
    const auto self = from.status();
    from.send_ip(self.slot, ip_packet(*self.v4, *to.status().v4, 1000));
  }
  /// Packets both ways, ten a second; how many did not arrive.
  std::size_t lost_while(Node& one, Node& other, Duration time) {
    run_for(500ms);
    const std::size_t before = one.received.size() + other.received.size();
    std::size_t sent = 0;
    for (Duration passed{}; passed < time; passed += 100ms) {
      send(one, other);
      send(other, one);
      sent += 2;
      run_for(100ms);
    }
    run_for(1s);
    return sent - (one.received.size() + other.received.size() - before);
  }
};

TEST(Stream, AMemberBehindAFirewallJoinsAndTalksByTls) {
  StreamWorld world(1);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  ASSERT_TRUE(world.run_until(
      [&] {
        return world.is_by_tls(world.bob(), "alice") && world.is_by_tls(world.alice(), "bob");
      },
      5s));
  EXPECT_EQ(world.status_of(world.bob(), "alice").stream,
            (Endpoint{world.alice().endpoint().address, kPort}));
  EXPECT_EQ(world.lost_while(world.alice(), world.bob(), 10s), 0U);
  EXPECT_GE(world.weather().blocked, 1U) << "UDP was tried";
  // It says so to its user; who serves has nothing to say.
  const auto has_word = [](Node& node) {
    const auto health = node.status().health;
    return std::ranges::any_of(health, [](const auto& h) { return h.code == "udp_blocked"; });
  };
  EXPECT_TRUE(has_word(world.bob()));
  EXPECT_FALSE(has_word(world.alice()));
}

TEST(Stream, NobodyIsDialledWhereUdpPasses) {
  StreamWorld world(2);
  world.set_udp(true);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  world.run_for(60s);
  EXPECT_TRUE(world.is_by_udp(world.bob(), "alice"));
  EXPECT_EQ(world.streams(), 0U);
}

TEST(Stream, NobodyIsReachedWhoServesNoTls) {
  StreamWorld world(3, false);
  EXPECT_FALSE(world.joins(world.bob(), "bob", 40s));
}

/// And the connection is closed a while later; back again when UDP fails.
TEST(Stream, ThePathMovesBackToUdpAndThereAgain) {
  StreamWorld world(4);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  ASSERT_TRUE(world.run_until([&] { return world.is_by_tls(world.alice(), "bob"); }, 5s));
  world.set_udp(true);
  EXPECT_EQ(world.lost_while(world.alice(), world.bob(), 20s), 0U);
  EXPECT_TRUE(world.is_by_udp(world.bob(), "alice"));
  EXPECT_TRUE(world.is_by_udp(world.alice(), "bob"));
  ASSERT_TRUE(world.run_until([&] { return world.streams() == 0; }, 60s));
  EXPECT_EQ(world.lost_while(world.alice(), world.bob(), 5s), 0U);

  world.set_udp(false);
  ASSERT_TRUE(world.run_until(
      [&] {
        world.send(world.bob(), world.alice());
        world.run_for(100ms);
        return world.is_by_tls(world.bob(), "alice");
      },
      60s));
  EXPECT_EQ(world.lost_while(world.alice(), world.bob(), 5s), 0U);
}

TEST(Stream, TwoBehindFirewallsTalkThroughAThird) {
  StreamWorld world(5);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  ASSERT_TRUE(world.joins(world.carol(), "carol"));
  ASSERT_TRUE(world.run_until(
      [&] {
        world.send(world.bob(), world.carol());
        world.run_for(100ms);
        return world.status_of(world.bob(), "carol").via == "alice" &&
               world.status_of(world.carol(), "bob").via == "alice";
      },
      60s));
  EXPECT_EQ(world.lost_while(world.bob(), world.carol(), 10s), 0U);
}

/// The address is remembered on disk: there is no invite to find it in any more.
TEST(Stream, ARestartFindsItsWayByTls) {
  StreamWorld world(6);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  ASSERT_TRUE(world.run_until([&] { return world.is_by_tls(world.alice(), "bob"); }, 5s));
  world.run_for(5s);
  world.bob().crash();
  world.bob().start();
  EXPECT_TRUE(world.run_until([&] { return world.is_by_tls(world.bob(), "alice"); }, 30s));
}

/// What bob sends by UDP arrives, and no answer does: each initiation that goes both ways is
/// answered where it is lost.
TEST(Stream, AMemberThatHearsNoUdpJoinsByTls) {
  StreamWorld world(7);
  world.set_path(world.alice(), world.bob(), {.udp_deaf = world.bob().index()});
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  EXPECT_TRUE(world.run_until([&] { return world.is_by_tls(world.bob(), "alice"); }, 10s));
  EXPECT_GE(world.weather().blocked, 1U);
}

/// Whoever was reached by TLS and is gone is dialled anew when it is back, from a new port.
TEST(Stream, AServersRestartMakesANewConnection) {
  StreamWorld world(8);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  ASSERT_TRUE(world.run_until([&] { return world.is_by_tls(world.alice(), "bob"); }, 5s));
  const auto before = world.status_of(world.alice(), "bob").stream;
  world.run_for(5s);
  world.alice().crash();
  EXPECT_EQ(world.streams(), 0U);
  world.run_for(1s);
  world.alice().start();
  ASSERT_TRUE(world.run_until([&] { return world.is_by_tls(world.alice(), "bob"); }, 60s));
  EXPECT_NE(world.status_of(world.alice(), "bob").stream, before);
}

/// Alice serves no longer: that is heard and remembered, and nobody dials there.
TEST(Stream, WhoServesNoLongerIsNotDialled) {
  StreamWorld world(9);
  ASSERT_TRUE(world.joins(world.bob(), "bob"));
  ASSERT_TRUE(world.run_until([&] { return world.is_by_tls(world.alice(), "bob"); }, 5s));
  world.set_udp(true);
  world.alice().crash();
  world.alice().stream_port = 0;
  world.alice().start();
  ASSERT_TRUE(world.run_until([&] { return world.is_by_udp(world.bob(), "alice"); }, 60s));
  world.run_for(60s);
  const std::size_t before = world.dials();
  world.set_udp(false);
  world.run_for(60s);
  EXPECT_EQ(world.dials(), before);
}

}  // namespace
}  // namespace ipop::sim
