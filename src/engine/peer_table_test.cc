#include "engine/peer_table.h"

#include <gtest/gtest.h>

#include "engine/context.h"

namespace ipop::engine {
namespace {

using namespace std::chrono_literals;

class PeerTableTest : public testing::Test {
 protected:
  Peer& add(std::uint32_t number) {
    auto peer = std::make_unique<Peer>();
    peer->handle = PeerHandle{number};
    peer->link = std::make_unique<Link>(
        session::Session::Options{&session::kNativeProfile, &local_, key_of(number), peer->handle,
                                  &context_.indices, &rng_},
        context_, 1420);
    return table_.add(std::move(peer));
  }
  static TunnelKey key_of(std::uint32_t number) {
    TunnelKey key;
    key.bytes[0] = std::byte(number);
    return key;
  }
  static wire::NodeId node_of(std::uint32_t number) {
    wire::NodeId node;
    node.bytes[0] = std::byte(number);
    return node;
  }
  /// Everybody that is to be looked at, which then is done.
  std::vector<std::uint32_t> touched() {
    std::vector<std::uint32_t> out;
    while (const Peer* peer = table_.next_touched()) out.push_back(peer->handle.value);
    return out;
  }
  using Numbers = std::vector<std::uint32_t>;

  SeededRng rng_{1};
  NullLogger log_;
  Context context_{rng_, log_, {.port = 41820}, {}};
  session::LocalSide local_;
  PeerTable table_;
};

TEST_F(PeerTableTest, WhoWasInHandIsLookedAtOnce) {
  for (std::uint32_t n = 1; n <= 5; ++n) add(n);
  EXPECT_EQ(touched(), (Numbers{1, 2, 3, 4, 5}));
  EXPECT_FALSE(table_.has_touched());
  ASSERT_NE(table_.look(PeerHandle{3}), nullptr);
  table_.look_at_each([](const Peer&) {});
  EXPECT_EQ(touched(), Numbers{}) << "reading changes nothing";
  ASSERT_NE(table_.find(PeerHandle{4}), nullptr);
  ASSERT_NE(table_.find(key_of(2)), nullptr);
  ASSERT_NE(table_.find(PeerHandle{4}), nullptr);
  EXPECT_EQ(table_.find(PeerHandle{9}), nullptr);
  EXPECT_EQ(touched(), (Numbers{2, 4}));
  table_.change_if([](const Peer& p) { return p.handle.value > 3; },
                   [](Peer& p) { p.path_mtu = 1; });
  EXPECT_EQ(touched(), (Numbers{4, 5}));
  EXPECT_EQ(table_.looks(), 9U);
}

TEST_F(PeerTableTest, DeadlinesComeInTheirOrder) {
  const Instant now{1h};
  for (std::uint32_t n = 1; n <= 4; ++n) table_.set_deadline(add(n), now + n * 1s);
  touched();
  EXPECT_EQ(table_.deadline(), now + 1s);
  EXPECT_TRUE(table_.take_due(now).empty());
  table_.set_deadline(*table_.look(PeerHandle{1}), now + 9s);
  table_.set_deadline(*table_.look(PeerHandle{2}), Instant::max());
  EXPECT_EQ(table_.deadline(), now + 3s);
  table_.set_deadline(*table_.look(PeerHandle{4}), now + 3s);
  EXPECT_EQ(table_.take_due(now + 3s), (std::vector{PeerHandle{3}, PeerHandle{4}}));
  EXPECT_EQ(touched(), (Numbers{3, 4}));
  EXPECT_EQ(table_.deadline(), now + 9s);
  EXPECT_EQ(table_.take_due(now + 9s), (std::vector{PeerHandle{1}}));
  EXPECT_EQ(table_.deadline(), Instant::max());
}

TEST_F(PeerTableTest, NothingIsLeftOfWhoIsRemoved) {
  Peer& one = add(1);
  table_.set_node(one, node_of(7));
  table_.set_deadline(one, Instant{1h});
  EXPECT_EQ(table_.strangers(), 0U);
  const auto gone = table_.remove(PeerHandle{1});
  ASSERT_NE(gone, nullptr);
  EXPECT_EQ(table_.remove(PeerHandle{1}), nullptr);
  EXPECT_EQ(table_.look(node_of(7)), nullptr);
  EXPECT_EQ(table_.look(key_of(1)), nullptr);
  EXPECT_EQ(table_.deadline(), Instant::max());
  EXPECT_FALSE(table_.has_touched());
}

TEST_F(PeerTableTest, APeerThatTurnsOutToBeSomebodyElseIsOneOnly) {
  Peer& peer = add(1);
  EXPECT_EQ(table_.strangers(), 1U);
  wire::NodeId first;
  wire::NodeId second;
  rng_.fill(first.bytes);
  rng_.fill(second.bytes);
  table_.set_node(peer, first);
  table_.set_node(peer, second);
  EXPECT_EQ(table_.look(first), nullptr);
  EXPECT_EQ(table_.look(second), &peer);
  EXPECT_EQ(table_.strangers(), 0U);
  static_cast<void>(add(2));
  EXPECT_EQ(table_.strangers(), 1U);
  static_cast<void>(table_.remove(peer.handle));
  EXPECT_TRUE(table_.by_node().empty());
  EXPECT_EQ(table_.strangers(), 1U);
}

TEST_F(PeerTableTest, ALinkThatIsDownNeverWaitsForAnAnswer) {
  Link& link = *add(1).link;
  const Now now{Instant{std::chrono::hours(1)}, UnixTime{1'800'000'000}};
  link.handle_ping_sent(now);
  const auto output = link.poll_output();
  ASSERT_TRUE(std::holds_alternative<Link::WaitUntil>(output));
  EXPECT_EQ(std::get<Link::WaitUntil>(output).at, Instant::max()) << "a deadline that nobody moves";
}

TEST_F(PeerTableTest, TheLaterPeerStandsForTheMember) {
  Peer& before = add(1);
  table_.set_node(before, node_of(7));
  Peer& after = add(2);
  EXPECT_EQ(table_.strangers(), 1U);
  table_.set_node(after, node_of(7));
  EXPECT_EQ(table_.find(node_of(7)), &after);
  ASSERT_NE(table_.remove(PeerHandle{1}), nullptr);
  EXPECT_EQ(table_.find(node_of(7)), &after);
}

}  // namespace
}  // namespace ipop::engine
