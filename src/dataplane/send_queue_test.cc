#include "dataplane/send_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "base/random.h"
#include "dataplane/test_packets.h"

namespace ipop::dataplane {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Instant kStart = Instant(std::chrono::seconds(1000));
constexpr NetworkSlot kNetwork{3};

/// A UDP packet of one flow, told by its source port; its last four bytes are `number`.
ByteVector packet(unsigned flow, std::size_t size, unsigned number = 0, unsigned ecn = 0) {
  ByteVector udp(size - 20);
  test::set16(udp, 0, 1000 + flow);
  ByteVector out = test::ip_packet({.traffic_class = ecn}, udp);
  test::set16(out, out.size() - 4, number >> 16U);
  test::set16(out, out.size() - 2, number & 0xffffU);
  return out;
}
unsigned flow_of(Bytes packet) { return test::get16(packet, 20) - 1000; }
unsigned number_of(Bytes packet) {
  return test::get16(packet, packet.size() - 4) << 16U | test::get16(packet, packet.size() - 2);
}

void push(SendQueue& queue, const ByteVector& bytes, Instant now = kStart,
          Segmentation segmentation = Segmentation::None) {
  ASSERT_FALSE(queue.is_full());
  copy_bytes(queue.room().read_area(), bytes);
  queue.room().resize(bytes.size());
  queue.push(now, kNetwork, {.segmentation = segmentation, .segment_size = 77});
}
/// One that stands for many.
void push_large(SendQueue& queue, const ByteVector& bytes, Instant now) {
  push(queue, bytes, now, Segmentation::Udp);
}

/// Takes one, and gives it back at once; empty: there was none.
ByteVector take(SendQueue& queue, Instant now = kStart) {
  SendQueue::Waiting* next = queue.take(now);
  if (next == nullptr) return {};
  EXPECT_EQ(next->network, kNetwork);
  EXPECT_EQ(next->left.segment_size, 77);
  ByteVector out = to_vector(next->packet.data());
  queue.release();
  return out;
}

constexpr std::size_t kLarge = 60000;

TEST(SendQueue, IsEmptyAtFirst) {
  SendQueue queue(1);
  EXPECT_TRUE(queue.is_empty());
  EXPECT_FALSE(queue.is_full());
  EXPECT_EQ(queue.take(kStart), nullptr);
  queue.release();
}

TEST(SendQueue, OneFlowKeepsItsOrderWhateverTheSizes) {
  SendQueue queue(1);
  const std::size_t sizes[] = {100, kLarge, 40, kLarge, kLarge, 1400};
  for (unsigned i = 0; i < std::size(sizes); ++i) push(queue, packet(1, sizes[i], i));
  for (unsigned i = 0; i < std::size(sizes); ++i) {
    const ByteVector got = take(queue);
    EXPECT_EQ(got, packet(1, sizes[i], i));
  }
  EXPECT_TRUE(queue.is_empty());
}

// What a game, a name or a keystroke is.
TEST(SendQueue, WhatHadNothingHereGoesBeforeADownload) {
  SendQueue queue(1);
  for (unsigned i = 0; i < 10; ++i) push(queue, packet(1, kLarge, i));
  EXPECT_EQ(flow_of(take(queue)), 1U) << "it was new itself";
  EXPECT_EQ(flow_of(take(queue)), 1U) << "and had bytes left of its turn";
  for (unsigned i = 0; i < 3; ++i) {
    push(queue, packet(2, 80, i));
    EXPECT_EQ(flow_of(take(queue)), 2U);
    EXPECT_EQ(number_of(take(queue)), 2 + i);
  }
}

// Between its packets the downloads have their turns.
TEST(SendQueue, AGameGoesFirstEachTimeNotEveryOtherTime) {
  SendQueue queue(1);
  for (unsigned i = 0; i < 12; ++i) {
    push(queue, packet(1, kLarge, i));
    push(queue, packet(3, kLarge, i));
  }
  for (int i = 0; i < 4; ++i) take(queue);
  for (unsigned i = 0; i < 8; ++i) {
    push(queue, packet(2, 80, i));
    EXPECT_EQ(flow_of(take(queue)), 2U) << i;
    EXPECT_NE(flow_of(take(queue)), 2U);
  }
}

TEST(SendQueue, WhoHasUsedUpATurnWaitsBehindTheOthersOnce) {
  SendQueue queue(1);
  for (unsigned i = 0; i < 8; ++i) push(queue, packet(1, kLarge, i));
  for (int i = 0; i < 2; ++i) take(queue);
  for (unsigned i = 0; i < 7; ++i) {  // 70 000 bytes, a little at a time
    push(queue, packet(2, 10000, i));
    EXPECT_EQ(flow_of(take(queue)), 2U);
  }
  push(queue, packet(2, 10000, 7));
  EXPECT_EQ(flow_of(take(queue)), 1U) << "its turn is over";
  EXPECT_EQ(flow_of(take(queue)), 2U);
}

TEST(SendQueue, NetworksWithTheSameAddressesAreOtherFlows) {
  SendQueue queue(1);
  for (unsigned i = 0; i < 4; ++i) push(queue, packet(1, kLarge, i));
  for (int i = 0; i < 2; ++i) take(queue);
  const ByteVector other = packet(1, 80, 99);
  copy_bytes(queue.room().read_area(), other);
  queue.room().resize(other.size());
  queue.push(kStart, NetworkSlot{kNetwork.value + 1}, {});
  SendQueue::Waiting* next = queue.take(kStart);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(number_of(next->packet.data()), 99U);
}

TEST(SendQueue, DownloadsTakeTurnsByBytes) {
  SendQueue queue(1);
  for (unsigned i = 0; i < 6; ++i) push(queue, packet(1, kLarge, i));
  for (unsigned i = 0; i < 60; ++i) push(queue, packet(2, 6000, i));
  std::map<unsigned, std::size_t> bytes;
  for (int i = 0; i < 44; ++i) {
    const ByteVector got = take(queue);
    bytes[flow_of(got)] += got.size();
    const auto apart = std::max(bytes[1], bytes[2]) - std::min(bytes[1], bytes[2]);
    EXPECT_LE(apart, 3U * SendQueue::kTurnBytes);
  }
  EXPECT_GE(bytes[1], 3 * kLarge);
}

// Flows that come and go, each with one packet, go first once: a download still gets through.
TEST(SendQueue, NewFlowsDoNotStarveOldOnes) {
  SendQueue queue(1);
  for (unsigned i = 0; i < 8; ++i) push(queue, packet(0, kLarge, i));
  take(queue);
  take(queue);
  std::size_t others = 0;
  for (unsigned i = 0; i < 40; ++i) {
    // Always one of two flows that have just been served.
    push(queue, packet(1 + i % 2, 30000, i));
    push(queue, packet(1 + i % 2, 30000, i));
    if (flow_of(take(queue)) != 0) ++others;
    if (flow_of(take(queue)) != 0) ++others;
    if (queue.is_full() || others > 74) break;
  }
  EXPECT_LT(others, 75U) << "the download had its turns";
}

TEST(SendQueue, BeyondTheMostNothingMoreIsRead) {
  SendQueue queue(1);
  unsigned pushed = 0;
  while (!queue.is_full()) push(queue, packet(1, kLarge, pushed++));
  EXPECT_EQ(pushed, SendQueue::kBytesMax / kLarge + 1);
  EXPECT_EQ(number_of(take(queue)), 1U) << "number 0 was lost to tell";
  EXPECT_EQ(queue.take_lost(), 1U);
  EXPECT_FALSE(queue.is_full());
}

TEST(SendQueue, WhoFillsTheQueueIsToldOnceAPause) {
  for (const unsigned ecn : {0U, 2U}) {
    SendQueue queue(1);
    std::size_t told = 0;
    unsigned number = 0;
    for (unsigned i = 0; i < 2500; ++i) {
      const Instant now = kStart + i * microseconds(200);  // too short a wait for CoDel
      push(queue, packet(2, 100), now);
      while (number < SendQueue::kBytesEnough / kLarge + 1) {
        push_large(queue, packet(1, kLarge, number++, ecn), now);
      }
      push_large(queue, packet(1, kLarge, number++, ecn), now);
      for (int n = 0; n < 2; ++n) {
        SendQueue::Waiting* next = queue.take(now);
        ASSERT_NE(next, nullptr);
        const bool is_marked = (test::get16(next->packet.data(), 0) & 3U) == 3;
        EXPECT_FALSE(next->lose_first && is_marked);
        const bool is_told = next->lose_first || is_marked;
        EXPECT_FALSE(is_told && flow_of(next->packet.data()) == 2);
        told += is_told ? 1U : 0U;
        queue.release();
      }
    }
    EXPECT_EQ(told, 50U) << "every ten of 500 ms";
    EXPECT_EQ(queue.take_lost(), 0U);
  }
}

TEST(SendQueue, FullIsFullUntilRelease) {
  SendQueue queue(1);
  for (unsigned i = 0; i < SendQueue::kSlots; ++i) push(queue, packet(1, 100, i));
  EXPECT_TRUE(queue.is_full());
  SendQueue::Waiting* first = queue.take(kStart);
  SendQueue::Waiting* second = queue.take(kStart);
  EXPECT_TRUE(queue.is_full()) << "taken ones are still somebody's";
  EXPECT_EQ(number_of(first->packet.data()), 0U);
  EXPECT_EQ(number_of(second->packet.data()), 1U);
  queue.release();
  push(queue, packet(1, 100, 96));
  push(queue, packet(1, 100, 97));
  EXPECT_TRUE(queue.is_full());
  for (unsigned i = 2; i < 98; ++i) EXPECT_EQ(number_of(take(queue)), i);
  EXPECT_EQ(queue.take_lost(), 0U);
}

// A flow that is sent more slowly than it comes, by a processor that cannot do more.
TEST(SendQueue, WhoWaitsForLongIsMarkedOrLost) {
  for (const unsigned ecn : {0U, 1U, 2U}) {
    SendQueue queue(1);
    std::size_t marked = 0;
    std::size_t taken = 0;
    for (unsigned i = 0; i < 50; ++i) push(queue, packet(1, 1400, i, ecn));
    for (unsigned ms = 1; ms <= 1000; ++ms) {
      const Instant now = kStart + milliseconds(ms);
      if (!queue.is_full()) push(queue, packet(1, 1400, 50 + ms, ecn), now);
      const ByteVector got = take(queue, now);
      if (got.empty()) continue;
      ++taken;
      EXPECT_EQ(test::slow_sum(Bytes(got).first(20)), 0xffff) << "the header's checksum is whole";
      const unsigned mark = test::get16(got, 0) & 3U;
      EXPECT_TRUE(mark == ecn || (ecn != 0 && mark == 3));
      if (mark != ecn) ++marked;
    }
    const std::size_t lost = queue.take_lost();
    EXPECT_GT(taken, 950U);
    if (ecn == 0) {
      EXPECT_GT(lost, 5U);
    } else {
      EXPECT_EQ(lost, 0U) << "a mark does";
      EXPECT_GT(marked, 5U);
    }
  }
}

TEST(SendQueue, WhatIsNoPacketWaitsLikeOthers) {
  SendQueue queue(1);
  push(queue, to_vector(as_bytes("no packet")));
  push(queue, ByteVector{});
  EXPECT_EQ(as_text(take(queue)), "no packet");
  EXPECT_NE(queue.take(kStart), nullptr);
  EXPECT_TRUE(queue.is_empty());
}

// Fragments lack the ports; they may not overtake the first one, which has them.
TEST(SendQueue, FragmentsKeepTheirOrder) {
  SendQueue queue(1);
  push(queue, packet(9, kLarge));
  take(queue);
  push(queue, packet(9, kLarge));
  std::vector<ByteVector> want;
  for (unsigned i = 0; i < 5; ++i) {
    const unsigned fragment = i == 4 ? 0x00b0 * i : 0x2000 | 0x00b0 * i;
    want.push_back(test::ip_packet({.fragment = fragment}, ByteVector(1408, std::byte(i))));
    push(queue, want.back());
  }
  std::vector<ByteVector> got;
  while (!queue.is_empty()) {
    ByteVector next = take(queue);
    if (next.size() != kLarge) got.push_back(std::move(next));
  }
  EXPECT_EQ(got, want);
}

// Whatever comes and goes: nothing is invented, doubled, overtaken within its flow or left over.
TEST(SendQueueProperty, AgreesWithASlowModel) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SeededRng rng(seed);
    const auto draw = [&](std::uint64_t n) { return static_cast<unsigned>(rng.next_u64() % n); };
    SendQueue queue(1);
    std::map<unsigned, std::deque<unsigned>> model;
    std::size_t waiting = 0;
    std::size_t lost = 0;
    Instant now = kStart;
    unsigned number = 0;
    for (int step = 0; step < 3000; ++step) {
      now += microseconds(draw(3000));
      if (draw(2) == 0) {
        for (unsigned n = draw(20); n > 0 && !queue.is_full(); --n) {
          const unsigned flow = draw(6);
          push(queue, packet(flow, flow == 0 ? 65000 : 40 + draw(2000), ++number), now);
          model[flow].push_back(number);
          ++waiting;
        }
      } else {
        for (unsigned n = draw(20); n > 0; --n) {
          SendQueue::Waiting* next = queue.take(now);
          if (next == nullptr) {
            EXPECT_TRUE(queue.is_empty());
            break;
          }
          auto& flow = model[flow_of(next->packet.data())];
          const unsigned got = number_of(next->packet.data());
          // What stood before it was lost.
          while (!flow.empty() && flow.front() < got) {
            flow.pop_front();
            ++lost;
            --waiting;
          }
          ASSERT_FALSE(flow.empty());
          ASSERT_EQ(flow.front(), got) << "seed " << seed;
          flow.pop_front();
          --waiting;
        }
        queue.release();
      }
    }
    while (queue.take(now) != nullptr) {
      queue.release();
      --waiting;
    }
    EXPECT_EQ(queue.take_lost(), lost + waiting) << "seed " << seed;
    EXPECT_TRUE(queue.is_empty());
    EXPECT_FALSE(queue.is_full());
  }
}

}  // namespace
}  // namespace ipop::dataplane
