#include "dataplane/keypair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "crypto/hkdf.h"
#include "crypto/testing.h"
#include "dataplane/two_nodes.h"

namespace ipop::dataplane {
namespace {

using test::packet_of;
using test::TwoNodes;

TEST(Keypair, SealsInPlaceAndOpensInPlace) {
  for (const auto& [backend, suite] : crypto::test::ways()) {
    TwoNodes nodes({.suite = suite, .backend = backend});
    SeededRng rng(1);
    for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 1380U, 65000U}) {
      ByteVector text(size);
      rng.fill(text);
      const auto packet = packet_of(text);
      const std::byte* place = packet->data().data();
      ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
      EXPECT_EQ(packet->size(), size + wire::kDataOverhead);
      EXPECT_EQ(packet->data().data() + wire::kDataHeaderSize, place);
      const auto header = wire::parse_data(packet->data());
      ASSERT_TRUE(header.has_value());
      EXPECT_EQ(header->receiver, nodes.bob.index);
      EXPECT_EQ(header->flags, 0);
      const auto opened = test::open(*nodes.bob.keypair, *packet);
      ASSERT_TRUE(opened.has_value());
      EXPECT_TRUE(equal_bytes(packet->data(), text));
      EXPECT_EQ(packet->data().data(), place);
    }
  }
}

TEST(Keypair, EverySenderHasALaneOfItsOwn) {
  TwoNodes nodes;
  std::vector<std::pair<int, std::uint64_t>> got;
  for (const SenderId sender : {SenderId{1}, kControlSender, SenderId{2}, kControlSender}) {
    const auto packet = packet_of(as_bytes("hello"));
    if (sender == kControlSender) {
      const auto sealed = nodes.alice.keypair->seal_control(as_bytes("hello"));
      ASSERT_TRUE(sealed.has_value());
      copy_bytes(packet->read_area(), *sealed);
      packet->resize(sealed->size());
    } else {
      ASSERT_TRUE(nodes.alice.keypair->seal(sender, 0, *packet).has_value());
    }
    const auto header = test::open(*nodes.bob.keypair, *packet);
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(as_text(packet->data()), "hello");
    got.emplace_back(header->queue, header->counter.value);
  }
  EXPECT_EQ(got, (std::vector<std::pair<int, std::uint64_t>>{{1, 0}, {0, 0}, {2, 0}, {0, 1}}));
}

// The lanes of one pair have different keys: equal counters never mean an equal nonce and key.
TEST(Keypair, APacketOpensOnItsOwnLaneOnly) {
  for (const auto& [backend, suite] : crypto::test::ways()) {
    TwoNodes nodes({.suite = suite, .backend = backend});
    const auto packet = packet_of(as_bytes("lane 1"));
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    const ByteVector datagram = to_vector(packet->data());
    const auto other = packet_of(as_bytes("lane 1"));
    ASSERT_TRUE(nodes.alice.keypair->seal(2, 0, *other).has_value());
    // Without the tags: those differ by the header alone.
    const std::size_t text_size = packet->size() - wire::kDataOverhead;
    EXPECT_FALSE(equal_bytes(other->data().subspan(wire::kDataHeaderSize, text_size),
                             packet->data().subspan(wire::kDataHeaderSize, text_size)));
    for (unsigned queue = 0; queue < 256; ++queue) {
      if (queue == 1) continue;
      ByteVector moved = datagram;
      moved[1] = static_cast<std::byte>(queue);
      const auto bad = packet_of(moved);
      const auto got = test::open(*nodes.bob.keypair, *bad);
      ASSERT_FALSE(got.has_value()) << queue;
      EXPECT_EQ(got.error().code, queue > kWorkersMax ? Errc::NotFound : Errc::Denied) << queue;
    }
    EXPECT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value());
  }
}

// docs/protocol.md, "Lanes".
TEST(Keypair, LaneKeysAreOfTheDirectionKeyAndADigit) {
  constexpr crypto::Suite kSuite = crypto::Suite::Aes256Gcm;
  SeededRng rng(5);
  const auto direction = crypto::Secret<32>::random(rng);
  Keypair keypair({.local = {1}, .remote = {2}, .suite = kSuite, .workers = kWorkersMax},
                  {direction.clone(), crypto::Secret<32>::random(rng)});
  for (SenderId lane = 0; lane <= kWorkersMax; ++lane) {
    const auto packet = packet_of(as_bytes("hello"));
    ASSERT_TRUE(keypair.seal(lane, 0, *packet).has_value());
    const auto opener = crypto::open_aead(
        kSuite, crypto::derive_key(direction, "ipop queue " + std::to_string(lane)));
    const auto text =
        opener->open(crypto::nonce_of(kSuite, 0), packet->data().first(wire::kDataHeaderSize),
                     packet->data().subspan(wire::kDataHeaderSize));
    ASSERT_TRUE(text.has_value()) << int{lane};
    EXPECT_EQ(as_text(*text), "hello");
  }
}

TEST(Keypair, EveryPacketOpensOnce) {
  for (const auto& [backend, suite] : crypto::test::ways()) {
    TwoNodes nodes({.suite = suite, .backend = backend});
    const auto packet = packet_of(as_bytes("once"));
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    const ByteVector datagram = to_vector(packet->data());
    ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value());
    for (int i = 0; i < 3; ++i) {
      const auto again = packet_of(datagram);
      const auto got = test::open(*nodes.bob.keypair, *again);
      ASSERT_FALSE(got.has_value());
      EXPECT_EQ(got.error().code, Errc::BadValue);
    }
  }
}

// A forged packet with a high counter must not move the window.
TEST(Keypair, CounterIsCommittedAfterTheTagOnly) {
  TwoNodes nodes;
  const auto genuine = packet_of(as_bytes("genuine"));
  ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *genuine).has_value());
  auto forged = to_vector(genuine->data());
  forged[12] = std::byte{0xff};  // counter far ahead
  const auto packet = packet_of(forged);
  const auto got = test::open(*nodes.bob.keypair, *packet);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::Denied);
  EXPECT_TRUE(test::open(*nodes.bob.keypair, *genuine).has_value());
}

TEST(Keypair, EveryBitOfADatagramMatters) {
  for (const auto& [backend, suite] : crypto::test::ways()) {
    TwoNodes nodes({.suite = suite, .backend = backend});
    const auto packet = packet_of(as_bytes("some inner packet"));
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    const ByteVector datagram = to_vector(packet->data());
    for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
      ByteVector bad = datagram;
      bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const auto changed = packet_of(bad);
      const auto got = test::open(*nodes.bob.keypair, *changed);
      ASSERT_FALSE(got.has_value()) << bit;
      if (got.error().code == Errc::Denied) {
        const Bytes sealed = changed->data().subspan(wire::kDataHeaderSize);
        EXPECT_TRUE(std::all_of(sealed.begin(), sealed.end(),
                                [](std::byte b) { return b == std::byte{0}; }));
      }
    }
    EXPECT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value())
        << "and none changed the state";
  }
}

TEST(Keypair, EveryTruncationIsRefused) {
  TwoNodes nodes;
  const auto packet = packet_of(as_bytes("some inner packet"));
  ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
  const ByteVector datagram = to_vector(packet->data());
  for (std::size_t size = 0; size < datagram.size(); ++size) {
    const auto cut = packet_of(Bytes(datagram).first(size));
    EXPECT_FALSE(test::open(*nodes.bob.keypair, *cut).has_value()) << size;
  }
}

TEST(Keypair, OwnPacketsDoNotOpen) {
  TwoNodes nodes;
  const auto packet = packet_of(as_bytes("reflected"));
  ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
  ByteVector datagram = to_vector(packet->data());
  for (std::size_t i = 0; i < 4; ++i) {
    datagram[4 + i] = static_cast<std::byte>(nodes.alice.index.value >> (8 * i));
  }
  const auto reflected = packet_of(datagram);
  const auto got = test::open(*nodes.alice.keypair, *reflected);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::Denied);
}

// 100 bytes are 7 blocks of text and one for the tag.
TEST(Keypair, BlockLimitsOfAes) {
  TwoNodes nodes({.limits = {.rekey = 24, .reject = 40}});
  Keypair& keypair = *nodes.alice.keypair;
  const ByteVector text(100);
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(keypair.wants_rekey(), i > 3) << i;
    EXPECT_EQ(keypair.take_rekey_report(), i == 4) << "reported once: " << i;
    const auto packet = packet_of(text);
    ASSERT_TRUE(keypair.seal(1, 0, *packet).has_value()) << i;
    ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value()) << i;
  }
  const auto packet = packet_of(text);
  const auto got = keypair.seal(1, 0, *packet);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Errc::Busy);
  EXPECT_TRUE(equal_bytes(packet->data(), text)) << "nothing was sealed";
  EXPECT_TRUE(keypair.seal_control(text).has_value()) << "control has a key of its own";
  EXPECT_EQ(keypair.counter_of(1).load(), 5U) << "refused packets use no counter";

  // The receiver has counted as many; it refuses by itself, whatever the sender thinks.
  TwoNodes other;
  other.alice.keypair->counter_of(1) = 5;
  const auto late = packet_of(text);
  ASSERT_TRUE(other.alice.keypair->seal(1, 0, *late).has_value());
  const auto refused = test::open(*nodes.bob.keypair, *late);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::Busy);
}

TEST(Keypair, ChaChaHasNoBlockLimit) {
  TwoNodes nodes({.suite = crypto::Suite::ChaCha20Poly1305, .limits = {.rekey = 1, .reject = 1}});
  for (int i = 0; i < 10; ++i) {
    const auto packet = packet_of(ByteVector(1000));
    ASSERT_TRUE(nodes.alice.keypair->seal(1, 0, *packet).has_value());
    ASSERT_TRUE(test::open(*nodes.bob.keypair, *packet).has_value());
  }
  EXPECT_FALSE(nodes.alice.keypair->wants_rekey());
}

TEST(Keypair, MessageLimits) {
  for (const auto& [backend, suite] : crypto::test::ways()) {
    TwoNodes nodes({.suite = suite, .backend = backend});
    Keypair& keypair = *nodes.alice.keypair;
    keypair.counter_of(kControlSender) = (1ULL << 60U) - 1;
    EXPECT_FALSE(keypair.wants_rekey());
    ASSERT_TRUE(keypair.seal_control({}).has_value());
    EXPECT_TRUE(keypair.wants_rekey());

    keypair.counter_of(1) = session::ReplayWindow::kRejectFrom - 1;
    const auto last = packet_of(as_bytes("last"));
    ASSERT_TRUE(keypair.seal(1, 0, *last).has_value());
    EXPECT_TRUE(test::open(*nodes.bob.keypair, *last).has_value());
    for (int i = 0; i < 10000; ++i) ASSERT_FALSE(keypair.seal(1, 0, *last).has_value());
    EXPECT_EQ(keypair.counter_of(1).load(), session::ReplayWindow::kRejectFrom)
        << "a counter that moved on would wrap and reuse a nonce";
  }
}

TEST(Keypair, SendersNeverShareANonce) {
  TwoNodes nodes;
  constexpr int kEach = 2000;
  std::array<std::vector<std::pair<std::uint8_t, std::uint64_t>>, 3> counters;
  {
    std::vector<std::jthread> threads;
    for (std::size_t sender = 0; sender < 3; ++sender) {
      threads.emplace_back([&nodes, &mine = counters[sender], sender] {
        for (int i = 0; i < kEach; ++i) {
          const auto packet = packet_of(as_bytes("x"));
          if (sender == kControlSender) {
            const auto sealed = nodes.alice.keypair->seal_control(as_bytes("x"));
            copy_bytes(packet->read_area(), *sealed);
            packet->resize(sealed->size());
          } else {
            (void)nodes.alice.keypair->seal(static_cast<SenderId>(sender), 0, *packet);
          }
          const auto header = wire::parse_data(packet->data());
          mine.emplace_back(header->queue, header->counter.value);
        }
      });
    }
  }
  std::set<std::pair<std::uint8_t, std::uint64_t>> all;
  for (const auto& some : counters) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), 3U * kEach);
  EXPECT_EQ(*all.rbegin(), std::pair(std::uint8_t{2}, std::uint64_t{kEach - 1}));
}

TEST(KeypairDeathTest, UnknownSender) {
  TwoNodes nodes;
  const auto packet = packet_of({});
  EXPECT_DEATH((void)nodes.alice.keypair->seal(3, 0, *packet), "");
}

}  // namespace
}  // namespace ipop::dataplane
