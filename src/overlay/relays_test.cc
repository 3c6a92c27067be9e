#include "overlay/relays.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

namespace ipop::overlay {
namespace {

using namespace std::chrono_literals;

wire::NodeId node(std::uint8_t n) {
  wire::NodeId out;
  out.bytes.fill(std::byte{n});
  return out;
}
const wire::NodeId kA = node(1);
const wire::NodeId kB = node(2);
const wire::NodeId kR = node(3);
const wire::NodeId kS = node(4);
const wire::NodeId kStranger = node(99);

/// Some nodes, their sessions, and the frames between them, which may be lost or doubled.
class Party {
 public:
  struct One {
    One(const Relays::Options& options, std::uint64_t seed)
        : rng(seed), labels(rng), relays(options, rng, labels) {}
    SeededRng rng;
    LabelTable labels;
    Relays relays;
    std::vector<Relays::Up> ups;
    std::vector<Relays::Down> downs;
    Instant wait = Instant::max();
  };

  explicit Party(std::vector<wire::NodeId> nodes, Relays::Options options = {},
                 std::uint64_t seed = 7)
      : rng_(seed), nodes_(std::move(nodes)) {
    for (const auto& n : nodes_) all_[n] = std::make_unique<One>(options, rng_.next_u64());
    for (const auto& n : nodes_) at(n).set_members(now, n, nodes_);
  }

  Relays& at(const wire::NodeId& n) { return all_.at(n)->relays; }
  One& one(const wire::NodeId& n) { return *all_.at(n); }
  void connect(const wire::NodeId& a, const wire::NodeId& b, bool direct = true) {
    linked_.insert(std::minmax(a, b));
    at(a).handle_up(now, b, direct);
    at(b).handle_up(now, a, direct);
    drain();
  }
  void disconnect(const wire::NodeId& a, const wire::NodeId& b) {
    linked_.erase(std::minmax(a, b));
    at(a).handle_down(now, b);
    at(b).handle_down(now, a);
    drain();
  }
  /// The node forgets everything; nobody's session notices.
  void restart(const wire::NodeId& n, const Relays::Options& options = {}) {
    all_[n] = std::make_unique<One>(options, rng_.next_u64());
    at(n).set_members(now, n, nodes_);
    for (const auto& [a, b] : linked_) {
      if (a == n) at(n).handle_up(now, b, true);
      if (b == n) at(n).handle_up(now, a, true);
    }
    drain();
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    drain();
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 100000) << "a deadline stands still";
      Instant next = flights_.empty() ? Instant::max() : flights_.front().at;
      for (const auto& [n, o] : all_) next = std::min(next, o->wait);
      if (next > end) break;
      now = std::max(now, next);
      for (const auto& [n, o] : all_) {
        if (o->wait <= now) o->relays.handle_timeout(now);
      }
      while (!flights_.empty() && flights_.front().at <= now) {
        const Flight flight = flights_.front();
        flights_.pop_front();
        at(flight.to).handle_frame(now, flight.from, flight.frame);
      }
      drain();
    }
    now = end;
  }
  /// Everything that the nodes say goes on its way.
  void drain() {
    for (auto& [n, o] : all_) {
      for (bool more = true; more;) {
        const auto output = o->relays.poll_output();
        if (const auto* s = std::get_if<Relays::Send>(&output)) {
          post(n, s->to, s->frame);
        } else if (const auto* u = std::get_if<Relays::Up>(&output)) {
          o->ups.push_back(*u);
        } else if (const auto* d = std::get_if<Relays::Down>(&output)) {
          o->downs.push_back(*d);
        } else if (const auto* w = std::get_if<Relays::WaitUntil>(&output)) {
          o->wait = w->at;
          more = false;
        }
      }
    }
  }
  void post(const wire::NodeId& from, const wire::NodeId& to, const wire::RelayFrame& frame) {
    ++frames;
    if (!linked_.contains(std::minmax(from, to))) return;
    if (tap != nullptr && to == tapped) tap->push_back(frame);
    for (int copies = rng_.below(100) < doubled ? 2 : 1; copies > 0; --copies) {
      if (rng_.below(100) >= lost) flights_.push_back({now + 10ms, from, to, frame});
    }
  }
  /// A packet sent on this way, as the workers would carry it: whose is it at the other end?
  std::optional<wire::NodeId> carry(const Relays::Up& up) {
    for (const auto& [id, c] : at(up.hop).circuits()) {
      for (const bool back : {false, true}) {
        const Relays::Side& in = back ? c.far : c.asker;
        const Relays::Side& out = back ? c.asker : c.far;
        if (!c.up || in.incoming != up.outgoing) continue;
        const auto& ends = at(out.node).ends();
        const auto end = ends.find(out.outgoing);
        if (end == ends.end() || !end->second.up || end->second.hop != up.hop) return std::nullopt;
        return end->second.far;
      }
    }
    return std::nullopt;
  }

  Instant now{1h};
  std::uint64_t lost = 0;     ///< of 100 frames
  std::uint64_t doubled = 0;  ///< of 100 frames
  std::size_t frames = 0;
  std::vector<wire::RelayFrame>* tap = nullptr;
  wire::NodeId tapped;

 private:
  struct Flight {
    Instant at;
    wire::NodeId from;
    wire::NodeId to;
    wire::RelayFrame frame;
  };
  SeededRng rng_;
  std::vector<wire::NodeId> nodes_;
  std::map<wire::NodeId, std::unique_ptr<One>> all_;
  std::set<std::pair<wire::NodeId, wire::NodeId>> linked_;
  std::deque<Flight> flights_;
};

/// Alice and bob, who reach the relay and not each other.
struct Star : Party {
  explicit Star(const Relays::Options& options = {}) : Party({kA, kB, kR}, options) {
    connect(kA, kR);
    connect(kB, kR);
  }
};

TEST(Relays, CarryBothWaysBetweenTwoThatAgree) {
  Star p;
  p.at(kA).want(p.now, kB, {kR});
  p.run_for(1s);
  ASSERT_EQ(p.one(kA).ups.size(), 1U);
  ASSERT_EQ(p.one(kB).ups.size(), 1U);
  EXPECT_EQ(p.one(kA).ups[0].far, kB);
  EXPECT_EQ(p.one(kB).ups[0].far, kA);
  EXPECT_EQ(p.carry(p.one(kA).ups[0]), kA) << "arrives at bob as alice's";
  EXPECT_EQ(p.carry(p.one(kB).ups[0]), kB);
  EXPECT_EQ(p.frames, 4U);
}

TEST(Relays, OpenOverLossAndDuplicatesOnceOnly) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Party p({kA, kB, kR}, {}, seed);
    p.connect(kA, kR);
    p.connect(kB, kR);
    p.lost = 30;
    p.doubled = 30;
    p.at(kA).want(p.now, kB, {kR});
    p.run_for(60s);
    std::size_t working = 0;
    for (const auto& [label, end] : p.at(kA).ends()) {
      if (end.up && p.carry({end.far, end.hop, end.outgoing, label}) == kA) ++working;
    }
    EXPECT_EQ(working, 1U) << seed;
    EXPECT_LE(p.at(kR).circuits().size(), 4U) << seed;
  }
}

TEST(Relays, AWarmSpareIsOpenedAndAThirdWhenOneFails) {
  Party p({kA, kB, kR, kS, node(5)});
  for (const auto& r : {kR, kS, node(5)}) {
    p.connect(kA, r);
    p.connect(kB, r);
  }
  p.at(kA).want(p.now, kB, {kR, kS, node(5)});
  p.run_for(1s);
  EXPECT_EQ(p.one(kA).ups.size(), 2U);
  EXPECT_TRUE(p.at(node(5)).circuits().empty());
  p.disconnect(kA, kR);  // its session drops
  ASSERT_EQ(p.one(kA).downs.size(), 1U);
  EXPECT_EQ(p.one(kA).downs[0].hop, kR);
  p.run_for(1s);
  ASSERT_EQ(p.one(kA).ups.size(), 3U);
  EXPECT_EQ(p.one(kA).ups[2].hop, node(5));
  EXPECT_TRUE(p.at(kR).circuits().empty());
  ASSERT_EQ(p.one(kB).downs.size(), 1U) << "the relay told the other end";
}

TEST(Relays, WhoRefusesIsPassedOver) {
  Party p({kA, kB, kR, kS});
  p.connect(kA, kR);  // which has no session with bob
  p.connect(kA, kS);
  p.connect(kB, kS);
  p.at(kA).want(p.now, kB, {kR, kS});
  p.run_for(1s);
  ASSERT_EQ(p.one(kA).ups.size(), 1U);
  EXPECT_EQ(p.one(kA).ups[0].hop, kS);
  const auto before = p.frames;
  p.run_for(60s);
  EXPECT_LE(p.frames - before, 2U * 6) << "asked again in its time, not more often";
  p.connect(kB, kR);
  p.run_for(11s);
  EXPECT_EQ(p.one(kA).ups.size(), 2U);
}

TEST(Relays, BothEndsOpeningAtOnceHoldTwoAndAreContent) {
  Star p;
  p.at(kA).want(p.now, kB, {kR});
  p.at(kB).want(p.now, kA, {kR});
  p.run_for(1s);
  EXPECT_EQ(p.one(kA).ups.size(), 2U);
  EXPECT_EQ(p.one(kB).ups.size(), 2U);
  for (const auto& up : p.one(kA).ups) EXPECT_EQ(p.carry(up), kA);
  const auto before = p.frames;
  p.run_for(4min);
  EXPECT_EQ(p.frames, before);
  EXPECT_TRUE(p.one(kA).downs.empty());
}

TEST(Relays, AnIdleCircuitCloses) {
  Star p;
  p.at(kA).want(p.now, kB, {kR});
  p.run_for(1s);
  p.at(kA).unwant(kB);
  for (int minute = 0; minute < 10; ++minute) {
    p.run_for(1min);
    for (const auto& [id, c] : p.at(kR).circuits()) p.at(kR).note_used(id, p.now);
    p.drain();
  }
  EXPECT_EQ(p.at(kR).circuits().size(), 1U);
  p.run_for(6min);
  EXPECT_TRUE(p.at(kR).circuits().empty());
  EXPECT_EQ(p.one(kA).downs.size(), 1U);
  EXPECT_EQ(p.one(kB).downs.size(), 1U);
  for (const auto& n : {kA, kB, kR}) EXPECT_EQ(p.one(n).labels.size(), 0U);
}

TEST(Relays, AMemberThatIsOneNoLongerIsCarriedNoMore) {
  Star p;
  p.at(kA).want(p.now, kB, {kR});
  p.run_for(1s);
  p.at(kR).set_members(p.now, kR, {kB});
  p.run_for(100ms);
  EXPECT_TRUE(p.at(kR).circuits().empty());
  EXPECT_EQ(p.one(kB).downs.size(), 1U);
  p.run_for(3min);
  EXPECT_EQ(p.one(kA).ups.size(), 1U);
  EXPECT_TRUE(p.at(kR).circuits().empty());
  // Nor does bob take offers of a relay that still believes in alice.
  Star q;
  q.at(kB).set_members(q.now, kB, {kR});
  q.at(kA).want(q.now, kB, {kR});
  q.run_for(10s);
  EXPECT_TRUE(q.one(kA).ups.empty());
  EXPECT_TRUE(q.at(kR).circuits().empty());
}

TEST(Relays, BothLegsMustBeDirect) {
  Party p({kA, kB, kR});
  p.connect(kA, kR);
  p.connect(kB, kR, false);
  p.at(kA).want(p.now, kB, {kR});
  p.run_for(5s);
  EXPECT_TRUE(p.one(kA).ups.empty());
  p.connect(kB, kR, true);
  p.run_for(11s);
  EXPECT_EQ(p.one(kA).ups.size(), 1U);
  p.at(kR).handle_up(p.now, kA, false);  // the leg moves to a relay itself
  p.run_for(100ms);
  EXPECT_TRUE(p.at(kR).circuits().empty());
}

TEST(Relays, WhoCarriesForNobodySaysSo) {
  Star p({.enabled = false});
  p.at(kA).want(p.now, kB, {kR});
  p.run_for(4min);
  EXPECT_TRUE(p.one(kA).ups.empty());
  EXPECT_EQ(p.frames, 2U);
}

// The relay was started anew, and nobody's session noticed.
TEST(Relays, ALostCircuitIsOpenedAnew) {
  Star p;
  p.at(kA).want(p.now, kB, {kR});
  p.run_for(1s);
  p.restart(kR);
  EXPECT_EQ(p.carry(p.one(kA).ups[0]), std::nullopt);
  p.at(kA).handle_lost(p.now, kR, p.one(kA).ups[0].outgoing);
  p.run_for(11s);
  ASSERT_EQ(p.one(kA).ups.size(), 2U);
  EXPECT_EQ(p.carry(p.one(kA).ups[1]), kA);
  // And one that never carried anything: the far end was started anew.
  p.restart(kB);
  p.run_for(6s);
  p.at(kA).handle_unreachable(p.now, kB);
  p.run_for(11s);
  ASSERT_EQ(p.one(kA).ups.size(), 3U);
  EXPECT_EQ(p.carry(p.one(kA).ups[2]), kA);
}

/// What the relay answers to a request of alice's.
struct Asked {
  const char* why;
  wire::NodeId far;
};

TEST(Relays, SenselessRequestsAreRefused) {
  const Asked cases[] = {{"the relay itself", kR}, {"the asker itself", kA}, {"nobody", kStranger}};
  for (const Asked& asked : cases) {
    Star p;
    std::vector<wire::RelayFrame> heard;
    p.tap = &heard;
    p.tapped = kA;
    p.at(kR).handle_frame(p.now, kA,
                          wire::RelayOpen{.request = 9, .far = asked.far, .label = RelayLabel{5}});
    p.run_for(1s);
    ASSERT_EQ(heard.size(), 1U) << asked.why;
    const auto* no = std::get_if<wire::RelayNo>(&heard[0]);
    ASSERT_NE(no, nullptr) << asked.why;
    EXPECT_EQ(no->request, 9U);
    EXPECT_EQ(no->reason, wire::RelayRefusal::Refused);
    EXPECT_TRUE(p.at(kR).circuits().empty());
  }
}

TEST(Relays, ThousandsOfOpensAreBounded) {
  Star p;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    p.at(kR).handle_frame(p.now, kA,
                          wire::RelayOpen{.request = i, .far = kB, .label = RelayLabel{i + 1}});
    p.run_for(1ms);
  }
  EXPECT_LE(p.at(kR).circuits().size(), 4U);
  EXPECT_LE(p.at(kB).ends().size(), Relays::kAcceptedPerFar);
  // A burst of 16 and 2 a second were passed on, each with its answers.
  std::size_t accepted = p.one(kB).ups.size();
  EXPECT_LE(accepted, 16U + 2U * 6U);
  EXPECT_LE(p.one(kR).labels.size(), 8U);
}

TEST(Relays, QuotasHoldForAMemberAndInAll) {
  std::vector<wire::NodeId> nodes{kR};
  for (std::uint8_t n = 10; n < 40; ++n) nodes.push_back(node(n));
  Party p(nodes, {.circuits_per_member = 5, .circuits_total = 20, .asks_burst = 1000});
  for (std::uint8_t n = 10; n < 40; ++n) p.connect(node(n), kR);
  for (std::uint8_t a = 10; a < 40; ++a) {
    for (std::uint8_t b = 10; b < 40; ++b) {
      if (a != b) p.at(node(a)).want(p.now, node(b), {kR});
    }
  }
  p.run_for(2s);
  EXPECT_EQ(p.at(kR).circuits().size(), 20U);
  std::map<wire::NodeId, int> each;
  for (const auto& [id, c] : p.at(kR).circuits()) {
    ++each[c.asker.node];
    ++each[c.far.node];
  }
  for (const auto& [n, count] : each) EXPECT_LE(count, 5);
}

TEST(Relays, AMaliciousRelayCannotMakeAnEndHoldMuch) {
  Party p({kA, kR, kB});
  p.connect(kA, kR);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    p.at(kA).handle_frame(p.now, kR,
                          wire::RelayOpen{.role = wire::RelayOpen::Role::Offer,
                                          .request = i,
                                          .far = i % 2 == 0 ? kB : kStranger,
                                          .label = RelayLabel{i + 1}});
  }
  EXPECT_LE(p.at(kA).ends().size(), Relays::kAcceptedPerFar);
  // Answers and closings of what was never asked change nothing.
  p.at(kA).handle_frame(p.now, kR, wire::RelayOk{.request = 77, .label = RelayLabel{8}});
  p.at(kA).handle_frame(p.now, kR, wire::RelayNo{.request = 77});
  p.at(kA).handle_frame(p.now, kB, wire::RelayClose{.label = RelayLabel{4999}});
  EXPECT_EQ(p.at(kA).ends().size(), Relays::kAcceptedPerFar);
}

TEST(Relays, AnAnswerCountsFromWhomWasAskedOnly) {
  Party p({kA, kB, kR, kS});
  p.connect(kA, kR);
  p.connect(kA, kS);
  std::vector<wire::RelayFrame> heard;
  p.tap = &heard;
  p.tapped = kR;
  p.lost = 100;
  p.at(kA).want(p.now, kB, {kR});
  p.drain();
  ASSERT_FALSE(heard.empty());
  const auto request = std::get<wire::RelayOpen>(heard[0]).request;
  p.at(kA).handle_frame(p.now, kS, wire::RelayOk{.request = request, .label = RelayLabel{8}});
  p.drain();
  EXPECT_TRUE(p.one(kA).ups.empty());
  p.at(kA).handle_frame(p.now, kR, wire::RelayOk{.request = request, .label = RelayLabel{8}});
  p.drain();
  EXPECT_EQ(p.one(kA).ups.size(), 1U);
}

}  // namespace
}  // namespace ipop::overlay
