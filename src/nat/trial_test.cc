#include "nat/trial.h"

#include <gtest/gtest.h>

#include <map>
#include <tuple>

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;
using wire::TestOutcome;

Endpoint endpoint(std::uint32_t n) { return {Ipv4{0xc6120000U + n}, 4000}; }
const Way kRelay = Way::relay(PeerHandle{1}, RelayLabel{7});

/// A trial, its clock, and a peer who answers on some ways after a while.
struct Bench {
  SeededRng rng{1};
  Trial trial{rng};
  Instant now{1h};
  Instant wait = Instant::max();
  std::vector<Trial::SendProbe> probes;
  std::vector<std::pair<Instant, Trial::Token>> answers;
  std::map<Way, Duration> answering{};
  std::map<Way, TestOutcome> refusing{};

  void drain() {
    for (;;) {
      const auto output = trial.poll_output();
      if (const auto* w = std::get_if<Trial::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      const auto& probe = std::get<Trial::SendProbe>(output);
      probes.push_back(probe);
      if (const auto it = refusing.find(probe.to); it != refusing.end()) {
        trial.handle_unsent(probe.to.endpoint(), it->second);
      } else if (const auto way = answering.find(probe.to); way != answering.end()) {
        answers.emplace_back(now + way->second, probe.token);
      }
    }
  }
  /// Until it is over; how long it took.
  Duration run(std::vector<Trial::Wish> wishes) {
    const Instant begun = now;
    trial.start(now, wishes);
    drain();
    for (int steps = 0; trial.is_running(); ++steps) {
      EXPECT_LT(steps, 1000) << "the deadline stands still";
      if (steps == 1000) break;
      std::ranges::sort(answers);
      if (!answers.empty() && answers.front().first <= wait) {
        now = std::max(now, answers.front().first);
        EXPECT_TRUE(trial.handle_response(now, answers.front().second));
        answers.erase(answers.begin());
      } else {
        now = std::max(now, wait);
        trial.handle_timeout(now);
      }
      drain();
    }
    return now - begun;
  }
};

TEST(Trial, SaysWhichWaysAnswerAndHowSoon) {
  Bench b;
  b.answering = {{endpoint(1), 12ms}, {kRelay, 40ms}};
  const Duration took =
      b.run({{.way = endpoint(1)},
             {.way = endpoint(2)},
             {.way = kRelay, .probes = Trial::kLossProbes, .interval = Trial::kLossInterval}});
  ASSERT_EQ(b.trial.findings().size(), 3U);
  const auto& [answered, silent, relayed] =
      std::tie(b.trial.findings()[0], b.trial.findings()[1], b.trial.findings()[2]);
  EXPECT_EQ(answered.outcome(), TestOutcome::Answered);
  EXPECT_EQ(answered.sent, Trial::kProbes);
  EXPECT_EQ(answered.answered, Trial::kProbes);
  EXPECT_EQ(answered.rtt, Duration(12ms));
  EXPECT_EQ(silent.outcome(), TestOutcome::Silence);
  EXPECT_EQ(silent.sent, Trial::kProbes);
  EXPECT_FALSE(silent.rtt);
  EXPECT_EQ(relayed.answered, Trial::kLossProbes);
  EXPECT_EQ(took, 900ms + Trial::kPatience);
}

TEST(Trial, IsOverWithTheLastAnswer) {
  Bench b;
  b.answering = {{endpoint(1), 12ms}};
  EXPECT_EQ(b.run({{.way = endpoint(1)}}), 4 * Trial::kInterval + 12ms);
}

TEST(Trial, WhatCannotBeSentIsNoSilence) {
  Bench b;
  b.refusing = {{endpoint(1), TestOutcome::Refused}, {endpoint(2), TestOutcome::NoRoute}};
  const Duration took = b.run({{.way = endpoint(1)},
                               {.way = endpoint(2)},
                               {.way = endpoint(3), .unsent = TestOutcome::NoAddress}});
  EXPECT_EQ(b.trial.findings()[0].outcome(), TestOutcome::Refused);
  EXPECT_EQ(b.trial.findings()[0].sent, 0);
  EXPECT_EQ(b.trial.findings()[1].outcome(), TestOutcome::NoRoute);
  EXPECT_EQ(b.trial.findings()[2].outcome(), TestOutcome::NoAddress);
  EXPECT_LE(took, 4 * Trial::kInterval + Trial::kPatience);
  for (const auto& probe : b.probes) EXPECT_NE(probe.to, Way(endpoint(3)));
}

TEST(Trial, AnswersTooLateOrTwiceOrOfOthersDoNotCount) {
  Bench b;
  const std::vector<Trial::Wish> wishes{{.way = endpoint(1), .probes = 1}};
  b.trial.start(b.now, wishes);
  b.drain();
  const auto first = b.probes.front().token;
  EXPECT_FALSE(b.trial.handle_response(b.now, {}));
  b.trial.start(b.now, wishes);  // anew: the token of before is forgotten
  EXPECT_FALSE(b.trial.handle_response(b.now, first));
  b.drain();
  EXPECT_TRUE(b.trial.handle_response(b.now, b.probes.back().token));
  EXPECT_FALSE(b.trial.is_running());
  EXPECT_FALSE(b.trial.handle_response(b.now, b.probes.back().token));
  EXPECT_EQ(b.trial.findings()[0].answered, 1);
}

TEST(Trial, NothingToTryIsOverAtOnce) {
  Bench b;
  EXPECT_EQ(b.run({}), Duration(0));
  EXPECT_FALSE(b.trial.is_running());
}

TEST(Trial, KeepsToItsBudget) {
  Bench b;
  std::vector<Trial::Wish> wishes;
  for (std::uint32_t n = 0; n < 40; ++n) wishes.push_back({.way = endpoint(n)});
  const Duration took = b.run(wishes);
  EXPECT_EQ(b.trial.findings().size(), Trial::kWaysMax);
  EXPECT_EQ(b.probes.size(), Trial::kWaysMax * Trial::kProbes);
  EXPECT_LE(took, 2s);
}

}  // namespace
}  // namespace ipop::nat
