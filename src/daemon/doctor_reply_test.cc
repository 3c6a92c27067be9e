#include "daemon/doctor_reply.h"

#include <gtest/gtest.h>

namespace ipop::daemon {
namespace {

using control::PathKind;
using control::TestResult;
using Effect = control::LocalFirewall::Effect;

const Endpoint kNear = *Endpoint::parse("192.168.1.2:41820");
const Endpoint kFar = *Endpoint::parse("203.0.113.7:40000");
const Endpoint kOther = *Endpoint::parse("[2001:db8::7]:40000");

engine::Diagnosed direct() {
  engine::Diagnosed out;
  out.far = engine::FarEnd::Answered;
  out.here.port = 41820;
  out.here.v4 = {.has_address = true, .mapping = wire::NatMapping::AddressDependent};
  out.here.forwarding = wire::PortForwarding::NatPmp;
  out.here.path = wire::PathInUse::Direct;
  out.here.tests = {{.endpoint = kFar,
                     .outcome = wire::TestOutcome::Answered,
                     .sent = 10,
                     .answered = 9,
                     .rtt_us = 12000},
                    {.endpoint = kOther, .outcome = wire::TestOutcome::NoAddress}};
  out.there = wire::Diagnosis::Findings{.port = 40000};
  out.endpoint = kFar;
  out.mtu = 1420;
  out.ways = {{.endpoint = kFar, .sent = 10, .answered = 9, .rtt = std::chrono::milliseconds(12)},
              {.via = "carol", .sent = 10, .answered = 10, .rtt = std::chrono::milliseconds(40)}};
  out.told = {kNear};
  out.last_seen = std::chrono::milliseconds(1500);
  return out;
}

TEST(DoctorReply, TellsThePathInUseFromTheOthers) {
  control::DoctorReply reply;
  fill_in(reply, direct());
  EXPECT_EQ(reply.far, control::FarEnd::Answered);
  EXPECT_EQ(reply.path.path.kind, PathKind::Direct);
  EXPECT_EQ(reply.path.path.endpoint, kFar);
  EXPECT_EQ(reply.path.path.mtu, 1420);
  EXPECT_EQ(reply.path.path.rtt, Duration(std::chrono::milliseconds(12)));
  EXPECT_EQ(reply.path.sent, 10U);
  EXPECT_EQ(reply.path.answered, 9U);
  ASSERT_TRUE(reply.relay);
  EXPECT_EQ(reply.relay->path.via, "carol");
  EXPECT_EQ(reply.here.ipv4.mapping, control::NatMapping::AddressDependent);
  EXPECT_EQ(reply.here.forwarding, control::Forwarding::NatPmp);
  ASSERT_EQ(reply.here.tests.size(), 2U);
  EXPECT_TRUE(reply.here.tests[0].in_use);
  EXPECT_EQ(reply.here.tests[0].rtt, Duration(std::chrono::milliseconds(12)));
  EXPECT_FALSE(reply.here.tests[1].in_use);
  EXPECT_EQ(reply.here.tests[1].result, TestResult::NoAddress);
  EXPECT_EQ(reply.last_seen, std::chrono::seconds(1));
  EXPECT_FALSE(reply.firewall.refuses_outgoing);
}

TEST(DoctorReply, WhatTheOtherEndDidNotTestIsNamed) {
  control::DoctorReply reply;
  fill_in(reply, direct());
  ASSERT_TRUE(reply.there);
  ASSERT_EQ(reply.there->tests.size(), 1U);
  EXPECT_EQ(reply.there->tests[0].address, kNear);
  EXPECT_EQ(reply.there->tests[0].result, TestResult::Untried);
}

TEST(DoctorReply, WhatGoesFromMemberToMemberIsNoPath) {
  auto found = direct();
  found.here.path = wire::PathInUse::Routed;
  found.endpoint.reset();
  found.rtt = std::chrono::milliseconds(3);
  found.ways.clear();
  control::DoctorReply reply;
  fill_in(reply, found);
  EXPECT_EQ(reply.path, control::DoctorPath{});
}

TEST(DoctorReply, ASystemThatRefusesToSendIsEvidence) {
  auto found = direct();
  found.here.tests[1].outcome = wire::TestOutcome::Refused;
  for (const auto& [outcome, refuses] :
       {std::pair{wire::TestOutcome::NoRoute, true}, std::pair{wire::TestOutcome::Untried, true},
        std::pair{wire::TestOutcome::Silence, false},
        std::pair{wire::TestOutcome::Answered, false}}) {
    found.here.tests[0].outcome = outcome;
    control::DoctorReply reply;
    fill_in(reply, found);
    EXPECT_EQ(reply.firewall.refuses_outgoing, refuses) << static_cast<int>(outcome);
  }
}

os::NftRuleset with(std::vector<os::NftRule> rules) {
  os::NftRuleset out;
  out.chains.push_back({.family = 1,
                        .table = "filter",
                        .name = "input",
                        .is_filter = true,
                        .hook = 1,
                        .drops = false,
                        .rules = std::move(rules)});
  return out;
}

TEST(DoctorReply, TheFirewallsEffect) {
  using os::NftVerdict;
  const os::NftRule drop{.handle = 7, .steps = {NftVerdict{NftVerdict::Kind::Drop, {}}}};
  const os::NftRule new_only{
      .handle = 8,
      .steps = {os::NftLoad{.what = os::NftLoad::What::ConntrackState, .to = 1},
                os::NftCompare{.from = 1,
                               .value = {std::byte{8}, std::byte{0}, std::byte{0}, std::byte{0}}},
                NftVerdict{NftVerdict::Kind::Drop, {}}}};
  const os::NftRule riddle{.handle = 9, .steps = {os::NftRiddle{.may_decide = true}}};
  auto found = direct();
  const auto effect = [&](const os::NftRuleset& rules) {
    control::DoctorReply reply;
    fill_in(reply, found);
    note_firewall(reply, rules);
    return reply.firewall;
  };
  EXPECT_EQ(effect(with({drop})).incoming, Effect::Unknown) << "it answered nevertheless";
  EXPECT_EQ(effect(with({drop})).chain, std::nullopt);
  found.far = engine::FarEnd::Unreached;
  EXPECT_EQ(effect({}).incoming, Effect::Open);
  EXPECT_EQ(effect(with({drop})).incoming, Effect::Drops);
  EXPECT_EQ(effect(with({drop})).chain, "inet filter input");
  EXPECT_EQ(effect(with({drop})).rule, 7U);
  EXPECT_EQ(effect(with({new_only})).incoming, Effect::AnswersOnly);
  EXPECT_EQ(effect(with({riddle})).incoming, Effect::Unknown);
  EXPECT_EQ(effect(with({riddle})).chain, std::nullopt);
}

}  // namespace
}  // namespace ipop::daemon
