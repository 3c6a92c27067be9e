#include "wire/data.h"

#include "wire/canonical_testing.h"

namespace ipop::wire {
namespace {

std::optional<ByteVector> rewrite(Bytes input) {
  const auto data = parse_data(input);
  if (!data) return std::nullopt;
  ByteVector out(kDataHeaderSize);
  write_data_header(*data, out);
  append(out, input.subspan(kDataHeaderSize));
  return out;
}

TEST(Data, HasTheHeaderOfTheTable) {
  ByteVector out(kDataOverhead, std::byte{0xee});
  write_data_header({.queue = 7,
                     .flags = kDataFlagCsumPartial,
                     .receiver = SessionIndex{0x11223344},
                     .counter = Counter{0x0102030405060708}},
                    out);
  EXPECT_EQ(to_hex(Bytes(out).first(16)), "c4070100443322110807060504030201");
  EXPECT_EQ(out[16], std::byte{0xee});
  const auto back = parse_data(out);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->queue, 7);
  EXPECT_EQ(back->flags, kDataFlagCsumPartial);
  EXPECT_EQ(back->receiver, SessionIndex{0x11223344});
  EXPECT_EQ(back->counter, Counter{0x0102030405060708});
}

TEST(Data, RefusesEveryLengthBelowHeaderAndTag) {
  ByteVector good(kDataOverhead);
  write_data_header({}, good);
  ASSERT_TRUE(parse_data(good));
  for (std::size_t n = 0; n < kDataOverhead; ++n) {
    const ByteVector cut = to_vector(Bytes(good).first(n));
    const auto r = parse_data(cut);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::Truncated);
  }
}

TEST(Data, RefusesEveryOtherTypeFlagAndReservedByte) {
  ByteVector good(kDataOverhead);
  write_data_header({}, good);
  for (unsigned v = 0; v < 256; ++v) {
    for (const std::size_t at : {0U, 2U, 3U}) {
      ByteVector bytes = good;
      bytes[at] = static_cast<std::byte>(v);
      const bool right = at == 0 ? v == 0xc4 || v == 4 : at == 2 ? v <= 1 : v == 0;
      const auto r = parse_data(bytes);
      EXPECT_EQ(r.has_value(), right) << at << ' ' << v;
      if (!r) { EXPECT_EQ(r.error().code, Errc::BadValue); }
    }
  }
}

TEST(Data, IsCanonical) {
  SeededRng rng(12);
  ByteVector bytes = random_bytes(rng, kDataOverhead + 5);
  write_data_header({.queue = 255, .receiver = SessionIndex{1}, .counter = Counter{9}}, bytes);
  // 8 type bits, 7 unknown flags, 8 reserved bits. (No single flipped bit makes a stock type.)
  EXPECT_EQ(expect_canonical(rewrite, bytes), 23U);
}

TEST(Data, StockHeaderIsWireGuards) {
  ByteVector out(kDataOverhead, std::byte{0xee});
  write_data_header({.framing = Framing::Stock,
                     .receiver = SessionIndex{0x11223344},
                     .counter = Counter{0x0102030405060708}},
                    out);
  EXPECT_EQ(to_hex(Bytes(out).first(16)), "04000000443322110807060504030201");
  const auto back = parse_data(out);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->framing, Framing::Stock);
  EXPECT_EQ(back->receiver, SessionIndex{0x11223344});
  EXPECT_TRUE(data_aad(Framing::Stock, out).empty());
  EXPECT_EQ(data_aad(Framing::Native, out).size(), kDataHeaderSize);
  for (const std::size_t at : {1U, 2U, 3U}) {
    for (unsigned v = 1; v < 256; ++v) {
      ByteVector bytes = out;
      bytes[at] = static_cast<std::byte>(v);
      ASSERT_FALSE(parse_data(bytes)) << at << ' ' << v;
    }
  }
  // 8 type bits and 24 reserved ones.
  EXPECT_EQ(expect_canonical(rewrite, out), 32U);
}

TEST(Data, StockPaddingStaysBelowTheMtu) {
  const struct {
    std::size_t size, mtu, padded;
  } cases[] = {{0, 1420, 0},       {1, 1420, 16},      {16, 1420, 16},     {17, 1420, 32},
               {1408, 1420, 1408}, {1409, 1420, 1420}, {1420, 1420, 1420}, {1500, 1420, 1500}};
  for (const auto& c : cases) EXPECT_EQ(stock_padded_size(c.size, c.mtu), c.padded) << c.size;
}

TEST(Data, FirstByteTellsThePayload) {
  EXPECT_EQ(payload_kind({}), PayloadKind::Keepalive);
  for (unsigned v = 0; v < 256; ++v) {
    const ByteVector payload{static_cast<std::byte>(v), std::byte{0}};
    const auto expected = v == 0x10               ? PayloadKind::Relayed
                          : v < 0x40              ? PayloadKind::Control
                          : v >= 0x40 && v < 0x50 ? PayloadKind::Ipv4
                          : v >= 0x60 && v < 0x70 ? PayloadKind::Ipv6
                                                  : PayloadKind::Unknown;
    EXPECT_EQ(payload_kind(payload), expected) << v;
  }
}

TEST(Relayed, HasTheBytesOfTheTable) {
  const ByteVector inner = *from_hex("c40102");
  const ByteVector bytes = relayed_payload(RelayLabel{0x04030201}, inner);
  EXPECT_EQ(to_hex(bytes), "1001020304c40102");
  EXPECT_EQ(payload_kind(bytes), PayloadKind::Relayed);
  const auto relayed = parse_relayed(bytes);
  ASSERT_TRUE(relayed);
  EXPECT_EQ(relayed->label, RelayLabel{0x04030201});
  EXPECT_EQ(to_hex(relayed->datagram), "c40102");
}

TEST(Relayed, RefusesWhatIsCutEmptyOrUnlabelled) {
  EXPECT_EQ(parse_relayed({}).error().code, Errc::Truncated);
  EXPECT_EQ(parse_relayed(*from_hex("10010203")).error().code, Errc::Truncated);
  EXPECT_EQ(parse_relayed(*from_hex("1001020304")).error().code, Errc::Truncated);
  EXPECT_EQ(parse_relayed(*from_hex("1000000000c4")).error().code, Errc::BadValue);
  EXPECT_EQ(parse_relayed(*from_hex("1101000000c4")).error().code, Errc::BadValue);
}

}  // namespace
}  // namespace ipop::wire
