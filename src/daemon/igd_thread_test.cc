#include "daemon/igd_thread.h"

#include <gtest/gtest.h>

#include "os/clock.h"
#include "os/igd_testing.h"
#include "os/test_support.h"

namespace ipop::daemon {
namespace {

using namespace std::chrono_literals;
using nat::IgdAnswer;
using nat::IgdQuestion;

IgdQuestion question(std::uint64_t id, decltype(IgdQuestion::what) what) {
  return {id, os::kTestRouter, os::kTestLocal, 40000, what};
}

struct Fixture {
  os::TestNamespace in_its_own;
  std::unique_ptr<IgdThread> thread = std::move(*IgdThread::start());
  std::vector<IgdAnswer> answers;

  void wait_for(std::size_t count) {
    while (answers.size() < count && os::wait_readable(thread->fd())) {
      for (const IgdAnswer& a : thread->take_answers()) answers.push_back(a);
    }
    ASSERT_EQ(answers.size(), count);
  }
};

TEST(IgdThread, AnswersInTheirOrder) {
  Fixture f;
  os::TestIgd router(os::forward_all);
  f.thread->ask(question(1, IgdQuestion::Address{}));
  f.thread->ask(question(2, IgdQuestion::Map{50000, nat::IgdLease(60)}));
  f.thread->ask(question(3, IgdQuestion::Check{50000}));
  f.thread->ask(question(4, IgdQuestion::Unmap{50000}));
  f.wait_for(4);
  EXPECT_EQ(f.answers[0].id, 1U);
  EXPECT_EQ(std::get<IgdAnswer::Address>(f.answers[0].what).external, *Ipv4::parse("203.0.113.7"));
  EXPECT_TRUE(std::holds_alternative<IgdAnswer::Done>(f.answers[1].what));
  EXPECT_EQ(std::get<IgdAnswer::Entry>(f.answers[2].what).client, os::kTestLocal);
  EXPECT_TRUE(std::holds_alternative<IgdAnswer::Done>(f.answers[3].what));
  EXPECT_FALSE(os::is_readable(f.thread->fd()));
}

TEST(IgdThread, DeletesWhatIsOursAlone) {
  struct Case {
    std::string entry;
    IgdQuestion::Unmap unmap;
    bool deleted;
  };
  const auto entry = [](const std::string& client, int port) {
    return os::http_ok("<a><NewInternalPort>" + std::to_string(port) +
                       "</NewInternalPort><NewInternalClient>" + client +
                       "</NewInternalClient><NewEnabled>1</NewEnabled></a>");
  };
  const Ipv4 before = *Ipv4::parse("127.0.0.8");
  const std::vector<Case> cases{
      {entry("127.0.0.2", 40000), {50000, os::kTestLocal, false}, true},
      {entry("127.0.0.8", 40000), {50000, before, false}, true},
      {entry("127.0.0.8", 40000), {50000, os::kTestLocal, true}, false},
      {entry("127.0.0.2", 40001), {50000, os::kTestLocal, true}, false},
      {os::soap_fault(714), {50000, os::kTestLocal, true}, false},
      {os::soap_fault(401), {50000, os::kTestLocal, true}, true},
      {os::soap_fault(401), {50000, os::kTestLocal, false}, false},
      {"garbage", {50000, os::kTestLocal, true}, true},
      {"garbage", {50000, os::kTestLocal, false}, false},
  };
  for (const Case& c : cases) {
    Fixture f;
    os::TestIgd router([&](const std::string& request) {
      const bool asks = request.find("#GetSpecificPortMappingEntry") != std::string::npos;
      return asks ? c.entry : os::forward_all(request);
    });
    f.thread->ask(question(1, IgdQuestion::Address{}));
    f.thread->ask(question(2, c.unmap));
    f.wait_for(2);
    const bool deleted = router.requests().back().find("#DeletePortMapping") != std::string::npos;
    EXPECT_EQ(deleted, c.deleted) << c.entry;
  }
}

TEST(IgdThread, WhatFindsNoPlaceIsAnsweredAtOnce) {
  Fixture f;
  os::TestIgd router([](const std::string&) { return std::string(); });
  const std::size_t asked = IgdThread::kQuestionsMax + 5;
  for (std::uint64_t id = 1; id <= asked; ++id) {
    f.thread->ask(question(id, IgdQuestion::Address{}));
  }
  ASSERT_TRUE(os::wait_readable(f.thread->fd()));
  const auto answers = f.thread->take_answers();
  EXPECT_GE(answers.size(), 4U);
  EXPECT_LE(answers.size(), 5U);
  EXPECT_TRUE(std::holds_alternative<IgdAnswer::Silent>(answers.front().what));
}

TEST(IgdThread, EndsAtOnceWhateverIsBeingAsked) {
  Fixture f;
  os::TestIgd router([](const std::string&) { return std::string(); });
  f.thread->ask(question(1, IgdQuestion::Address{}));
  f.thread->ask(question(2, IgdQuestion::Address{}));
  const Instant begin = os::now().at;
  f.thread.reset();
  EXPECT_LT(os::now().at - begin, 1s);
}

TEST(IgdThread, FinishDropsAllButTheDeletionsAndWaitsForThese) {
  Fixture f;
  const auto mapping = os::Wakeup::open();
  os::TestIgd router([&](const std::string& request) {
    if (request.find("#AddPortMapping") == std::string::npos) return os::forward_all(request);
    mapping->notify();
    return std::string();
  });
  f.thread->ask(question(1, IgdQuestion::Address{}));
  f.wait_for(1);
  f.thread->ask(question(2, IgdQuestion::Map{50000, nat::IgdLease(60)}));
  f.thread->ask(question(3, IgdQuestion::Check{50000}));
  f.thread->ask(question(4, IgdQuestion::Unmap{50000}));
  ASSERT_TRUE(os::wait_readable(mapping->fd()));
  const Instant begin = os::now().at;
  f.thread->finish(2s);
  EXPECT_LT(os::now().at - begin, 2s);
  EXPECT_NE(router.requests().back().find("#DeletePortMapping"), std::string::npos);
  f.wait_for(3);
  EXPECT_EQ(f.answers.back().id, 4U);
}

TEST(IgdThread, FinishWaitsNoLongerThanItMay) {
  Fixture f;
  os::TestIgd router([](const std::string& request) {
    const bool deletes = request.find("#DeletePortMapping") != std::string::npos;
    return deletes ? std::string() : os::forward_all(request);
  });
  f.thread->ask(question(1, IgdQuestion::Address{}));
  f.wait_for(1);
  f.thread->ask(question(2, IgdQuestion::Unmap{50000}));
  const Instant begin = os::now().at;
  f.thread->finish(200ms);
  f.thread.reset();
  EXPECT_LT(os::now().at - begin, 1s);
}

}  // namespace
}  // namespace ipop::daemon
