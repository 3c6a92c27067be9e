#include "dataplane/event_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "base/random.h"

namespace ipop::dataplane {
namespace {

using Kind = EventQueue::Kind;

const Endpoint kFrom = *Endpoint::parse("[2001:db8::7]:4242");

TEST(EventQueue, CarriesEveryKind) {
  EventQueue queue;
  EXPECT_FALSE(queue.pop().has_value());
  const ByteVector bytes = to_vector(as_bytes("payload"));
  const EventQueue::Notice base{.session = SessionIndex{5}, .peer = PeerHandle{6}, .way = kFrom};
  for (const Kind kind : {Kind::Datagram, Kind::Frame, Kind::Received, Kind::IpSent, Kind::Limit,
                          Kind::Unrouted, Kind::TooBig}) {
    EventQueue::Notice notice = base;
    notice.kind = kind;
    ASSERT_TRUE(queue.push(notice, bytes));
  }
  auto event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<DatagramEvent>(*event));
  EXPECT_EQ(std::get<DatagramEvent>(*event).from, kFrom);
  EXPECT_EQ(std::get<DatagramEvent>(*event).datagram, bytes);
  event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<FrameEvent>(*event));
  EXPECT_EQ(std::get<FrameEvent>(*event).session, SessionIndex{5});
  EXPECT_EQ(std::get<FrameEvent>(*event).from, kFrom);
  EXPECT_EQ(std::get<FrameEvent>(*event).plaintext, bytes);
  event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<ReceivedEvent>(*event));
  EXPECT_EQ(std::get<ReceivedEvent>(*event).session, SessionIndex{5});
  EXPECT_EQ(std::get<ReceivedEvent>(*event).from, kFrom);
  event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<IpSentEvent>(*event));
  EXPECT_EQ(std::get<IpSentEvent>(*event).session, SessionIndex{5});
  event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<LimitEvent>(*event));
  EXPECT_EQ(std::get<LimitEvent>(*event).session, SessionIndex{5});
  event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<UnroutedEvent>(*event));
  EXPECT_EQ(std::get<UnroutedEvent>(*event).peer, PeerHandle{6});
  EXPECT_EQ(std::get<UnroutedEvent>(*event).packet, bytes);
  event = queue.pop();
  ASSERT_TRUE(event && std::holds_alternative<TooBigEvent>(*event));
  EXPECT_EQ(std::get<TooBigEvent>(*event).to, kFrom);
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(EventQueue, BytesFillASlotAndNoMore) {
  EventQueue queue;
  SeededRng rng(1);
  for (const std::size_t size : {0U, 1U, 2047U, 2048U}) {
    ByteVector bytes(size);
    rng.fill(bytes);
    ASSERT_TRUE(queue.push({.kind = Kind::Datagram}, bytes));
    EXPECT_EQ(std::get<DatagramEvent>(*queue.pop()).datagram, bytes);
  }
  EXPECT_FALSE(queue.push({.kind = Kind::Datagram}, ByteVector(2049)));
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(EventQueue, EachKindStopsAtItsLevel) {
  const struct {
    Kind kind;
    std::size_t level;
  } cases[] = {{Kind::Unrouted, 64},  {Kind::Datagram, 128}, {Kind::Frame, 224},
               {Kind::Received, 224}, {Kind::TooBig, 224},   {Kind::IpSent, 256},
               {Kind::Limit, 256}};
  for (const auto& c : cases) {
    EventQueue queue;
    std::size_t taken = 0;
    while (taken < 1000 && queue.push({.kind = c.kind})) ++taken;
    EXPECT_EQ(taken, c.level);
    EXPECT_FALSE(queue.push({.kind = c.kind})) << "full stays full";
    EXPECT_TRUE(queue.pop().has_value());
    EXPECT_TRUE(queue.push({.kind = c.kind})) << "one out, one in";
    EXPECT_FALSE(queue.push({.kind = c.kind}));
  }
}

TEST(EventQueue, AFloodOfDatagramsLeavesRoomForPeersAndReports) {
  EventQueue queue;
  while (queue.push({.kind = Kind::Unrouted})) {}
  while (queue.push({.kind = Kind::Datagram})) {}
  EXPECT_FALSE(queue.push({.kind = Kind::Unrouted}));
  EXPECT_TRUE(queue.push({.kind = Kind::Frame}));
  while (queue.push({.kind = Kind::Frame})) {}
  EXPECT_FALSE(queue.push({.kind = Kind::Datagram}));
  EXPECT_TRUE(queue.push({.kind = Kind::Limit}));
  EXPECT_TRUE(queue.push({.kind = Kind::IpSent}));
}

// The slow model is a deque with the same levels.
TEST(EventQueue, EqualsTheSlowModel) {
  EventQueue queue;
  std::deque<std::uint32_t> model;
  SeededRng rng(2);
  std::uint32_t number = 0;
  for (int i = 0; i < 50000; ++i) {
    // Phases of filling and of draining, so that both ends are met.
    if (rng.below(100) < ((i / 1000) % 2 == 0 ? 60U : 40U)) {
      const auto kind = rng.below(2) == 0 ? Kind::Frame : Kind::Limit;
      const bool taken = queue.push({.kind = kind, .session = SessionIndex{number}});
      ASSERT_EQ(taken, model.size() < EventQueue::level_of(kind));
      if (taken) model.push_back(number);
      ++number;
    } else {
      const auto event = queue.pop();
      ASSERT_EQ(event.has_value(), !model.empty());
      if (!event) continue;
      const auto* frame = std::get_if<FrameEvent>(&*event);
      const SessionIndex got =
          frame != nullptr ? frame->session : std::get<LimitEvent>(*event).session;
      ASSERT_EQ(got.value, model.front());
      model.pop_front();
    }
  }
}

TEST(EventQueue, TwoThreadsLoseNothingThatWasTaken) {
  EventQueue queue;
  constexpr std::uint32_t kEvents = 20000;
  std::atomic<std::uint64_t> refused{0};
  std::jthread worker([&] {
    for (std::uint32_t n = 0; n < kEvents; ++n) {
      const ByteVector bytes(n % 97, static_cast<std::byte>(n));
      while (!queue.push({.kind = Kind::Frame, .session = SessionIndex{n}}, bytes)) {
        ++refused;
        std::this_thread::yield();
      }
    }
  });
  for (std::uint32_t n = 0; n < kEvents;) {
    const auto event = queue.pop();
    if (!event) {
      std::this_thread::yield();
      continue;
    }
    const auto& frame = std::get<FrameEvent>(*event);
    ASSERT_EQ(frame.session.value, n);
    ASSERT_EQ(frame.plaintext, ByteVector(n % 97, static_cast<std::byte>(n)));
    ++n;
  }
}

}  // namespace
}  // namespace ipop::dataplane
