#include "wire/reader.h"

#include "wire/canonical_testing.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

TEST(Reader, ReadsBothByteOrders) {
  const auto bytes = *from_hex("0102030405060708090a0b0c0d0e");
  Reader little(bytes);
  EXPECT_EQ(little.le<std::uint16_t>(), 0x0201);
  EXPECT_EQ(little.le<std::uint32_t>(), 0x06050403U);
  EXPECT_EQ(little.le<std::uint64_t>(), 0x0e0d0c0b0a090807U);
  EXPECT_TRUE(little.done());
  Reader big(bytes);
  EXPECT_EQ(big.be<std::uint16_t>(), 0x0102);
  EXPECT_EQ(big.be<std::uint32_t>(), 0x03040506U);
  EXPECT_EQ(big.be<std::uint64_t>(), 0x0708090a0b0c0d0eU);
  EXPECT_TRUE(big.done());
}

TEST(Reader, FailsForGoodAtTheFirstShortRead) {
  const auto bytes = *from_hex("010203");
  Reader reader(bytes);
  EXPECT_EQ(reader.le<std::uint8_t>(), 1);
  EXPECT_EQ(reader.le<std::uint32_t>(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(reader.le<std::uint8_t>(), 0);
  EXPECT_TRUE(reader.take(0).empty());
  EXPECT_TRUE(reader.take(1).empty());
  EXPECT_TRUE((reader.fixed<FixedBytes<struct AnyTag, 2>>().is_zero()));
  EXPECT_FALSE(reader.ok());
}

TEST(Reader, TellsWholeFromRest) {
  const auto bytes = *from_hex("010203");
  Reader reader(bytes);
  EXPECT_TRUE(reader.ok());
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(to_hex(reader.take(2)), "0102");
  EXPECT_EQ(to_hex(reader.rest()), "03");
  EXPECT_EQ(reader.remaining(), 1U);
  reader.fail();
  EXPECT_FALSE(reader.ok());
  Reader empty((Bytes()));
  EXPECT_TRUE(empty.done());
}

TEST(Reader, FixedTakesExactlyItsSize) {
  const auto bytes = *from_hex("0102030405");
  Reader reader(bytes);
  EXPECT_EQ(to_hex(reader.fixed<FixedBytes<struct AnyTag, 2>>().view()), "0102");
  EXPECT_EQ(to_hex(reader.fixed<std::array<std::byte, 3>>()), "030405");
  EXPECT_TRUE(reader.done());
  Reader again(bytes);
  EXPECT_EQ(to_hex(again.fixed<std::array<std::byte, 6>>()), "000000000000");
  EXPECT_FALSE(again.ok());
}

TEST(Writer, AppendsWhatTheReaderReads) {
  ByteVector out = *from_hex("ff");
  Writer writer(out);
  writer.le(std::uint16_t{0x0102});
  writer.be(std::uint16_t{0x0102});
  writer.le(std::uint64_t{0x0102030405060708});
  writer.be(std::uint32_t{0xa0b0c0d0});
  writer.zeros(2);
  writer.bytes(*from_hex("eeff"));
  EXPECT_EQ(to_hex(out), "ff020101020807060504030201a0b0c0d00000eeff");
  EXPECT_EQ(writer.size(), out.size());
}

}  // namespace
}  // namespace ipop::wire
