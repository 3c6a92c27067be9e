#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ipop {
namespace {

TEST(Hex, ReadsBothCasesAndWritesLower) {
  EXPECT_EQ(to_hex({}), "");
  EXPECT_EQ(from_hex(""), ByteVector());
  const auto bytes = from_hex("00ff0aB7");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(to_hex(*bytes), "00ff0ab7");
  for (const char* bad : {"0", "000", "0g", "g0", "-1", "+1", " 0", "0 ", "0x00", "00\n0", "0:"}) {
    EXPECT_FALSE(from_hex(bad)) << bad;
  }
  for (unsigned c = 0; c < 256; ++c) {
    const std::string text{'0', static_cast<char>(c)};
    const bool digit = std::isxdigit(static_cast<int>(c)) != 0;
    EXPECT_EQ(from_hex(text).has_value(), digit) << c;
  }
}

TEST(Hex, EveryByteComesBack) {
  ByteVector all;
  for (unsigned v = 0; v < 256; ++v) all.push_back(static_cast<std::byte>(v));
  EXPECT_EQ(from_hex(to_hex(all)), all);
}

TEST(Bytes, CopyFillsTheBeginning) {
  ByteVector to(4, std::byte{9});
  copy_bytes(to, *from_hex("0102"));
  EXPECT_EQ(to_hex(to), "01020909");
  copy_bytes(to, {});
  EXPECT_EQ(to_hex(to), "01020909");
  copy_bytes({}, {});
  EXPECT_DEATH(copy_bytes(MutableBytes(to).first(1), *from_hex("0102")), "");
}

TEST(Bytes, EqualComparesLengthAndContent) {
  const ByteVector a = *from_hex("0102");
  EXPECT_TRUE(equal_bytes(a, *from_hex("0102")));
  EXPECT_TRUE(equal_bytes({}, {}));
  EXPECT_FALSE(equal_bytes(a, *from_hex("0103")));
  EXPECT_FALSE(equal_bytes(a, *from_hex("01")));
  EXPECT_FALSE(equal_bytes(a, *from_hex("010200")));
  EXPECT_FALSE(equal_bytes(a, {}));
}

TEST(Bytes, TextAndBytesAreTheSameMemory) {
  const std::string_view text = "a\0b";
  EXPECT_EQ(as_text(as_bytes(text)), text);
  ByteVector out = *from_hex("00");
  append(out, as_bytes("xy"));
  EXPECT_EQ(to_hex(out), "007879");
  EXPECT_EQ(to_vector(as_bytes("xy")), *from_hex("7879"));
  EXPECT_EQ(as_uchar(MutableBytes(out))[1], 'x');
  EXPECT_EQ(as_uchar(Bytes(out))[2], 'y');
}

using Four = FixedBytes<struct FourTag, 4>;
using Eight = FixedBytes<struct EightTag, 8>;

TEST(FixedBytes, TakesExactlyItsLength) {
  EXPECT_TRUE(Four::from(*from_hex("01020304")));
  EXPECT_FALSE(Four::from(*from_hex("010203")));
  EXPECT_FALSE(Four::from(*from_hex("0102030405")));
  EXPECT_FALSE(Four::from({}));
  EXPECT_TRUE(Four{}.is_zero());
  EXPECT_FALSE(Four::from(*from_hex("00000001"))->is_zero());
  EXPECT_EQ(to_hex(Four::from(*from_hex("01020304"))->view()), "01020304");
}

TEST(FixedBytes, OrdersBytewise) {
  EXPECT_LT(*Four::from(*from_hex("00ffffff")), *Four::from(*from_hex("01000000")));
  EXPECT_LT(*Four::from(*from_hex("7f000000")), *Four::from(*from_hex("80000000")));
  EXPECT_EQ(*Four::from(*from_hex("80000000")), *Four::from(*from_hex("80000000")));
  EXPECT_NE(std::hash<Eight>{}(*Eight::from(*from_hex("0100000000000000"))),
            std::hash<Eight>{}(*Eight::from(*from_hex("0000000000000001"))));
}

TEST(Base64, IsThatOfRfc4648) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : cases) EXPECT_EQ(to_base64(as_bytes(plain)), text);
  EXPECT_EQ(to_base64(ByteVector{std::byte{0xfb}, std::byte{0xff}}), "+/8=");
}

}  // namespace
}  // namespace ipop
