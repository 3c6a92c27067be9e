#include "nat/path_set.h"

#include <gtest/gtest.h>

#include <functional>

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

Way endpoint(std::uint32_t n) { return Endpoint{Ipv4{0xc6120000U + n}, 4000}; }
Way relay(std::uint32_t n) { return Way::relay(PeerHandle{n}, RelayLabel{n + 1000}); }

/// A path set, its clock, and what it said.
struct Bench {
  explicit Bench(PathSet::Role role = PathSet::Role::Leads) : paths(rng, role) {}

  SeededRng rng{1};
  PathSet paths;
  Instant now{1h};
  std::vector<PathSet::SendChallenge> challenges;
  std::vector<Instant> sent;  ///< each of them
  std::size_t late = 0;       ///< so many were answered by run_answering_late()
  std::vector<std::optional<Way>> actives;
  std::vector<Way> lost;
  Instant wait = Instant::max();

  void drain() {
    for (;;) {
      const auto output = paths.poll_output();
      if (const auto* w = std::get_if<PathSet::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      if (const auto* c = std::get_if<PathSet::SendChallenge>(&output)) {
        challenges.push_back(*c);
        sent.push_back(now);
      }
      if (const auto* l = std::get_if<PathSet::Lost>(&output)) lost.push_back(l->way);
      if (const auto* a = std::get_if<PathSet::ActiveChanged>(&output)) {
        actives.push_back(a->way);
      }
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 1000) << "the deadline stands still";
      now = std::max(now, wait);
      paths.handle_timeout(now);
      drain();
    }
    now = end;
  }
};

/// Answers the challenges of `b` from `seen` on that the world lets through.
void answer(Bench& b, std::size_t& seen, const std::function<bool(const Way&)>& works) {
  for (; seen < b.challenges.size(); ++seen) {
    if (!works(b.challenges[seen].to)) continue;
    b.paths.handle_response(b.now, b.challenges[seen].token);
    b.drain();
  }
}

/// The same with all that come, until time has passed.
void run_answering(Bench& b, Duration time, const std::function<bool(const Way&)>& works) {
  const Instant end = b.now + time;
  std::size_t seen = b.challenges.size();
  while (b.now < end) {
    answer(b, seen, works);
    b.run_for(20ms);
  }
}

// To the peer they are two addresses of ours, and it may have settled on either.
TEST(PathSet, OfTwoSocketsDataGoesFromTheOneThatThePeerIsHeardOn) {
  Bench b;
  const Way here(endpoint(1).endpoint(), SocketId{1});
  const Way there(endpoint(1).endpoint(), SocketId{2});
  b.paths.handle_proven(b.now, here);
  b.paths.handle_proven(b.now, there);
  b.drain();
  ASSERT_EQ(b.paths.active(), here);
  b.paths.handle_received(b.now, there);
  EXPECT_EQ(b.paths.active(), there);
  b.paths.handle_received(b.now, there);
  EXPECT_EQ(b.paths.active(), there);
  b.paths.handle_received(b.now, here);
  EXPECT_EQ(b.paths.active(), here);

  b.paths.handle_received(b.now, Way(endpoint(1).endpoint(), SocketId{3}));
  EXPECT_EQ(b.paths.active(), here) << "which is not proven";
  b.paths.handle_proven(b.now, endpoint(2));
  b.paths.handle_received(b.now, endpoint(2));
  EXPECT_EQ(b.paths.active(), here) << "another address of the peer's is no choice of ours";
  b.paths.hold(b.now + 1s);
  b.paths.handle_received(b.now, there);
  EXPECT_EQ(b.paths.active(), here) << "a trial says nothing of what the peer chose";
}

TEST(PathSet, DataMovesOnlyAfterAChallengeIsAnswered) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(1));
  b.now += 1s;
  b.paths.handle_received(b.now, endpoint(2));
  b.drain();
  ASSERT_EQ(b.challenges.size(), 1U);
  EXPECT_EQ(b.challenges[0].to, endpoint(2));
  EXPECT_EQ(b.paths.active(), endpoint(1));  // a mere packet moves nothing

  b.paths.handle_response(b.now, {});  // nor does an answer to nothing
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(1));
  b.paths.handle_response(b.now + 40ms, b.challenges[0].token);
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(2));
  EXPECT_EQ(b.paths.rtt(), 40ms);
}

TEST(PathSet, WhileAllWaysAreTriedTheOneInUseStays) {
  Bench b(PathSet::Role::Follows);
  b.paths.handle_proven(b.now, endpoint(1));
  b.paths.hold(b.now + 4s);
  b.paths.handle_received(b.now, endpoint(2));
  b.drain();
  b.paths.handle_response(b.now + 10ms, b.challenges.at(0).token);
  std::size_t seen = 1;
  for (int i = 0; i < 38; ++i) {  // both ends send on both ways all the while
    b.paths.handle_received(b.now, endpoint(2));
    b.paths.handle_traffic(b.now, b.now, b.now);
    b.drain();
    b.run_for(100ms);
    answer(b, seen, [](const Way&) { return true; });
    EXPECT_EQ(b.paths.active(), endpoint(1)) << i;
  }
}

/// A path that is known already, and one that is not.
TEST(PathSet, AMoveWhileAllWaysAreTriedIsFollowed) {
  for (const bool is_known : {false, true}) {
    Bench b;
    b.paths.handle_proven(b.now, endpoint(1));
    if (is_known) b.paths.handle_proven(b.now, endpoint(2));
    b.drain();
    b.paths.hold(b.now + 4s);
    std::size_t seen = 0;
    for (int i = 0; i < 13; ++i) {  // it sends, and answers, from its new address alone
      b.paths.handle_received(b.now, endpoint(2));
      b.paths.handle_traffic(b.now, b.now, b.now);
      b.drain();
      b.run_for(100ms);
      answer(b, seen, [](const Way& to) { return to == endpoint(2); });
    }
    EXPECT_EQ(b.paths.active(), endpoint(2)) << is_known;
  }
}

TEST(PathSet, WhileAllWaysAreTriedABetterKindIsTaken) {
  Bench b(PathSet::Role::Follows);
  b.paths.handle_proven(b.now, relay(1));
  b.paths.hold(b.now + 4s);
  b.paths.handle_proven(b.now, relay(2));
  b.paths.handle_received(b.now, relay(2));
  b.drain();
  EXPECT_EQ(b.paths.active(), relay(1)) << "it follows after the trial";
  b.paths.handle_received(b.now, endpoint(2));
  b.drain();
  b.paths.handle_response(b.now + 10ms, b.challenges.back().token);
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(2));
  b.now += 5s;
  b.paths.handle_received(b.now, endpoint(3));
  b.drain();
  b.paths.handle_response(b.now + 10ms, b.challenges.back().token);
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(3)) << "a move after the trial is one";
}

TEST(PathSet, AnUnansweredCandidateIsGivenUp) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.paths.handle_received(b.now, endpoint(2));
  b.drain();
  b.run_for(10s);
  EXPECT_EQ(b.challenges.size(), 3U);
  EXPECT_EQ(b.paths.active(), endpoint(1));
}

TEST(PathSet, SilenceUnderTrafficMovesToTheWarmPath) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.paths.handle_proven(b.now, endpoint(2));
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(1));
  b.actives.clear();
  // Data goes out, nothing comes back.
  for (int i = 0; i < 30; ++i) {
    b.paths.handle_traffic(b.now, b.now, b.now - 100ms * i);
    b.drain();
    b.run_for(100ms);
    if (!b.actives.empty()) break;
  }
  ASSERT_FALSE(b.actives.empty());
  EXPECT_EQ(b.actives[0], endpoint(2));
}

TEST(PathSet, WithoutAnotherPathTheLossIsReported) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.paths.suspect_active(b.now);
  b.drain();
  b.run_for(2s);
  ASSERT_EQ(b.actives.size(), 2U);
  EXPECT_EQ(b.actives[1], std::nullopt);
  EXPECT_EQ(b.paths.destinations(), std::vector<Way>{endpoint(1)});  // kept as a hint
}

TEST(PathSet, OneWayTrafficIsProbedWithoutSpinning) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.drain();
  std::size_t answered = 0;
  for (int i = 0; i < 100; ++i) {
    b.paths.handle_traffic(b.now, b.now, Instant::min());
    b.drain();
    for (; answered < b.challenges.size(); ++answered) {
      b.paths.handle_response(b.now, b.challenges[answered].token);
      b.drain();
    }
    b.run_for(100ms);
  }
  EXPECT_EQ(b.paths.active(), endpoint(1));
  EXPECT_LE(b.challenges.size(), 25U);  // 10 s, at most one every 500 ms, and some slack
}

TEST(PathSet, ManyHintsNeverPushOutTheActivePath) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  for (std::uint32_t i = 2; i < 100; ++i) b.paths.add_hint(endpoint(i));
  b.paths.add_hint(Endpoint{Ipv4{}, 7});
  b.paths.add_hint(Endpoint{Ipv4{1}, 0});
  b.drain();
  EXPECT_EQ(b.paths.destinations().size(), PathSet::kPathsMax);
  EXPECT_EQ(b.paths.destinations().front(), endpoint(1));
}

TEST(PathSet, AProvenDirectPathTakesOverFromARelayAndThatFromRouting) {
  Bench b;
  b.paths.handle_proven(b.now, Way::routed());
  b.paths.handle_proven(b.now, relay(1));
  b.drain();
  EXPECT_EQ(b.paths.active(), relay(1));
  b.paths.handle_received(b.now, endpoint(1));
  b.drain();
  EXPECT_EQ(b.paths.active(), relay(1));  // a packet from there proves nothing
  b.paths.handle_response(b.now, b.challenges.back().token);
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(1));
  EXPECT_EQ(b.paths.destinations(), (std::vector<Way>{endpoint(1), relay(1), Way::routed()}));
}

TEST(PathSet, AWorseKindTakesOverOnlyWhenTheBetterOneIsLost) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.paths.suspect_active(b.now);
  b.drain();
  b.run_for(400ms);  // one miss: suspect
  b.paths.handle_proven(b.now, relay(1));
  b.paths.probe(b.now, relay(2));
  b.drain();
  b.paths.handle_response(b.now, b.challenges.back().token);
  b.drain();
  EXPECT_EQ(b.paths.active(), endpoint(1));
  b.run_for(2s);
  ASSERT_TRUE(b.paths.active().has_value());
  EXPECT_TRUE(b.paths.active()->is_relay());
}

TEST(PathSet, WhileARelayCarriesDirectAddressesAreTriedLessAndLessOften) {
  Bench b;
  b.paths.add_hint(endpoint(1));
  b.paths.handle_proven(b.now, relay(1));
  b.drain();
  run_answering(b, 10min, [](const Way& way) { return way.is_relay(); });
  const auto tries = b.challenges.size();
  EXPECT_GE(tries, 20U);
  EXPECT_LE(tries, 30U);
  EXPECT_EQ(b.paths.active(), relay(1));
  run_answering(b, 40s, [](const Way&) { return true; });
  EXPECT_EQ(b.paths.active(), endpoint(1));
  const auto before = b.challenges.size();
  b.run_for(10min);
  EXPECT_EQ(b.challenges.size(), before) << "with a direct path there is nothing to look for";
}

// Who uses a relay gets the direct path soon after it is there again.
TEST(PathSet, ARelayInUseIsLeftSoonerThanAnIdleOne) {
  Bench b;
  b.paths.add_hint(endpoint(1));
  b.paths.handle_proven(b.now, relay(1));
  b.drain();
  const auto none_direct = [](const Way& way) { return way.is_relay(); };
  const auto tries = [&b] {
    return std::ranges::count_if(b.challenges, [](const auto& c) { return c.to.is_direct(); });
  };
  run_answering(b, 10min, none_direct);
  const auto idle = tries();
  for (int second = 0; second < 60; ++second) {
    b.paths.handle_traffic(b.now, b.now, b.now);
    b.drain();
    run_answering(b, 1s, none_direct);
  }
  EXPECT_GE(tries(), idle + 5);
  EXPECT_LE(tries(), idle + 8) << "and no more often than that";
}

TEST(PathSet, ARelayThatClosesHandsOverToTheWarmOne) {
  Bench b;
  b.paths.handle_proven(b.now, relay(1));
  b.paths.handle_proven(b.now, relay(2));
  b.drain();
  EXPECT_EQ(b.paths.active(), relay(1));
  b.paths.remove(b.now, relay(1));
  b.drain();
  EXPECT_EQ(b.paths.active(), relay(2));
  EXPECT_EQ(b.paths.destinations(), std::vector<Way>{relay(2)});
  b.paths.remove(b.now, relay(2));
  b.drain();
  EXPECT_EQ(b.paths.active(), std::nullopt);
  EXPECT_TRUE(b.paths.destinations().empty());
}

// A peer whose way to us through one relay died goes to another one. Its packets there must not
// keep us on the dead one, although they show that it lives.
TEST(PathSet, APeerHeardElsewhereDoesNotKeepADeadPathAlive) {
  Bench b;
  b.paths.handle_proven(b.now, relay(1));
  b.paths.handle_proven(b.now, relay(2));
  b.drain();
  for (int i = 0; i < 30; ++i) {
    b.paths.handle_received(b.now, relay(2));
    b.paths.handle_traffic(b.now, b.now, b.now);
    b.drain();
    b.run_for(100ms);
  }
  EXPECT_EQ(b.paths.active(), relay(2));
}

TEST(PathSet, OfTwoRelaysTheFollowerTakesTheLeadersAndTheLeaderKeepsIts) {
  for (const auto role : {PathSet::Role::Leads, PathSet::Role::Follows}) {
    Bench b(role);
    b.paths.handle_proven(b.now, relay(1));
    b.paths.handle_proven(b.now, relay(2));
    b.drain();
    b.paths.handle_received(b.now, relay(2));
    b.drain();
    run_answering(b, 3s, [](const Way&) { return true; });
    EXPECT_EQ(b.paths.active(), relay(role == PathSet::Role::Follows ? 2 : 1));
  }
}

TEST(PathSet, ARelayThatDoesNotAnswerIsReported) {
  Bench b;
  b.paths.handle_proven(b.now, relay(1));
  b.paths.handle_proven(b.now, relay(2));
  b.paths.probe(b.now, relay(3));  // never works
  b.drain();
  run_answering(b, 3s, [](const Way& way) { return way == relay(1) || way == relay(2); });
  EXPECT_TRUE(b.lost.empty()) << "one round may be lost by chance";
  run_answering(b, 10s, [](const Way& way) { return way == relay(1) || way == relay(2); });
  EXPECT_EQ(b.lost, std::vector<Way>{relay(3)});
  b.paths.suspect_active(b.now);
  b.drain();
  run_answering(b, 2s, [](const Way& way) { return way == relay(2); });
  EXPECT_EQ(b.paths.active(), relay(2));
  EXPECT_EQ(b.lost.back(), relay(1)) << "one that worked at once";
}

/// Answers each challenge so long after it was sent, until time has passed.
void run_answering_late(Bench& b, Duration time, Duration round_trip) {
  for (const Instant end = b.now + time; b.now < end; b.run_for(10ms)) {
    for (; b.late < b.sent.size() && b.sent[b.late] + round_trip <= b.now; ++b.late) {
      b.paths.handle_response(b.now, b.challenges[b.late].token);
      b.drain();
    }
  }
}

// Through a relay far away, over a satellite: the answer to a challenge comes when two more of them
// have been sent.
TEST(PathSet, AWayIsProvenThatAnswersLaterThanItIsAskedAgain) {
  for (const Duration round_trip : {250ms, 350ms, 650ms, 950ms, 2900ms}) {
    Bench b;
    b.paths.handle_proven(b.now, Way::routed());
    b.paths.probe(b.now, relay(1));
    b.drain();
    run_answering_late(b, 4s, round_trip);
    EXPECT_EQ(b.paths.active(), relay(1)) << round_trip.count();
    EXPECT_TRUE(b.lost.empty()) << round_trip.count();
    ASSERT_TRUE(b.paths.rtt().has_value());
    EXPECT_GE(*b.paths.rtt(), round_trip);
    EXPECT_LE(*b.paths.rtt(), round_trip + 20ms);
  }
}

TEST(PathSet, AnAnswerThatIsTooOldProvesNothing) {
  Bench b;
  b.paths.handle_proven(b.now, Way::routed());
  b.paths.probe(b.now, relay(1));
  b.drain();
  b.paths.handle_response(b.now + PathSet::kAnswerMax + 1ns, b.challenges.at(0).token);
  b.drain();
  EXPECT_EQ(b.paths.active(), Way::routed());
}

TEST(PathSet, AnAnswerCountsOnce) {
  Bench b;
  b.paths.handle_proven(b.now, endpoint(1));
  b.paths.suspect_active(b.now);
  b.drain();
  const auto token = b.challenges.at(0).token;
  b.paths.handle_response(b.now + 40ms, token);
  b.now += 2s;
  b.paths.suspect_active(b.now);
  b.drain();
  b.paths.handle_response(b.now + 100ms, token);  // a copy of it, or a replay
  b.drain();
  b.run_for(5s);
  EXPECT_EQ(b.paths.active(), std::nullopt) << "the second challenge was never answered";
}

// Data flows, and nothing but answers comes back, each later than 300 ms.
TEST(PathSet, AWayWithALongRoundTripIsNotTakenForOneThatFails) {
  for (const Duration round_trip : {350ms, 650ms, 1200ms}) {
    Bench b;
    b.paths.handle_proven(b.now, endpoint(1));
    b.paths.set_rtt(round_trip);
    b.paths.handle_proven(b.now, endpoint(2));
    b.drain();
    b.actives.clear();
    for (int second = 0; second < 20; ++second) {
      b.paths.handle_traffic(b.now, b.now, Instant::min());
      b.drain();
      run_answering_late(b, 1s, round_trip);
    }
    EXPECT_TRUE(b.actives.empty()) << round_trip.count();
    EXPECT_LE(b.challenges.size(), 40U) << "one every 500 ms at most";
  }
}

TEST(PathSet, ManyAddressesPushOutNoRelay) {
  Bench b;
  b.paths.add_hint(relay(1));
  for (std::uint32_t i = 1; i < 100; ++i) b.paths.add_hint(endpoint(i));
  EXPECT_EQ(b.paths.destinations().size(), PathSet::kPathsMax);
  EXPECT_EQ(b.paths.destinations().back(), relay(1));
}

}  // namespace
}  // namespace ipop::nat
