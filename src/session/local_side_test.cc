#include "session/local_side.h"

#include <gtest/gtest.h>

#include "crypto/hkdf.h"

namespace ipop::session {
namespace {

Now wall(std::uint64_t seconds, std::uint32_t nanoseconds = 0) {
  return {.wall = UnixTime{seconds}, .wall_nanoseconds = nanoseconds};
}

TEST(TimestampSource, IsTai64nWithWhitenedNanoseconds) {
  TimestampSource source;
  EXPECT_EQ(to_hex(source.next(wall(1, 0x03ffffff)).view()), "400000000000000b03000000");
}

TEST(TimestampSource, AlwaysRises) {
  struct Case {
    std::string_view name;
    std::vector<Now> clocks;
  };
  const std::vector<Case> cases{
      {"same moment", {wall(100, 5), wall(100, 5), wall(100, 5)}},
      {"within one tick", {wall(100, 1), wall(100, 2), wall(100, 16'777'215)}},
      {"back by years", {wall(1'700'000'000), wall(1'300'000'000), wall(0), wall(1'700'000'000)}},
      {"end of a second", {wall(100, 999'999'999), wall(100, 999'999'999), wall(101, 0)}},
      {"nonsense nanoseconds", {wall(100, 4'000'000'000U), wall(100, 4'000'000'000U)}},
      {"end of time", {wall(UINT64_MAX), wall(UINT64_MAX), wall(5)}},
  };
  for (const Case& c : cases) {
    TimestampSource source;
    wire::Tai64n last;
    for (const Now& now : c.clocks) {
      const wire::Tai64n label = source.next(now);
      EXPECT_GT(label, last) << c.name;
      last = label;
    }
  }
}

TEST(TimestampSource, ThousandsInOneMomentStayWithinTheReservation) {
  TimestampSource source;
  source.reserve(wall(1000));
  wire::Tai64n last;
  for (int i = 0; i < 10'000; ++i) {
    const wire::Tai64n label = source.next(wall(1000));
    ASSERT_GT(label, last);
    last = label;
  }
  EXPECT_GE(source.reserved(), UnixTime{1000 + 7200});
  TimestampSource later;
  EXPECT_LT(last, later.next(wall(source.reserved().seconds)));
}

TEST(TimestampSource, RisesOverARestartWithTheClockSetBackTenYears) {
  TimestampSource before;
  before.reserve(wall(1'700'000'000));
  const wire::Tai64n used = before.next(wall(1'700'000'000 + 3600));
  TimestampSource after(before.reserved());
  EXPECT_TRUE(after.wants_reservation(wall(1'384'000'000)));
  after.reserve(wall(1'384'000'000));
  EXPECT_GT(after.reserved(), before.reserved());
  EXPECT_GT(after.next(wall(1'384'000'000)), used);
}

TEST(TimestampSource, AsksForAReservationInTime) {
  TimestampSource source;
  EXPECT_TRUE(source.wants_reservation(wall(1000)));
  source.reserve(wall(1000));
  EXPECT_FALSE(source.wants_reservation(wall(1000)));
  EXPECT_FALSE(source.wants_reservation(wall(1000 + 5400)));
  EXPECT_TRUE(source.wants_reservation(wall(1000 + 5401)));
  // Also when labels, not the clock, run ahead.
  TimestampSource ahead;
  ahead.reserve(wall(1000));
  ahead.next(wall(1000 + 7000));
  EXPECT_TRUE(ahead.wants_reservation(wall(10)));
}

TEST(EpochKeys, AreThreeUnrelatedKeysOfOneSecret) {
  SeededRng rng(1);
  const auto secret = crypto::Secret<32>::random(rng);
  const EpochKeys keys = EpochKeys::derive(Epoch{4}, secret);
  EXPECT_EQ(keys.epoch, Epoch{4});
  EXPECT_EQ(to_hex(keys.psk.reveal()), to_hex(crypto::derive_key(secret, "ipop psk").reveal()));
  EXPECT_EQ(to_hex(keys.mac.reveal()), to_hex(crypto::derive_key(secret, "ipop mac").reveal()));
  EXPECT_EQ(to_hex(keys.rendezvous.reveal()),
            to_hex(crypto::derive_key(secret, "ipop rendezvous").reveal()));
  EXPECT_NE(to_hex(keys.psk.reveal()), to_hex(keys.mac.reveal()));
}

TEST(EpochKeys, FindsOnlyLiveEpochs) {
  SeededRng rng(1);
  EpochKeyRing ring;
  for (const std::uint32_t e : {9U, 8U, 5U}) {
    ring.push_back(EpochKeys::derive(Epoch{e}, crypto::Secret<32>::random(rng)));
  }
  EXPECT_EQ(find_epoch(ring, Epoch{8}), &ring[1]);
  EXPECT_EQ(find_epoch(ring, Epoch{7}), nullptr);
  EXPECT_EQ(find_epoch({}, Epoch{8}), nullptr);
}

TEST(Prologue, NamesProtocolAndNetwork) {
  wire::NetworkId network;
  network.bytes[0] = std::byte{0xab};
  EXPECT_EQ(to_hex(native_prologue(network)), "69706f70207631ab000000000000000000000000000000");
}

}  // namespace
}  // namespace ipop::session
