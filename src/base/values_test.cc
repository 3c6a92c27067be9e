#include <gtest/gtest.h>

#include <memory>
#include <unordered_set>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/packet.h"
#include "base/time.h"

namespace ipop {
namespace {

using std::chrono::seconds;

TEST(UnixTime, Saturates) {
  constexpr UnixTime kNever = UnixTime::never();
  EXPECT_EQ(kNever.plus(seconds(600)), kNever);
  EXPECT_EQ(kNever.minus(seconds(1)).seconds, UINT64_MAX - 1);
  EXPECT_EQ(UnixTime{100}.minus(seconds(101)).seconds, 0U);
  EXPECT_EQ(UnixTime{100}.minus(seconds(100)).seconds, 0U);
  EXPECT_EQ(UnixTime{100}.minus(seconds(99)).seconds, 1U);
  EXPECT_EQ(UnixTime{UINT64_MAX - 5}.plus(seconds(5)), kNever);
  EXPECT_EQ(UnixTime{UINT64_MAX - 5}.plus(seconds(6)), kNever);
  EXPECT_EQ(UnixTime{UINT64_MAX - 5}.plus(seconds(4)).seconds, UINT64_MAX - 1);
  EXPECT_EQ(UnixTime{}.plus(seconds(0)).seconds, 0U);
  EXPECT_LT(UnixTime{1}, kNever);
}

TEST(StrongId, ComparesAndHashes) {
  EXPECT_EQ(SessionIndex{1}, SessionIndex{1});
  EXPECT_LT(Counter{1}, Counter{2});
  EXPECT_EQ(Epoch{}.value, 0U);
  const std::unordered_set<PeerHandle> set{PeerHandle{1}, PeerHandle{2}, PeerHandle{1}};
  EXPECT_EQ(set.size(), 2U);
  static_assert(!std::is_convertible_v<std::uint32_t, SessionIndex>);
  static_assert(!std::equality_comparable_with<SessionIndex, PeerHandle>);
}

TEST(Error, IsCheapAndComparable) {
  static_assert(std::is_trivially_copyable_v<Error>);
  const Result<int> r = fail(Errc::Os, "open", 13);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error(), (Error{Errc::Os, "open", 13}));
  EXPECT_NE(r.error(), (Error{Errc::Os, "open", 2}));
}

TEST(NullLogger, SaysItIsSilent) {
  NullLogger logger;
  logger.write(LogLevel::Error, "test", "nobody reads this");
  EXPECT_FALSE(logger.enabled(LogLevel::Error));
}

TEST(Packet, WidensAndNarrowsInPlace) {
  auto packet = std::make_unique<Packet>();
  EXPECT_EQ(packet->size(), 0U);
  EXPECT_EQ(packet->read_area().size(), Packet::kPayloadMax);
  packet->resize(4);
  copy_bytes(packet->data(), *from_hex("01020304"));
  const std::byte* payload = packet->data().data();

  packet->push_front(16);
  EXPECT_EQ(packet->size(), 20U);
  EXPECT_EQ(packet->data().data() + 16, payload);
  packet->resize(36);  // the tag behind
  EXPECT_EQ(to_hex(packet->data().subspan(16, 4)), "01020304");
  packet->pop_front(16);
  packet->resize(4);
  const Packet& read_only = *packet;
  EXPECT_EQ(to_hex(read_only.data()), "01020304");
  EXPECT_EQ(packet->data().data(), payload);
  packet->pop_front(4);
  EXPECT_EQ(packet->size(), 0U);
}

TEST(Packet, RefusesWhatDoesNotFit) {
  auto packet = std::make_unique<Packet>();
  packet->read_area();
  packet->resize(Packet::kPayloadMax + Packet::kTailroom);
  EXPECT_DEATH(packet->resize(Packet::kPayloadMax + Packet::kTailroom + 1), "");
  packet->push_front(Packet::kHeadroom);
  EXPECT_EQ(packet->size(), Packet::kCapacity);
  EXPECT_DEATH(packet->push_front(1), "");
  packet->resize(3);
  EXPECT_DEATH(packet->pop_front(4), "");
  packet->pop_front(3);
  // A new read starts behind the headroom again.
  EXPECT_EQ(packet->read_area().size(), Packet::kPayloadMax);
  packet->push_front(Packet::kHeadroom);
}

}  // namespace
}  // namespace ipop
