#include "wire/canonical_testing.h"
#include "wire/frames.h"

namespace ipop::wire {
namespace {

Part part_of(const ByteVector& frame) {
  const auto parsed = parse_frame(frame);
  EXPECT_TRUE(parsed);
  const auto* part = parsed ? std::get_if<Part>(&*parsed) : nullptr;
  EXPECT_NE(part, nullptr);
  return part == nullptr ? Part{} : *part;
}

TEST(Parts, EveryLengthComesBack) {
  SeededRng rng(31);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kPartPayloadMax, kFrameSizeMax - 1, kFrameSizeMax,
        kFrameSizeMax + 1, 2 * kPartPayloadMax - 1, 2 * kPartPayloadMax, 2 * kPartPayloadMax + 1,
        std::size_t{8192}, kMessageSizeMax - 1, kMessageSizeMax}) {
    const ByteVector message = random_bytes(rng, size);
    const auto frames = split_message(message, 9);
    if (size <= kFrameSizeMax) {
      ASSERT_EQ(frames.size(), 1U);
      EXPECT_EQ(frames[0], message);
      continue;
    }
    ASSERT_LE(frames.size(), kPartsMax);
    PartAssembler assembler;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      EXPECT_LE(frames[i].size(), kFrameSizeMax);
      const auto whole = assembler.add(part_of(frames[i]));
      ASSERT_EQ(whole.has_value(), i + 1 == frames.size());
      if (whole) { EXPECT_TRUE(equal_bytes(*whole, message)); }
    }
  }
}

TEST(Parts, AnyOrderAndRepetitionGivesTheMessageOnce) {
  SeededRng rng(32);
  for (int round = 0; round < 50; ++round) {
    const ByteVector message =
        random_bytes(rng, kFrameSizeMax + 1 + rng.below(kMessageSizeMax - kFrameSizeMax));
    const auto frames = split_message(message, static_cast<std::uint32_t>(round));
    PartAssembler assembler;
    std::vector<bool> seen(frames.size());
    std::size_t missing = frames.size();
    while (missing > 0) {
      const auto i = static_cast<std::size_t>(rng.below(frames.size()));
      if (!seen[i]) --missing;
      seen[i] = true;
      const auto whole = assembler.add(part_of(frames[i]));
      ASSERT_EQ(whole.has_value(), missing == 0);
      if (whole) { EXPECT_TRUE(equal_bytes(*whole, message)); }
    }
  }
}

TEST(Parts, AnotherMessageStartsAfresh) {
  const ByteVector one(2000, std::byte{1});
  const ByteVector two(2000, std::byte{2});
  const auto first = split_message(one, 1);
  const auto second = split_message(two, 2);
  PartAssembler assembler;
  EXPECT_FALSE(assembler.add(part_of(first[0])));
  EXPECT_FALSE(assembler.add(part_of(second[0])));
  EXPECT_FALSE(assembler.add(part_of(first[1])));  // its first half was forgotten
  EXPECT_FALSE(assembler.add(part_of(second[1])));
  const auto whole = assembler.add(part_of(second[0]));
  ASSERT_TRUE(whole);
  EXPECT_TRUE(equal_bytes(*whole, two));
}

TEST(Parts, AnotherCountStartsAfresh) {
  const auto two = split_message(ByteVector(2000, std::byte{1}), 1);
  const auto three = split_message(ByteVector(3000, std::byte{2}), 1);
  PartAssembler assembler;
  EXPECT_FALSE(assembler.add(part_of(two[0])));
  EXPECT_FALSE(assembler.add(part_of(three[1])));
  EXPECT_FALSE(assembler.add(part_of(three[2])));
  const auto whole = assembler.add(part_of(three[0]));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->size(), 3000U);
}

TEST(Parts, ACountOrIndexThatNoParserAcceptsIsIgnored) {
  PartAssembler assembler;
  const ByteVector payload(4);
  EXPECT_FALSE(assembler.add({.index = 0, .count = 0, .payload = payload}));
  EXPECT_FALSE(assembler.add({.index = 0, .count = 1, .payload = payload}));
  EXPECT_FALSE(assembler.add({.index = 2, .count = 2, .payload = payload}));
  EXPECT_FALSE(assembler.add({.index = 0, .count = 255, .payload = payload}));
}

}  // namespace
}  // namespace ipop::wire
