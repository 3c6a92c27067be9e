// Goal: any member reaches any member, whoever can talk directly to whom, and whoever leaves.
// Method: whole nodes in virtual time, pairs between which no datagram passes, liveness budgets; a
// failure prints its seed.

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;

/// `n` members, of which all can talk to the first `open` and each other pair with `linkable`
/// chance.
class Room {
 public:
  Room(std::uint64_t seed, std::size_t n, std::size_t open, double linkable) : world(seed) {
    world.default_path = {.delay = 20ms, .jitter = 5ms};
    for (std::size_t i = 0; i < n; ++i) world.add_node();
    for (std::size_t i = open; i < n; ++i) {
      for (std::size_t j = i + 1; j < n; ++j) {
        if (world.rng().below(1000) < static_cast<std::uint64_t>(linkable * 1000)) continue;
        world.set_path(world.node(i), world.node(j), {.blocked = true});
        blocked.emplace_back(i, j);
      }
    }
    found(world.node(0), "family", name(0));
    for (std::size_t i = 1; i < n; ++i) join(i, world.rng().below(std::min(i, open)));
  }
  static std::string name(std::size_t i) { return "m" + std::to_string(i); }
  Node& node(std::size_t i) { return world.node(i); }
  void join(std::size_t i, std::size_t inviter) {
    begin_join(node(i), invite(node(inviter)), name(i));
    ASSERT_TRUE(world.run_until([&] { return has_joined(node(i)); }, 10s)) << name(i);
  }
  bool knows(std::size_t i, std::size_t n) { return node(i).status().members.size() == n - 1; }

  /// One packet; whether it arrived within the time.
  bool reaches(std::size_t from, std::size_t to, Duration limit) {
    Node& a = node(from);
    Node& b = node(to);
    const auto before = b.received.size();
    a.send_ip(a.status().slot, ip_packet(*a.status().v4, *b.status().v4));
    return world.run_until([&] { return b.received.size() > before; }, limit);
  }
  void all_reach_each_other(const std::vector<std::size_t>& who, Duration limit) {
    for (const std::size_t a : who) {
      for (const std::size_t b : who) {
        if (a == b) continue;
        EXPECT_TRUE(reaches(a, b, limit)) << name(a) << " to " << name(b);
      }
    }
  }
  std::vector<std::size_t> everybody() {
    std::vector<std::size_t> all(world.size());
    std::iota(all.begin(), all.end(), 0U);
    return all;
  }

  World world;
  std::vector<std::pair<std::size_t, std::size_t>> blocked;
};

TEST(Overlay, FirstPacketsAreCarriedWhoeverCannotTalkDirectly) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Room room(seed, 10, 2, 0.4);
    ASSERT_TRUE(room.world.run_until([&] { return room.knows(9, 10) && room.knows(1, 10); }, 30s));
    room.world.run_for(5s);  // the ring settles; before it has, one first packet of 1000 is late
    room.all_reach_each_other(room.everybody(), 2s);
  }
}

TEST(Overlay, TwentyMembersReachEachOther) {
  Room room(3, 20, 3, 0.6);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(19, 20) && room.knows(1, 20); }, 60s));
  room.world.run_for(60s);
  room.all_reach_each_other(room.everybody(), 2s);
}

TEST(Overlay, NobodyKeepsASessionWithEverybody) {
  Room room(4, 24, 24, 1);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(23, 24) && room.knows(1, 24); }, 60s));
  room.world.run_for(5min);
  for (const std::size_t i : room.everybody()) {
    std::size_t sessions = 0;
    for (const auto& m : room.node(i).status().members) sessions += m.online ? 1U : 0U;
    EXPECT_GE(sessions, 8U);
    EXPECT_LE(sessions, 20U) << Room::name(i);
  }
  room.all_reach_each_other({0, 7, 20, 23}, 2s);
}

/// The members of a room in the order of their ring ids.
class Circle {
 public:
  explicit Circle(Room& room) : room_(&room) {
    for (std::size_t i = 0; i < room.world.size(); ++i) {
      ids_.push_back(*wire::NodeId::from(*from_hex(room.node(i).status().node)));
      order_.push_back(i);
    }
    std::ranges::sort(order_, {}, [&](std::size_t i) { return wire::ring_id(ids_[i]); });
  }

  /// Of one member's link to another, by its own ring: what the two ends must agree on.
  struct Roles {
    bool near = false;
    bool asked_for = false;  ///< a long link that this end asked for
    bool given = false;      ///< ... that the other end asked for
  };
  Roles roles(std::size_t at, std::size_t other) const {
    const overlay::Ring* ring = network_of(room_->node(at)).ring();
    const overlay::Link* link = ring == nullptr ? nullptr : ring->links().find(ids_[other]);
    if (link == nullptr) return {};
    return {link->near == overlay::NearState::Up, link->long_out, link->long_in};
  }
  /// Whether each has its four nearest on either side, and both ends say the same of each link.
  bool is_exact() const {
    const std::size_t n = order_.size();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t step = 1; step < n; ++step) {
        const std::size_t other = order_[(i + step) % n];
        const Roles here = roles(order_[i], other);
        const bool are_near = step <= 4 || n - step <= 4;
        if (here.near != are_near || here.asked_for != roles(other, order_[i]).given) return false;
      }
    }
    return true;
  }
  bool becomes_exact(Duration limit) const {
    const Instant end = room_->world.at() + limit;
    while (!is_exact() && room_->world.at() < end) room_->world.run_for(100ms);
    return is_exact();
  }

 private:
  Room* room_;
  std::vector<wire::NodeId> ids_;
  std::vector<std::size_t> order_;
};

TEST(Overlay, WhoRestartsTakesItsPlaceInTheRingWithinSeconds) {
  std::size_t long_links = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Room room(seed, 20, 20, 1);
    const Circle circle(room);
    ASSERT_TRUE(circle.becomes_exact(2min));
    for (const std::size_t i : {std::size_t{5}, std::size_t{11}, std::size_t{17}}) {
      for (std::size_t j = 0; j < 20; ++j) {
        if (j != i) long_links += circle.roles(j, i).asked_for ? 1U : 0U;
      }
      room.node(i).crash();
      room.world.run_for(1s);  // nobody notices
      room.node(i).start();
      room.world.run_for(100ms);
      EXPECT_TRUE(circle.becomes_exact(10s)) << Room::name(i);
    }
  }
  EXPECT_GE(long_links, 5U) << "links whose other end had forgotten them";
}

TEST(Overlay, AnotherRelayTakesOver) {
  Room room(5, 4, 2, 0);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(3, 4) && room.knows(2, 4); }, 30s));
  ASSERT_TRUE(room.reaches(2, 3, 2s));
  room.world.run_for(5s);
  const auto via = [&] {
    for (const auto& m : room.node(2).status().members) {
      if (m.name == Room::name(3)) return m.via.value_or("");
    }
    return std::string();
  };
  const std::string first = via();
  ASSERT_TRUE(first == Room::name(0) || first == Room::name(1)) << first;
  room.node(first == Room::name(0) ? 0 : 1).crash();
  bool arrived = false;
  for (int tenths = 0; tenths < 30 && !arrived; ++tenths) arrived = room.reaches(2, 3, 100ms);
  EXPECT_TRUE(arrived);
  room.world.run_for(10s);
  EXPECT_NE(via(), first);
  EXPECT_FALSE(via().empty());
}

TEST(Overlay, TheFounderMayBeOffForGood) {
  Room room(6, 8, 3, 0.5);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(7, 8) && room.knows(1, 8); }, 30s));
  room.node(0).crash();
  room.world.run_for(30s);
  room.all_reach_each_other({1, 2, 3, 4, 5, 6, 7}, 3s);
  room.world.add_node();
  room.join(8, 1);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(7, 9); }, 30s));
  room.node(4).crash();
  room.world.run_for(60s);
  room.node(4).start();
  room.world.run_for(20s);
  room.all_reach_each_other({1, 2, 3, 4, 5, 6, 7, 8}, 3s);
}

TEST(Overlay, WhoWasAwayFindsBackByAnyOneWhoStayed) {
  Room room(7, 6, 6, 1);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(5, 6) && room.knows(1, 6); }, 30s));
  room.world.run_for(5s);
  room.node(5).crash();
  room.world.add_node();
  room.join(6, 1);
  // Else the kick closes the invite that m6 came by, which is still open as far as m0 knows.
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(0, 7); }, 5s));
  ASSERT_TRUE(room.node(0).engine().kick(room.node(0).now(), {}, Room::name(2)).has_value());
  room.node(0).drain();
  room.world.run_for(5s);
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
    room.node(i).move_to({Ipv4{0xc6130000U + static_cast<std::uint32_t>(i)}, 5000});
  }
  room.world.run_for(60s);
  room.node(5).start();
  room.world.run_for(30s);
  room.all_reach_each_other({0, 1, 3, 4, 5, 6}, 3s);
  EXPECT_EQ(room.node(5).status().members.size(), 5U);
}

TEST(Overlay, TwoHalvesOfANetworkFindTogetherAgain) {
  Room room(8, 12, 12, 1);
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(11, 12) && room.knows(1, 12); }, 60s));
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 6; j < 12; ++j) {
      room.world.set_path(room.node(i), room.node(j), {.blocked = true});
    }
  }
  room.world.run_for(2min);
  room.world.add_node();
  room.world.add_node();
  for (std::size_t i = 0; i < 6; ++i) {
    room.world.set_path(room.node(i), room.node(13), {.blocked = true});
    room.world.set_path(room.node(i + 6), room.node(12), {.blocked = true});
  }
  room.world.set_path(room.node(12), room.node(13), {.blocked = true});
  room.join(12, 0);
  room.join(13, 6);
  room.world.run_for(1min);
  for (std::size_t i = 0; i < 14; ++i) {
    for (std::size_t j = i + 1; j < 14; ++j) {
      room.world.set_path(room.node(i), room.node(j), {.delay = 20ms, .jitter = 5ms});
    }
  }
  ASSERT_TRUE(room.world.run_until([&] { return room.knows(12, 14) && room.knows(13, 14); }, 8min));
  room.world.run_for(20s);
  room.all_reach_each_other({0, 3, 6, 9, 12, 13}, 3s);
}

TEST(Overlay, WhateverTwoHalvesGaveOutEndsWithOneOwnerForEachAddress) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Room room(seed, 2, 2, 1);
    room.world.run_for(5s);
    const std::size_t all = 16;
    while (room.world.size() < all) room.world.add_node();
    const auto link = [&](const Path& path) {
      for (std::size_t i = 0; i < all; ++i) {
        for (std::size_t j = i + 1; j < all; ++j) {
          if ((i + j) % 2 != 0) room.world.set_path(room.node(i), room.node(j), path);
        }
      }
    };
    link({.blocked = true});
    for (std::size_t i = 2; i < all; ++i) room.join(i, i % 2);
    room.world.run_for(10s);
    link({.delay = 20ms, .jitter = 5ms});
    ASSERT_TRUE(
        room.world.run_until([&] { return room.knows(2, all) && room.knows(3, all); }, 8min));
    room.world.run_for(5min);
    std::map<std::string, Ipv4> owners;
    for (std::size_t i = 0; i < all; ++i) {
      const auto status = room.node(i).status();
      ASSERT_TRUE(status.v4) << Room::name(i);
      for (const auto& [name, v4] : owners) EXPECT_NE(v4, *status.v4) << name;
      owners[status.member] = *status.v4;
    }
    EXPECT_EQ(owners.size(), all) << "names are unique, too";
    for (std::size_t i = 0; i < all; ++i) {
      for (const auto& m : room.node(i).status().members) EXPECT_EQ(m.v4, owners.at(m.name));
    }
  }
}

}  // namespace
}  // namespace ipop::sim
