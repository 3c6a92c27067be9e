// One ring, whose peers the test plays: what it repeats, what ends, and when it is quiet.
#include "overlay/ring.h"

#include <gtest/gtest.h>

#include <utility>

namespace ipop::overlay {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

NodeId at(unsigned part) {
  NodeId id;
  id.bytes[0] = static_cast<std::byte>(part);
  return id;
}

const NodeId kSelf = at(0);
/// Too far for a near link of kSelf.
const NodeId kFar = at(128);

/// A ring with four near links on each side that agree to everything, and a member on the other
/// side of the circle to whom every look-up leads.
class PlayedRing : public testing::Test {
 protected:
  PlayedRing() {
    ring_.set_directory(now_, directory_);
    for (const NodeId& node : near_) ring_.handle_up(now_, node, {});
    drain();
  }

  void run_for(Duration time) {
    const Instant end = now_ + time;
    for (drain(); wake_ <= end; drain()) {
      now_ = std::max(now_, wake_);
      ring_.handle_timeout(now_);
    }
    now_ = end;
  }
  void far_says(const wire::Frame& frame) {
    ring_.handle_frame(now_, kFar, frame);
    drain();
  }
  void far_answers(bool yes) { far_says(wire::LinkAnswer{wire::LinkRole::Long, yes, {}}); }
  /// Frames of this type to kFar since the last call that agree with `fits`.
  template <class F, class Fits>
  std::size_t sent(Fits fits) {
    std::size_t count = 0;
    std::erase_if(to_far_, [&](const wire::Frame& frame) {
      const auto* f = std::get_if<F>(&frame);
      const bool counts = f != nullptr && fits(*f);
      count += counts;
      return counts;
    });
    return count;
  }
  std::size_t asks() {
    return sent<wire::LinkRequest>([](const auto& f) { return f.role == wire::LinkRole::Long; });
  }
  std::size_t unlinks() {
    return sent<wire::Unlink>([](const auto& f) { return f.distant && !f.leaving; });
  }
  std::size_t answers(bool yes) {
    return sent<wire::LinkAnswer>(
        [&](const auto& f) { return f.role == wire::LinkRole::Long && f.yes == yes; });
  }
  void forget_sent() { to_far_.clear(); }
  const Link& far() const { return *ring_.links().find(kFar); }
  /// Look-ups of its own neighbourhood since the last call.
  std::size_t checks() { return std::exchange(checks_, 0); }

 private:
  void drain() {
    for (;;) {
      auto output = ring_.poll_output();
      if (const auto* wait = std::get_if<Ring::WaitUntil>(&output)) {
        wake_ = wait->at;
        return;
      }
      if (const auto* call = std::get_if<Ring::Connect>(&output)) {
        if (call->node == kFar) ring_.handle_up(now_, kFar, {});
      } else if (const auto* send = std::get_if<Ring::Send>(&output)) {
        answer(send->to, *wire::parse_frame(send->frame));
      }
    }
  }
  void answer(const NodeId& from, const wire::Frame& frame) {
    if (from == kFar) to_far_.push_back(frame);
    if (const auto* ask = std::get_if<wire::LinkRequest>(&frame); ask && from != kFar) {
      ring_.handle_frame(now_, from, wire::LinkAnswer{ask->role, true, {}});
    } else if (const auto* find = std::get_if<wire::Forward>(&frame)) {
      const std::uint64_t message = find->message;
      ring_.handle_frame(now_, from, wire::ForwardAck{wire::ForwardAck::What::Forward, message});
      const bool is_draw = find->mode == wire::ForwardMode::Closest;
      checks_ += !is_draw;
      ring_.handle_frame(now_, from,
                         wire::ForwardReply{message, wire::Found{is_draw ? kFar : from, {}}});
    }
  }

  const std::vector<NodeId> near_{at(1), at(2), at(3), at(4), at(252), at(253), at(254), at(255)};
  const Directory directory_{
      {kSelf, at(1), at(2), at(3), at(4), kFar, at(252), at(253), at(254), at(255)}};
  SeededRng rng_{1};

 protected:
  Instant now_{};
  Ring ring_{rng_, kSelf};

 private:
  Instant wake_{};
  std::vector<wire::Frame> to_far_;
  std::size_t checks_ = 0;
};

class LongLinks : public PlayedRing {};
class SelfChecks : public PlayedRing {};

TEST_F(LongLinks, AreAskedForAgainAndTakenBackWhereNobodyAnswers) {
  run_for(4s);
  EXPECT_GE(asks(), 1U);
  run_for(60s);
  EXPECT_LE(asks(), 16U) << "four for a draw, and these get rarer";
  EXPECT_GE(unlinks(), 3U) << "it may have said yes, which was lost";
  EXPECT_FALSE(far().long_out);
}

TEST_F(LongLinks, ThatWereGivenUpAreSoUntilThePeerKnows) {
  run_for(4s);
  far_answers(true);
  ASSERT_TRUE(far().long_out);
  forget_sent();
  far_answers(false);  // in a restart's confusion: it may believe anything
  EXPECT_FALSE(far().long_out);
  EXPECT_EQ(unlinks(), 1U);
  run_for(1500ms);
  EXPECT_EQ(unlinks(), 1U) << "the first one was lost, perhaps";
  far_answers(false);
  run_for(3s);
  EXPECT_EQ(unlinks(), 0U);
}

TEST_F(LongLinks, AreRenewedFromTimeToTime) {
  run_for(4s);
  far_answers(true);
  forget_sent();
  run_for(11min);
  EXPECT_GE(asks(), 1U);
  EXPECT_TRUE(far().long_out) << "one answer that is lost ends nothing";
  EXPECT_EQ(unlinks(), 0U);
}

TEST_F(LongLinks, ThatNobodyAskedForAreDeclined) {
  ring_.handle_up(now_, kFar, {});
  far_answers(false);
  forget_sent();
  far_answers(true);  // an old one
  EXPECT_FALSE(far().long_out);
  EXPECT_EQ(unlinks(), 1U);
  far_answers(true);
  EXPECT_EQ(unlinks(), 1U) << "the first one may have overtaken the request";
}

/// Our session with it ended and came again; to the peer, which saw nothing of that, we still have
/// the role.
TEST_F(LongLinks, OfBeforeAreTakenBackUntilThePeerKnows) {
  ring_.handle_up(now_, kFar, {});
  EXPECT_EQ(unlinks(), 1U);
  run_for(1s);
  EXPECT_EQ(unlinks(), 1U) << "the first one was lost, perhaps";
  far_answers(false);
  run_for(2500ms);  // shorter than the ring asks for a role of its own
  EXPECT_EQ(unlinks(), 0U);
}

/// A no may acknowledge an UNLINK from before we asked, and the yes that follows be lost.
TEST_F(LongLinks, ThatWereDeclinedAreTakenBackToo) {
  run_for(4s);
  ASSERT_GE(asks(), 1U);
  forget_sent();
  far_answers(false);
  EXPECT_EQ(unlinks(), 1U);
  far_answers(false);
  EXPECT_EQ(unlinks(), 0U) << "one at a time";
}

/// The peer's session ended, and with it the role that it gave us.
TEST_F(LongLinks, AreAskedForAgainWhereThePeerDoesNotListThem) {
  run_for(4s);
  far_answers(true);
  run_for(10s);
  forget_sent();
  far_says(wire::Neighbours{.links = {{.id = wire::ring_id(kSelf), .distant = true}}});
  run_for(10s);
  EXPECT_EQ(asks(), 0U);
  for (int round = 0; round < 2; ++round) {  // and again, though it says nothing new
    far_says(wire::Neighbours{});
    run_for(7s);
    EXPECT_GE(asks(), 2U) << "the first one was lost, perhaps";
    EXPECT_TRUE(far().long_out);
    far_answers(true);
    run_for(10s);
    EXPECT_LE(asks(), 1U) << "confirmed once";
  }
}

TEST_F(LongLinks, OfThePeerLastAsLongAsItAsks) {
  ring_.handle_up(now_, kFar, {});
  for (int i = 0; i < 5; ++i) {
    far_says(wire::LinkRequest{wire::LinkRole::Long});
    EXPECT_EQ(answers(true), 1U);
    run_for(25min);  // two of its requests are lost
    EXPECT_TRUE(far().long_in);
  }
  run_for(15min);
  EXPECT_TRUE(ring_.links().find(kFar) == nullptr || !far().long_in);
}

TEST_F(LongLinks, OfThePeerEndByItsUnlinkAloneAndItIsTold) {
  run_for(4s);
  far_answers(true);
  far_says(wire::LinkRequest{wire::LinkRole::Long});
  ASSERT_TRUE(far().long_in && far().long_out);
  for (int copy = 0; copy < 2; ++copy) {
    far_says(wire::Unlink{.distant = true});
    EXPECT_EQ(answers(false), 1U);
    EXPECT_FALSE(far().long_in);
    EXPECT_TRUE(far().long_out) << "which is ours";
  }
}

TEST_F(SelfChecks, AreLeftOutWhileTheDirectorysNearestAreLinked) {
  run_for(1min);
  EXPECT_GT(checks(), 0U);  // when it began
  run_for(1h);
  EXPECT_EQ(checks(), 0U);
  ring_.handle_down(now_, at(254));
  run_for(1h);
  EXPECT_GT(checks(), 20U) << "of whom the directory does not know that they are there";
}

}  // namespace
}  // namespace ipop::overlay
