// `ipop doctor`: two whole nodes find out together why their path is as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "sim/scenario.h"

namespace ipop::sim {
namespace {

using namespace std::chrono_literals;
using engine::Diagnosed;
using engine::FarEnd;
using wire::PathInUse;
using wire::TestOutcome;

/// The longest that a diagnosis may take.
constexpr Duration kLimit = 15s;
constexpr std::byte kDiagnose{0x20};

/// Alice founds; carol and then bob join.
class DoctorWorld : public World {
 public:
  explicit DoctorWorld(std::uint64_t seed = 1) : World(seed) { make_trio(*this); }
  Node& alice() { return node(0); }
  Node& bob() { return node(1); }
  Node& carol() { return node(2); }

  /// From now on the two reach each other through carol alone.
  void part() {
    set_path(alice(), bob(), {.blocked = true});
    ASSERT_TRUE(run_until([&] { return via(alice(), "bob") && via(bob(), "alice"); }, 60s));
  }
  static bool via(Node& at, std::string_view member) {
    const auto status = at.status();
    return std::ranges::any_of(status.members, [&](const engine::MemberStatus& m) {
      return m.name == member && m.online && m.via == "carol";
    });
  }
  void begin(Node& at, const char* member, engine::CommandId command = 77) {
    const auto begun = at.engine().diagnose(at.now(), command, {}, member);
    ASSERT_TRUE(begun) << begun.error().message;
    EXPECT_EQ(begun->name, member);
    at.drain();
  }
  static const Diagnosed* diagnosis(const Node& at, engine::CommandId command = 77) {
    for (const engine::CommandUpdate& update : at.updates) {
      if (update.command == command) return std::get_if<Diagnosed>(&update.update);
    }
    return nullptr;
  }
  Diagnosed examine(Node& at, const char* member) {
    at.updates.clear();
    begin(at, member);
    EXPECT_TRUE(run_until([&] { return diagnosis(at) != nullptr; }, kLimit)) << "it does not end";
    const Diagnosed* found = diagnosis(at);
    return found == nullptr ? Diagnosed{} : *found;
  }
};

TestOutcome outcome_of(const wire::Diagnosis::Findings& findings, const Endpoint& address) {
  for (const wire::AddressTest& test : findings.tests) {
    if (test.endpoint == address) return test.outcome;
  }
  ADD_FAILURE() << address.to_string() << " was not tested";
  return TestOutcome::Untried;
}

TEST(Doctor, ADirectPathIsMeasuredAndStays) {
  DoctorWorld w;
  const auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::Answered);
  EXPECT_EQ(found.here.path, PathInUse::Direct);
  EXPECT_EQ(found.endpoint, w.bob().endpoint());
  ASSERT_TRUE(found.there);
  EXPECT_EQ(found.there->path, PathInUse::Direct);
  EXPECT_EQ(found.there->port, w.bob().endpoint().port);
  EXPECT_TRUE(found.there->v4.has_address);
  EXPECT_FALSE(found.there->v6.has_address);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Answered);
  EXPECT_EQ(outcome_of(*found.there, w.alice().endpoint()), TestOutcome::Answered);
  ASSERT_EQ(found.ways.size(), 1U);
  EXPECT_EQ(found.ways[0].sent, nat::Trial::kLossProbes);
  EXPECT_EQ(found.ways[0].answered, nat::Trial::kLossProbes);
  EXPECT_EQ(found.ways[0].rtt, Duration(20ms));
  EXPECT_EQ(found.others, 1U);
  EXPECT_EQ(found.others_online, 1U);
  EXPECT_EQ(found.told, std::vector{w.alice().endpoint()});
}

TEST(Doctor, ARelayedPathSaysWhatStayedSilentAtBothEnds) {
  DoctorWorld w;
  w.part();
  const auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::Answered);
  EXPECT_EQ(found.here.path, PathInUse::Relay);
  EXPECT_EQ(found.via, "carol");
  ASSERT_TRUE(found.there);
  EXPECT_EQ(found.there->path, PathInUse::Relay);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Silence);
  EXPECT_EQ(outcome_of(*found.there, w.alice().endpoint()), TestOutcome::Silence);
  ASSERT_GE(found.ways.size(), 1U);
  EXPECT_EQ(found.ways[0].via, "carol");
  EXPECT_EQ(found.ways[0].answered, nat::Trial::kLossProbes);
  EXPECT_EQ(found.ways[0].rtt, Duration(40ms));
}

TEST(Doctor, NoPacketIsLostMeanwhile) {
  for (const bool parted : {false, true}) {
    DoctorWorld w(parted ? 2 : 3);
    if (parted) w.part();
    const auto send = [&](Node& from, Node& to) {
      const auto self = from.status();
      from.send_ip(self.slot, ip_packet(*self.v4, *to.status().v4));
    };
    w.bob().received.clear();
    w.alice().received.clear();
    w.begin(w.alice(), "bob");
    std::size_t sent = 0;
    for (; DoctorWorld::diagnosis(w.alice()) == nullptr && sent < 400; ++sent) {
      send(w.alice(), w.bob());
      send(w.bob(), w.alice());
      w.run_for(20ms);
    }
    w.run_for(1s);
    EXPECT_EQ(w.bob().received.size(), sent);
    EXPECT_EQ(w.alice().received.size(), sent);
    EXPECT_EQ(DoctorWorld::via(w.alice(), "bob"), parted) << "the path is as it was";
  }
}

TEST(Doctor, WhatATestFindsIsTaken) {
  DoctorWorld w;
  w.part();
  w.set_path(w.alice(), w.bob(), {});
  const auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.here.path, PathInUse::Direct);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Answered);
  EXPECT_EQ(outcome_of(*found.there, w.alice().endpoint()), TestOutcome::Answered);
}

TEST(Doctor, AMemberThatIsOff) {
  DoctorWorld w;
  w.bob().crash();
  ASSERT_TRUE(w.run_until([&] { return !w.alice().is_online_with("bob"); }, 60s));
  const auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::Unreached);
  EXPECT_EQ(found.here.path, PathInUse::None);
  EXPECT_FALSE(found.there);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Silence);
  EXPECT_TRUE(found.last_seen);
  EXPECT_EQ(found.others_online, 1U);
}

TEST(Doctor, AMemberThatGoesOffMeanwhile) {
  DoctorWorld w;
  w.alice().updates.clear();
  w.begin(w.alice(), "bob");
  w.run_for(100ms);
  w.bob().crash();
  EXPECT_TRUE(w.run_until([&] { return DoctorWorld::diagnosis(w.alice()) != nullptr; }, kLimit));
}

TEST(Doctor, AMemberWithAnOlderVersion) {
  DoctorWorld w;
  w.bob().unknown_frames = {kDiagnose};
  auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::TooOld);
  EXPECT_FALSE(found.there);
  EXPECT_EQ(found.here.path, PathInUse::Direct);
  ASSERT_EQ(found.here.tests.size(), 1U) << "it could take more for a move of ours";
  EXPECT_EQ(found.here.tests[0].endpoint, w.bob().endpoint());
  w.part();
  found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::TooOld);
  EXPECT_EQ(found.via, "carol");
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Silence);
}

/// What comes from it does not show that the question has reached it.
TEST(Doctor, AMemberThatHearsNothingOfUsIsNotTooOld) {
  DoctorWorld w;
  w.set_path(w.alice(), w.carol(), {.blocked = true});
  w.refuse_to_send(w.alice(), w.bob().endpoint());
  const auto self = w.bob().status();
  w.alice().updates.clear();
  w.begin(w.alice(), "bob");
  const auto is_over = [&] { return DoctorWorld::diagnosis(w.alice()) != nullptr; };
  for (int i = 0; i < 800 && !is_over(); ++i) {
    w.bob().send_ip(self.slot, ip_packet(*self.v4, *w.alice().status().v4));
    w.run_for(20ms);
  }
  ASSERT_TRUE(is_over());
  EXPECT_NE(DoctorWorld::diagnosis(w.alice())->far, FarEnd::TooOld);
}

TEST(Doctor, AMemberThatNothingComesFromThoughThereIsASession) {
  DoctorWorld w;
  for (Node* other : {&w.alice(), &w.carol()}) w.set_path(w.bob(), *other, {.blocked = true});
  const auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::Unreached) << "the question shows that the session is dead";
  EXPECT_EQ(found.here.path, PathInUse::None);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Silence);
}

TEST(Doctor, WhatTheSystemRefusesToSendIsNoSilence) {
  DoctorWorld w;
  w.refuse_to_send(w.alice(), w.bob().endpoint());
  ASSERT_TRUE(w.run_until([&] { return DoctorWorld::via(w.alice(), "bob"); }, 60s));
  auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::Answered);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Refused);
  found = w.examine(w.bob(), "alice");
  EXPECT_EQ(outcome_of(*found.there, w.bob().endpoint()), TestOutcome::Refused);
}

TEST(Doctor, RefusedWhileCalling) {
  DoctorWorld w;
  w.bob().crash();
  ASSERT_TRUE(w.run_until([&] { return !w.alice().is_online_with("bob"); }, 60s));
  w.refuse_to_send(w.alice(), w.bob().endpoint());
  const auto found = w.examine(w.alice(), "bob");
  EXPECT_EQ(found.far, FarEnd::Unreached);
  EXPECT_EQ(outcome_of(found.here, w.bob().endpoint()), TestOutcome::Refused);
}

TEST(Doctor, WhoAsksTooOftenIsTold) {
  DoctorWorld w;
  int answered = 0;
  FarEnd last = FarEnd::Answered;
  for (int i = 0; i < 10 && last == FarEnd::Answered; ++i) {
    last = w.examine(w.alice(), "bob").far;
    if (last == FarEnd::Answered) ++answered;
  }
  EXPECT_EQ(last, FarEnd::Busy);
  EXPECT_GE(answered, 4);
  w.run_for(30s);
  EXPECT_EQ(w.examine(w.alice(), "bob").far, FarEnd::Answered);
}

TEST(Doctor, AFloodOfQuestionsCostsLittle) {
  DoctorWorld w;
  const SessionIndex session = session_with(w.bob(), w.alice());
  w.run_for(1s);
  const auto before = w.bob().datagrams_sent();
  for (std::uint32_t i = 0; i < 5000; ++i) {
    hand_up(w.bob(), session, w.alice().endpoint(), wire::Diagnose{i});
    if (i % 50 == 0) w.run_for(20ms);
  }
  // 2 s and more: 20 answers, a trial, and the ring's own talk.
  EXPECT_LT(w.bob().datagrams_sent() - before, 150U);
}

TEST(Doctor, BothAtOnce) {
  DoctorWorld w;
  w.alice().updates.clear();
  w.bob().updates.clear();
  w.begin(w.alice(), "bob");
  w.begin(w.bob(), "alice");
  ASSERT_TRUE(w.run_until(
      [&] {
        return DoctorWorld::diagnosis(w.alice()) != nullptr &&
               DoctorWorld::diagnosis(w.bob()) != nullptr;
      },
      kLimit));
  EXPECT_EQ(DoctorWorld::diagnosis(w.alice())->far, FarEnd::Answered);
  EXPECT_EQ(DoctorWorld::diagnosis(w.bob())->far, FarEnd::Answered);
}

TEST(Doctor, EndsOnLossyLines) {
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    DoctorWorld w(seed);
    w.default_path = {.delay = 80ms, .jitter = 40ms, .loss = 0.2};
    const auto found = w.examine(w.alice(), "bob");
    if (found.here.path != PathInUse::Direct || found.ways.empty()) continue;
    EXPECT_LT(found.ways[0].answered, nat::Trial::kLossProbes) << "no loss in twenty is luck";
    EXPECT_GT(found.ways[0].answered, 0);
  }
}

TEST(Doctor, ACancelledOneSaysNothing) {
  DoctorWorld w;
  w.alice().updates.clear();
  w.begin(w.alice(), "bob");
  w.alice().engine().cancel(w.alice().now(), 77);
  w.run_for(kLimit);
  EXPECT_TRUE(w.alice().updates.empty());
}

TEST(Doctor, WhoLeavesMeanwhileIsTold) {
  DoctorWorld w;
  w.alice().updates.clear();
  w.begin(w.alice(), "bob");
  ASSERT_TRUE(w.alice().engine().leave(w.alice().now(), "family"));
  w.alice().drain();
  ASSERT_EQ(w.alice().updates.size(), 1U);
  EXPECT_TRUE(w.alice().updates[0].last);
  EXPECT_TRUE(std::holds_alternative<engine::CommandError>(w.alice().updates[0].update));
}

/// Each of these leaves bob unreached, which is no reason to look at his computer.
TEST(Doctor, WhatEndsItMeanwhileIsTold) {
  using Change = std::function<void(DoctorWorld&)>;
  const std::pair<engine::Failure, Change> cases[] = {
      {engine::Failure::Down,
       [](DoctorWorld& w) {
         ASSERT_TRUE(w.alice().engine().set_up(w.alice().now(), {}, false));
         w.alice().drain();
       }},
      {engine::Failure::UnknownMember,
       [](DoctorWorld& w) {
         ASSERT_TRUE(w.alice().engine().kick(w.alice().now(), {}, "bob"));
         w.alice().drain();
       }},
  };
  for (const auto& [failure, change] : cases) {
    DoctorWorld w;
    w.alice().updates.clear();
    w.begin(w.alice(), "bob");
    w.run_for(100ms);
    change(w);
    w.run_for(kLimit);
    ASSERT_EQ(w.alice().updates.size(), 1U);
    const auto* error = std::get_if<engine::CommandError>(&w.alice().updates[0].update);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->failure, failure) << error->message;
  }
}

TEST(Doctor, WhoIsRemovedMeanwhileIsTold) {
  DoctorWorld w;
  w.bob().updates.clear();
  w.begin(w.bob(), "carol");
  w.run_for(20ms);
  ASSERT_TRUE(w.alice().engine().kick(w.alice().now(), {}, "bob"));
  w.alice().drain();
  w.run_for(kLimit);
  ASSERT_EQ(w.bob().updates.size(), 1U);
  const auto* error = std::get_if<engine::CommandError>(&w.bob().updates[0].update);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->failure, engine::Failure::RemovedMember) << error->message;
}

TEST(Doctor, WhomItCannotLookAt) {
  DoctorWorld w;
  const auto failure = [&](const char* member) {
    const auto begun = w.alice().engine().diagnose(w.alice().now(), 77, {}, member);
    EXPECT_FALSE(begun);
    return begun ? engine::CommandError{} : begun.error();
  };
  EXPECT_EQ(failure("nobody").failure, engine::Failure::UnknownMember);
  EXPECT_EQ(failure("alice").failure, engine::Failure::UnknownMember);
  EXPECT_NE(failure("alice").message.find("itself"), std::string::npos);
  ASSERT_TRUE(w.alice().engine().set_up(w.alice().now(), {}, false));
  w.alice().drain();
  EXPECT_EQ(failure("bob").failure, engine::Failure::Down);
}

}  // namespace
}  // namespace ipop::sim
