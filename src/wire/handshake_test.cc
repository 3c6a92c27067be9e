#include "wire/handshake.h"

#include "wire/canonical_testing.h"

namespace ipop::wire {
namespace {

std::optional<ByteVector> rewrite_initiation(const HandshakeShape& shape, Bytes input) {
  const auto m = parse_initiation(shape, input);
  if (!m) return std::nullopt;
  ByteVector out;
  write_initiation_head(shape, m->sender, m->ephemeral, m->sealed_static, m->sealed_payload, out);
  EXPECT_EQ(to_hex(out), to_hex(m->mac1_input));
  append(out, m->mac1.view());
  EXPECT_EQ(to_hex(out), to_hex(m->mac2_input));
  append(out, m->mac2.view());
  return out;
}

std::optional<ByteVector> rewrite_response(const HandshakeShape& shape, Bytes input) {
  const auto m = parse_response(shape, input);
  if (!m) return std::nullopt;
  ByteVector out;
  write_response_head(shape, m->sender, m->receiver, m->ephemeral, m->sealed_payload, out);
  EXPECT_EQ(to_hex(out), to_hex(m->mac1_input));
  append(out, m->mac1.view());
  EXPECT_EQ(to_hex(out), to_hex(m->mac2_input));
  append(out, m->mac2.view());
  return out;
}

std::optional<ByteVector> rewrite_cookie(Bytes input) {
  const auto m = parse_cookie_reply(kNativeShape, input);
  if (!m) return std::nullopt;
  ByteVector out;
  write_cookie_reply(kNativeShape, *m, out);
  return out;
}

std::optional<ByteVector> rewrite_initiation_payload(Bytes input) {
  const auto m = parse_initiation_payload(input);
  if (!m) return std::nullopt;
  ByteVector out;
  write_initiation_payload(*m, out);
  return out;
}

std::optional<ByteVector> rewrite_response_payload(Bytes input) {
  const auto m = parse_response_payload(input);
  if (!m) return std::nullopt;
  ByteVector out;
  write_response_payload(*m, out);
  return out;
}

ByteVector initiation_of(const HandshakeShape& shape, std::size_t payload, Rng& rng) {
  ByteVector out;
  write_initiation_head(shape, SessionIndex{0x01020304}, random_fixed<TunnelKey>(rng),
                        random_bytes(rng, 48), random_bytes(rng, payload + 16), out);
  append(out, random_bytes(rng, 2 * kMacSize));
  return out;
}

ByteVector response_of(const HandshakeShape& shape, std::size_t payload, Rng& rng) {
  ByteVector out;
  write_response_head(shape, SessionIndex{5}, SessionIndex{6}, random_fixed<TunnelKey>(rng),
                      random_bytes(rng, payload + 16), out);
  append(out, random_bytes(rng, 2 * kMacSize));
  return out;
}

TEST(Handshake, StockSizesAreWireGuards) {
  SeededRng rng(1);
  EXPECT_EQ(initiation_of(kStockShape, 12, rng).size(), 148U);
  EXPECT_EQ(response_of(kStockShape, 0, rng).size(), 92U);
}

TEST(Handshake, LargestInitiationFitsItsBound) {
  SeededRng rng(2);
  const auto bytes = initiation_of(kNativeShape, kNativeShape.initiation_payload_max, rng);
  EXPECT_LE(bytes.size(), kInitiationSizeMax);
  EXPECT_TRUE(parse_initiation(kNativeShape, bytes));
}

TEST(Handshake, InitiationIsCanonical) {
  SeededRng rng(3);
  const auto rewrite = [](Bytes b) { return rewrite_initiation(kNativeShape, b); };
  const auto shortest = initiation_of(kNativeShape, kNativeShape.initiation_payload_min, rng);
  const auto longest = initiation_of(kNativeShape, kNativeShape.initiation_payload_max, rng);
  // The type and the three reserved bytes: 32 bits.
  EXPECT_EQ(expect_canonical(rewrite, shortest), 32U);
  EXPECT_EQ(expect_canonical(rewrite, longest), 32U);
  const auto stock = initiation_of(kStockShape, 12, rng);
  EXPECT_EQ(
      expect_canonical_exact([](Bytes b) { return rewrite_initiation(kStockShape, b); }, stock),
      32U);
}

TEST(Handshake, ResponseIsCanonical) {
  SeededRng rng(4);
  EXPECT_EQ(expect_canonical_exact([](Bytes b) { return rewrite_response(kNativeShape, b); },
                                   response_of(kNativeShape, 21, rng)),
            32U);
  EXPECT_EQ(expect_canonical_exact([](Bytes b) { return rewrite_response(kStockShape, b); },
                                   response_of(kStockShape, 0, rng)),
            32U);
}

TEST(Handshake, CookieReplyIsCanonical) {
  SeededRng rng(5);
  CookieReply cookie{.receiver = SessionIndex{7}};
  rng.fill(cookie.nonce);
  rng.fill(cookie.sealed);
  ByteVector bytes;
  write_cookie_reply(kNativeShape, cookie, bytes);
  EXPECT_EQ(bytes.size(), CookieReply::kSize);
  EXPECT_EQ(expect_canonical_exact(rewrite_cookie, bytes), 32U);
}

TEST(Handshake, LengthsOutsideTheShapeAreTruncated) {
  SeededRng rng(6);
  for (const std::size_t payload : {std::size_t{0}, kNativeShape.initiation_payload_min - 1,
                                    kNativeShape.initiation_payload_max + 1, std::size_t{1200}}) {
    const auto r = parse_initiation(kNativeShape, initiation_of(kNativeShape, payload, rng));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::Truncated);
  }
  for (const std::size_t payload : {0U, 20U, 22U, 1200U}) {
    const auto r = parse_response(kNativeShape, response_of(kNativeShape, payload, rng));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Errc::Truncated);
  }
}

TEST(Handshake, ProfilesRefuseEachOthersMessages) {
  SeededRng rng(7);
  EXPECT_FALSE(parse_initiation(kStockShape, initiation_of(kNativeShape, 35, rng)));
  EXPECT_FALSE(parse_initiation(kNativeShape, initiation_of(kStockShape, 12, rng)));
  EXPECT_FALSE(parse_response(kStockShape, response_of(kNativeShape, 21, rng)));
  EXPECT_FALSE(parse_response(kNativeShape, response_of(kStockShape, 0, rng)));
}

InitiationPayload payload_with(std::size_t candidates) {
  InitiationPayload out{.timestamp = filled<Tai64n>(0x40),
                        .suites = 3,
                        .skey_epoch = 2,
                        .grant = filled<StatementId>(9)};
  for (std::size_t i = 0; i < candidates; ++i) {
    const auto n = static_cast<std::uint16_t>(i + 1);
    if (i % 2 == 0) {
      out.candidates.push_back({Ipv4{0x0a000001U + n}, n});
    } else {
      Ipv6 a{filled<FixedBytes<struct AnyTag, 16>>(0x20).bytes};
      out.candidates.push_back({a, n});
    }
  }
  return out;
}

TEST(InitiationPayload, SizesAreTheShapes) {
  for (std::size_t n = 0; n <= kCandidatesMax; ++n) {
    ByteVector bytes;
    write_initiation_payload(payload_with(n), bytes);
    EXPECT_EQ(bytes.size(), kNativeShape.initiation_payload_min + 19 * n);
    expect_canonical_exact(rewrite_initiation_payload, bytes);
    const auto back = parse_initiation_payload(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->candidates, payload_with(n).candidates);
    EXPECT_EQ(back->suites, 3);
    EXPECT_EQ(back->skey_epoch, 2U);
    EXPECT_EQ(back->grant, filled<StatementId>(9));
    EXPECT_EQ(back->timestamp, filled<Tai64n>(0x40));
  }
}

TEST(InitiationPayload, RefusesBadFields) {
  struct Bad {
    std::size_t at;
    unsigned value;
  };
  ByteVector good;
  write_initiation_payload(payload_with(1), good);
  ASSERT_TRUE(parse_initiation_payload(good));
  for (const Bad bad : {Bad{12, 0}, Bad{12, 4}, Bad{12, 0x83}, Bad{12, 0xff}, Bad{13, 1},
                        Bad{13, 0x80}, Bad{34, 7}, Bad{34, 255}, Bad{35, 0}, Bad{35, 5}}) {
    ByteVector bytes = good;
    bytes[bad.at] = static_cast<std::byte>(bad.value);
    const auto r = parse_initiation_payload(bytes);
    ASSERT_FALSE(r) << bad.at << ' ' << bad.value;
    EXPECT_EQ(r.error().code, Errc::BadValue);
  }
  ByteVector bytes = good;
  bytes[34] = std::byte{2};
  EXPECT_EQ(parse_initiation_payload(bytes).error().code, Errc::Truncated);
  bytes[34] = std::byte{0};
  EXPECT_EQ(parse_initiation_payload(bytes).error().code, Errc::BadValue);
}

TEST(ResponsePayload, IsCanonical) {
  for (unsigned suite = 0; suite < 256; ++suite) {
    ByteVector bytes;
    write_response_payload({.suite = static_cast<std::uint8_t>(suite),
                            .skey_epoch = 0x01020304,
                            .grant = filled<StatementId>(1)},
                           bytes);
    ASSERT_EQ(bytes.size(), kNativeShape.response_payload_max);
    if (suite == 1 || suite == 2) {
      expect_canonical_exact(rewrite_response_payload, bytes);
    } else {
      EXPECT_FALSE(parse_response_payload(bytes)) << suite;
    }
  }
}

}  // namespace
}  // namespace ipop::wire
