#include "nat/igd_mapper.h"

#include <gtest/gtest.h>

#include "nat/igd_mapper_testing.h"

namespace ipop::nat {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 40000;
const Ipv4 kLocal{0xc0a80102};
const Ipv4 kOther{0xc0a80103};
const IgdMapper::Gateway kGateway{Ipv4{0xc0a80101}, kLocal};

struct Bench {
  explicit Bench(std::uint64_t seed = 7) : rng(seed) {}

  SeededRng rng;
  IgdMapper mapper{rng};
  FakeIgd router;
  Instant now{100h};
  Instant wait = Instant::max();
  bool answering = true;  ///< else questions get lost

  void start() {
    mapper.set_network(kPort, std::vector{kGateway});
    mapper.want(now, kGateway.gateway);
    settle();
  }
  void settle() {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 1000) << "it asks without end";
      const auto output = mapper.poll_output();
      if (const auto* w = std::get_if<IgdMapper::WaitUntil>(&output)) {
        wait = w->at;
        return;
      }
      const auto& question = std::get<IgdQuestion>(output);
      if (answering) mapper.handle_answer(now, router.answer(now, question));
    }
  }
  void run_for(Duration time) {
    const Instant end = now + time;
    for (int steps = 0; wait <= end; ++steps) {
      ASSERT_LT(steps, 5000) << "the deadline stands still";
      now = std::max(now, wait);
      mapper.handle_timeout(now);
      settle();
    }
    now = end;
    router.expire(now);
  }
  /// What an answer to the question that is outstanding does; the question is asked afresh.
  void answer_with(decltype(IgdAnswer::what) what) {
    answering = false;
    start();
    mapper.handle_answer(now, {1, what});
    answering = true;
    settle();
  }
};

TEST(IgdMapper, AsksNobodyBeforeItIsWanted) {
  Bench b;
  b.mapper.set_network(kPort, std::vector{kGateway});
  b.settle();
  EXPECT_EQ(b.router.count_asked(), 0U);
  EXPECT_EQ(b.wait, Instant::max());
  b.mapper.want(b.now, Ipv4{0x08080808});
  b.settle();
  EXPECT_EQ(b.router.count_asked(), 0U) << "no gateway of ours";
}

TEST(IgdMapper, MapsOurPortAndRenewsItInTime) {
  Bench b;
  b.start();
  const Endpoint external{b.router.external, kPort};
  EXPECT_EQ(b.mapper.mapped(), std::vector{external});
  EXPECT_EQ(b.router.asked.front().local, kLocal);
  EXPECT_EQ(b.router.asked.front().gateway, kGateway.gateway.v4());
  EXPECT_FALSE(b.mapper.gateways().front().asking);
  for (int hours = 0; hours < 48; ++hours) {
    b.run_for(1h);
    ASSERT_EQ(b.mapper.mapped(), std::vector{external});
    ASSERT_EQ(b.router.table.size(), 1U);
  }
  const auto maps = b.router.all<IgdQuestion::Map>().size();
  EXPECT_GE(maps, 38U);
  EXPECT_LE(maps, 49U) << "no more often than at half of the lease";
}

TEST(IgdMapper, AShorterLeaseIsRenewedInTime) {
  Bench b;
  b.router.lease_max = 10min;
  b.start();
  b.run_for(3h);
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
  EXPECT_EQ(b.router.table.size(), 1U);
  EXPECT_GE(b.router.all<IgdQuestion::Map>().size(), 28U);
}

TEST(IgdMapper, ALeaseThatIsTooShortIsGivenBack) {
  Bench b;
  b.router.lease_max = 30s;
  b.start();
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_TRUE(b.router.table.empty());
}

TEST(IgdMapper, ARouterThatTakesPermanentLeasesOnlyIsAskedForOne) {
  Bench b;
  b.router.for_ever_only = true;
  b.start();
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
  auto maps = b.router.all<IgdQuestion::Map>();
  ASSERT_EQ(maps.size(), 2U);
  EXPECT_EQ(maps[0].lease, IgdMapper::kLease);
  EXPECT_EQ(maps[1].lease, IgdLease(0));
  b.run_for(24h);
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
  maps = b.router.all<IgdQuestion::Map>();
  EXPECT_EQ(maps.back().lease, IgdLease(0));
  EXPECT_GE(maps.size(), 18U) << "it may have restarted, so it is told again";
  b.mapper.release();
  b.settle();
  EXPECT_TRUE(b.router.table.empty()) << "nothing else would ever delete it";
}

TEST(IgdMapper, APermanentLeaseIsDeletedHoweverLongTheRouterWasSilent) {
  Bench b;
  b.router.for_ever_only = true;
  b.router.table[kPort] = {kOther, kPort};
  b.start();
  ASSERT_EQ(b.mapper.mapped().size(), 1U);
  const std::uint16_t port = b.mapper.mapped().front().port;
  b.router.silent = true;
  b.run_for(5h);
  EXPECT_TRUE(b.mapper.mapped().empty());
  b.router.silent = false;
  b.mapper.release();
  b.settle();
  EXPECT_FALSE(b.router.table.contains(port)) << "nothing else would ever delete it";
  EXPECT_EQ(b.router.table[kPort].client, kOther);
}

TEST(IgdMapper, WhatAProcessLeftAtAnotherPortIsTakenOverByTheNext) {
  FakeIgd router;
  router.for_ever_only = true;
  router.table[kPort] = {kOther, kPort};
  for (const std::uint64_t seed : {7U, 8U, 9U}) {
    Bench b(seed);
    b.router = router;
    b.start();
    ASSERT_EQ(b.mapper.mapped().size(), 1U);
    router = b.router;
    EXPECT_EQ(router.table.size(), 2U) << "none stays behind for ever";
  }
}

TEST(IgdMapper, APortThatIsAnothersIsLeftToHim) {
  Bench b;
  b.router.table[kPort] = {kOther, kPort};
  b.start();
  ASSERT_EQ(b.mapper.mapped().size(), 1U);
  EXPECT_NE(b.mapper.mapped().front().port, kPort);
  EXPECT_GE(b.mapper.mapped().front().port, 1024);
  EXPECT_EQ(b.router.table[kPort].client, kOther);
  EXPECT_EQ(b.router.table[b.mapper.mapped().front().port].port, kPort);
}

TEST(IgdMapper, PortsAreTriedSoOftenAndNoMore) {
  Bench b;
  b.router.map_refusal = 718;
  b.start();
  EXPECT_EQ(b.router.all<IgdQuestion::Map>().size(), std::size_t{IgdMapper::kPortsMax});
  EXPECT_TRUE(b.mapper.mapped().empty());
  b.run_for(6h);
  EXPECT_LE(b.router.all<IgdQuestion::Map>().size(), std::size_t{IgdMapper::kPortsMax} * 20);
}

TEST(IgdMapper, AConflictWithWhatWeLeftBehindIsNone) {
  Bench b;
  b.router.map_refusal = 718;
  b.router.table[kPort] = {kLocal, kPort};
  b.start();
  EXPECT_EQ(b.mapper.mapped(), (std::vector{Endpoint{b.router.external, kPort}}));
}

TEST(IgdMapper, AnEntryOfOursThatIsAboutToEndIsMadeAgain) {
  for (const bool refuses : {true, false}) {
    Bench b;
    b.router.never_renews = refuses;
    b.router.lease_max = refuses ? IgdLease(7200) : IgdLease(60);
    b.router.table[kPort] = {kLocal, kPort, b.now + 60s};
    b.start();
    EXPECT_EQ(b.router.all<IgdQuestion::Unmap>().size(), refuses ? 1U : 2U);
    EXPECT_LE(b.router.all<IgdQuestion::Map>().size(), 2U) << "once in an attempt";
    EXPECT_EQ(b.mapper.mapped().size(), refuses ? 1U : 0U);
    EXPECT_EQ(b.router.table.size(), refuses ? 1U : 0U);
    if (refuses) b.run_for(24h);
    EXPECT_EQ(b.mapper.mapped().size(), refuses ? 1U : 0U);
  }
}

TEST(IgdMapper, WhoForwardsToAnotherIsNotBelieved) {
  for (const auto& entry : {FakeIgd::Entry{kOther, kPort}, FakeIgd::Entry{kLocal, kPort + 1}}) {
    Bench b;
    b.router.forgets = true;
    b.router.table[kPort] = entry;
    b.start();
    EXPECT_TRUE(b.mapper.mapped().empty());
  }
  Bench nothing;
  nothing.router.forgets = true;
  nothing.start();
  EXPECT_TRUE(nothing.mapper.mapped().empty());
}

TEST(IgdMapper, ARouterThatCannotBeCheckedIsBelieved) {
  Bench b;
  b.router.can_be_checked = false;
  b.start();
  EXPECT_EQ(b.mapper.mapped().size(), 1U) << "a hint like all others";
  b.run_for(12h);
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
}

TEST(IgdMapper, WhatIsNeverConfirmedIsGivenBack) {
  Bench b;
  b.router.silent_when_checked = true;
  b.start();
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_TRUE(b.router.table.empty());
}

TEST(IgdMapper, AddressesThatLeadNowhereAreRefused) {
  for (const char* text : {"0.0.0.0", "192.168.1.2", "10.0.0.1", "192.168.7.7", "127.0.0.1",
                           "169.254.1.1", "224.0.0.1", "255.255.255.255"}) {
    Bench b;
    b.router.external = *Ipv4::parse(text);
    b.start();
    EXPECT_TRUE(b.mapper.mapped().empty()) << text;
    EXPECT_TRUE(b.router.table.empty()) << text;
  }
  for (const char* text : {"203.0.113.7", "198.18.1.2", "100.64.0.7", "8.8.8.8"}) {
    Bench b;
    b.router.external = *Ipv4::parse(text);
    b.start();
    EXPECT_EQ(b.mapper.mapped().size(), 1U) << text;
  }
}

TEST(IgdMapper, AnAddressThatBecomesPrivateEndsTheMapping) {
  Bench b;
  b.start();
  b.router.external = *Ipv4::parse("192.168.0.9");
  b.run_for(2h);
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_TRUE(b.router.table.empty());
}

TEST(IgdMapper, AnotherAddressOutsideIsNoticedWhenPathsAreLost) {
  Bench b;
  b.start();
  b.router.external = *Ipv4::parse("203.0.113.99");
  b.router.table.clear();
  b.run_for(1min);
  b.mapper.suspect(b.now);
  b.settle();
  EXPECT_EQ(b.mapper.mapped(), (std::vector{Endpoint{b.router.external, kPort}}));
  EXPECT_EQ(b.router.table.size(), 1U);
  const auto asked = b.router.count_asked();
  for (int i = 0; i < 9; ++i) {
    b.run_for(1s);
    b.mapper.suspect(b.now);
    b.settle();
  }
  EXPECT_EQ(b.router.count_asked(), asked) << "not at every suspicion";
}

TEST(IgdMapper, AnotherAddressOutsideReplacesTheOldOneAtOnce) {
  Bench b;
  b.start();
  b.router.external = *Ipv4::parse("203.0.113.99");
  b.router.map_refusal = 606;
  b.run_for(2h - 1min);
  EXPECT_EQ(b.mapper.mapped(), (std::vector{Endpoint{b.router.external, kPort}}));
}

TEST(IgdMapper, WhoNeverAnswersIsAskedSeldom) {
  Bench b;
  b.router.silent = true;
  b.start();
  b.run_for(1h);
  EXPECT_LE(b.router.count_asked(), 7U);
  b.router.silent = false;
  b.run_for(11min);
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
}

TEST(IgdMapper, AQuestionThatGetsLostDoesNotStopIt) {
  Bench b;
  b.answering = false;
  b.start();
  EXPECT_TRUE(b.mapper.gateways().front().asking);
  b.run_for(IgdMapper::kAnswerTimeout + 1s);
  EXPECT_FALSE(b.mapper.gateways().front().asking);
  b.answering = true;
  b.run_for(IgdMapper::kRetrySilent);
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
}

TEST(IgdMapper, ARouterThatFallsSilentKeepsTheMappingUntilItsLeaseEnds) {
  Bench b;
  b.start();
  b.router.silent = true;
  b.run_for(119min);
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
  b.run_for(2min);
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_LE(b.router.count_asked(), 25U);
}

TEST(IgdMapper, ARouterThatRestartsSlowlyIsAskedAgainSoon) {
  Bench b;
  b.start();
  b.run_for(1min);
  b.router.table.clear();
  b.router.silent = true;
  b.mapper.suspect(b.now);
  b.settle();
  b.run_for(20s);
  b.router.silent = false;
  b.run_for(40s);
  EXPECT_EQ(b.router.table.size(), 1U);
}

TEST(IgdMapper, NoAnswerThatDoesNotFitMapsAnything) {
  const std::vector<decltype(IgdAnswer::what)> answers{
      IgdAnswer::Done{}, IgdAnswer::Entry{kLocal, kPort, true, IgdLease(7200)},
      IgdAnswer::Refused{401}, IgdAnswer::Silent{}};
  for (const auto& what : answers) {
    Bench b;
    b.answer_with(what);
    EXPECT_TRUE(b.mapper.mapped().empty());
    EXPECT_EQ(b.router.count_asked(), 0U);
    b.run_for(11min);
    EXPECT_EQ(b.mapper.mapped().size(), 1U);
  }
}

TEST(IgdMapper, AnswersToOtherQuestionsAreIgnored) {
  Bench b;
  b.answering = false;
  b.start();
  b.mapper.handle_answer(b.now, {77, IgdAnswer::Address{b.router.external}});
  EXPECT_EQ(b.mapper.ignored(), 1U);
  b.mapper.handle_answer(b.now, {1, IgdAnswer::Address{b.router.external}});
  b.mapper.handle_answer(b.now, {1, IgdAnswer::Done{}});
  EXPECT_EQ(b.mapper.ignored(), 2U);
  EXPECT_TRUE(b.mapper.mapped().empty());
}

TEST(IgdMapper, WhatIsMappedOtherwiseIsGivenBack) {
  Bench b;
  b.start();
  b.mapper.unwant(kGateway.gateway, {b.router.external, kPort + 1});
  b.settle();
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_TRUE(b.router.table.empty());
  EXPECT_EQ(b.wait, Instant::max());
  b.mapper.want(b.now, kGateway.gateway);
  b.settle();
  EXPECT_EQ(b.mapper.mapped().size(), 1U);
}

TEST(IgdMapper, WhatIsMappedOtherwiseAtTheSamePortIsOnlyForgotten) {
  Bench b;
  b.start();
  b.mapper.unwant(kGateway.gateway, {b.router.external, kPort});
  b.settle();
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_EQ(b.router.table.size(), 1U) << "it is the other protocol's now";
  b.mapper.release();
  b.settle();
  EXPECT_EQ(b.router.table.size(), 1U);
  EXPECT_TRUE(b.router.all<IgdQuestion::Unmap>().empty());
}

TEST(IgdMapper, WhatIsNotKnownToBeOursIsNotDeletedUnseen) {
  Bench b;
  b.router.can_be_checked = false;
  b.router.table[kPort] = {kOther, kPort};
  b.answering = false;
  b.start();
  b.mapper.handle_answer(b.now, {1, IgdAnswer::Address{b.router.external}});
  b.settle();
  b.mapper.release();
  b.answering = true;
  b.settle();
  EXPECT_EQ(b.router.table.size(), 1U);
  const auto unmaps = b.router.all<IgdQuestion::Unmap>();
  ASSERT_EQ(unmaps.size(), 1U);
  EXPECT_FALSE(unmaps.front().confirmed);

  Bench done;
  done.router.can_be_checked = false;
  done.start();
  done.mapper.release();
  done.settle();
  EXPECT_TRUE(done.router.table.empty()) << "it said that it was done";

  Bench ended;
  ended.start();
  ended.router.silent = true;
  ended.run_for(3h);
  ended.router.silent = false;
  ended.router.can_be_checked = false;
  ended.router.table[kPort] = {kOther, kPort};
  ended.mapper.release();
  ended.settle();
  EXPECT_EQ(ended.router.table.size(), 1U) << "our lease has ended";
}

TEST(IgdMapper, ReleaseDeletesWhatIsMappedAndWhatIsBeing) {
  Bench b;
  b.start();
  b.mapper.release();
  b.settle();
  EXPECT_TRUE(b.router.table.empty());
  EXPECT_EQ(b.wait, Instant::max());

  Bench half;
  half.answering = false;
  half.start();
  half.mapper.handle_answer(half.now, {1, IgdAnswer::Address{half.router.external}});
  half.settle();
  half.mapper.release();
  half.answering = true;
  half.settle();
  EXPECT_EQ(half.router.all<IgdQuestion::Unmap>().size(), 1U);

  Bench conflict;
  conflict.answering = false;
  conflict.start();
  conflict.router.table[kPort] = {kLocal, kPort};
  conflict.mapper.handle_answer(conflict.now, {1, IgdAnswer::Address{conflict.router.external}});
  conflict.settle();
  conflict.mapper.handle_answer(conflict.now, {2, IgdAnswer::Refused{718}});
  conflict.settle();
  conflict.mapper.release();
  conflict.answering = true;
  conflict.settle();
  EXPECT_TRUE(conflict.router.table.empty()) << "it may be ours, and was";
}

TEST(IgdMapper, AnotherAddressOfOursBeginsAfresh) {
  Bench b;
  b.start();
  const IgdMapper::Gateway moved{kGateway.gateway, kOther};
  b.mapper.set_network(kPort, std::vector{moved});
  b.settle();
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_TRUE(b.router.table.empty()) << "deleted from where it can be";
  b.mapper.want(b.now, moved.gateway);
  b.settle();
  EXPECT_EQ(b.router.table[kPort].client, kOther);

  const auto asked = b.router.count_asked();
  b.mapper.set_network(kPort, {});
  b.settle();
  EXPECT_TRUE(b.mapper.mapped().empty());
  EXPECT_EQ(b.router.count_asked(), asked) << "the way there is gone";
}

TEST(IgdMapper, GatewaysThatCannotBeAskedAreLeftOut) {
  Bench b;
  const IgdMapper::Gateway v6{*Ipv6::parse("fe80::1"), *Ipv6::parse("2001:db8::2")};
  const IgdMapper::Gateway ourselves{kLocal, kLocal};
  const IgdMapper::Gateway nobody{Ipv4{}, kLocal};
  const std::vector all{v6, ourselves, nobody, kGateway, kGateway};
  b.mapper.set_network(kPort, all);
  EXPECT_EQ(b.mapper.gateways().size(), 1U);
  std::vector<IgdMapper::Gateway> many;
  for (std::uint32_t i = 0; i < 20; ++i) many.push_back({Ipv4{0xc0a80201 + i * 256}, kLocal});
  b.mapper.set_network(kPort, many);
  EXPECT_EQ(b.mapper.gateways().size(), IgdMapper::kGatewaysMax);
}

}  // namespace
}  // namespace ipop::nat
