#include "wire/frames.h"

#include "wire/canonical_testing.h"
#include "wire/statement.h"

namespace ipop::wire {
namespace {

std::optional<ByteVector> rewrite(Bytes input) {
  const auto frame = parse_frame(input);
  if (!frame) return std::nullopt;
  ByteVector out;
  write_frame(*frame, out);
  return out;
}

ByteVector bytes_of(const Frame& frame) {
  ByteVector out;
  write_frame(frame, out);
  return out;
}

StatementId id_of(std::uint8_t n) { return filled<StatementId>(n); }

const Endpoint kV4{Ipv4{0xcb007107}, 1234};
const Endpoint kV6{*Ipv6::parse("2001:db8::1"), 7};

TEST(Frames, HaveTheBytesOfTheTable) {
  struct Case {
    Frame frame;
    const char* hex;
  };
  const ByteVector statement = *from_hex("abcdef");
  const ByteVector secret(32, std::byte{0x55});
  const std::string id1(32, '1');
  const std::string id2(32, '2');
  const std::string zero(32, '0');
  const std::array<std::byte, 8> token{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                       std::byte{5}, std::byte{6}, std::byte{7}, std::byte{8}};
  const std::vector<std::pair<Frame, std::string>> cases{
      {Ping{.sequence = 0x0102, .epoch = Epoch{4}, .digest = filled<Digest>(0x11)},
       "0100020104000000" + id1},
      {Pong{.sequence = 0x0102, .epoch = Epoch{4}, .digest = filled<Digest>(0x11)},
       "0201020104000000" + id1},
      {Pong{.sequence = 0x0102, .epoch = Epoch{4}, .digest = {}}, "0200020104000000"},
      {Proof{.accepted_yours = true, .grant = id_of(0x11), .skey = {}, .statements = {}},
       "0301" + id1 + zero + "0000"},
      {Proof{.grant = id_of(0x11), .skey = id_of(0x22), .statements = {statement, statement}},
       "0300" + id1 + id2 + "0200" + "0300abcdef" + "0300abcdef"},
      {SecretFrame{.epoch = Epoch{2}, .secret = secret}, "0402000000" + std::string(64, '5')},
      {StatementFrame{.statement = statement}, "05abcdef"},
      {Recon{.kind = Recon::Kind::Have,
             .lower = {},
             .upper = filled<StatementId>(0xff),
             .ids = {id_of(0x11), id_of(0x22)}},
       "0600" + zero + std::string(32, 'f') + "0200" + id1 + id2},
      {Recon{.kind = Recon::Kind::Want, .ids = {id_of(0x22)}}, "0601" + zero + zero + "0100" + id2},
      {ReconRanges{.lower = id_of(0x11), .ranges = {{id_of(0x22), {}, 258}}},
       "0602" + id1 + "0100" + id2 + zero + "02010000"},
      {Observed{kV4}, "0704cb007107000000000000000000000000d204"},
      {Ports{kV4, -2, 0x1000, 0x2000},
       "1f04cb007107000000000000000000000000d204"
       "feff"
       "0010"
       "0020"},
      {Streams{}, "2200"},
      {Streams{{kV4}}, "220104cb007107000000000000000000000000d204"},
      {Spread{kV4, 256}, "2304cb007107000000000000000000000000d2040001"},
      {Spreading{0x0100}, "240001"},
      {Peers{}, "0800"},
      {Peers{{PeerHint{.node = filled<NodeId>(0x11), .age_seconds = 9, .candidates = {kV6}}}},
       "0801" + id1 + "0900000001" + "0620010db80000000000000000000000010700"},
      {Bye{ByeReason::NameTaken}, "0905"},
      {PathChallenge{token}, "0a0102030405060708"},
      {PathResponse{token}, "0b0102030405060708"},
      {MtuProbe{token, kMtuProbeSizeMin}, "1d0102030405060708"},
      {MtuProbe{token, 12}, "1d0102030405060708000000"},
      {MtuResponse{token}, "1e0102030405060708"},
  };
  for (const auto& [frame, hex] : cases) {
    EXPECT_EQ(to_hex(bytes_of(frame)), hex);
    const auto back = parse_frame(*from_hex(hex));
    ASSERT_TRUE(back) << hex;
    EXPECT_EQ(back->index(), frame.index());
  }
}

TEST(Frames, AreCanonical) {
  SeededRng rng(21);
  const ByteVector secret = random_bytes(rng, 32);
  const ByteVector statement = random_bytes(rng, 150);
  const ByteVector part = random_bytes(rng, 100);
  const ByteVector whole_part = random_bytes(rng, kPartPayloadMax);
  // True where the layout tells its own length.
  const std::vector<std::pair<Frame, bool>> cases{
      {Ping{.sequence = 7, .epoch = Epoch{3}, .digest = random_fixed<Digest>(rng)}, true},
      {Pong{}, true},
      {Pong{.sequence = 7, .epoch = Epoch{3}, .digest = random_fixed<Digest>(rng)}, true},
      {Proof{.accepted_yours = true, .begins_anew = true, .grant = id_of(1), .skey = id_of(2)},
       true},
      {Proof{.grant = id_of(1), .statements = {statement, secret, statement}}, true},
      {SecretFrame{.epoch = Epoch{1}, .secret = secret}, true},
      {StatementFrame{.statement = statement}, false},
      {Recon{.lower = id_of(1), .upper = id_of(9), .ids = {id_of(1), id_of(4), id_of(9)}}, true},
      {Recon{.kind = Recon::Kind::Want, .ids = {id_of(3), id_of(5)}}, true},
      {Recon{.lower = id_of(1), .upper = id_of(1)}, true},
      {ReconRanges{.lower = id_of(1), .ranges = {{id_of(1), {}, 0}}}, true},
      {ReconRanges{.lower = id_of(1),
                   .ranges = {{id_of(3), random_fixed<Digest>(rng), 7}, {id_of(9), {}, 70000}}},
       true},
      {Observed{kV4}, true},
      {Observed{kV6}, true},
      {Streams{{kV4, kV6, kV6, kV4}}, true},
      {Ports{kV4, 1, 1, 1}, true},
      {Ports{kV6, -32768, 1, 65535}, true},
      {Spread{kV4, 1}, true},
      {Spread{kV6, kSpreadMax}, true},
      {Spreading{}, true},
      {Spreading{kSpreadMax}, true},
      {Peers{{PeerHint{.node = filled<NodeId>(1), .age_seconds = 1, .candidates = {kV4, kV6}},
              PeerHint{.node = filled<NodeId>(2)}}},
       true},
      {Bye{}, true},
      {PathChallenge{}, true},
      {PathResponse{}, true},
      {MtuProbe{}, false},
      {MtuProbe{{}, 700}, false},
      {MtuResponse{}, true},
      {Part{.index = 2, .count = 3, .message = 77, .payload = part}, false},
      {Part{.index = 0, .count = 18, .message = 77, .payload = whole_part}, true},
  };
  for (const auto& [frame, exact] : cases) {
    const ByteVector bytes = bytes_of(frame);
    if (exact) {
      expect_canonical_exact(rewrite, bytes);
    } else {
      expect_canonical(rewrite, bytes);
    }
  }
}

struct Bad {
  const char* why;
  std::string hex;
  Errc code;
};

class BadFrame : public testing::TestWithParam<Bad> {};

TEST_P(BadFrame, IsRefused) {
  const auto bytes = from_hex(GetParam().hex);
  ASSERT_TRUE(bytes);
  const auto r = parse_frame(*bytes);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, GetParam().code);
}

std::string zeros(std::size_t bytes) { return std::string(2 * bytes, '0'); }
std::string ids(const char* digits) {
  std::string out;
  for (const char* d = digits; *d != 0; ++d) out += std::string(32, *d);
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFrame,
    testing::Values(
        Bad{"empty", "", Errc::Truncated}, Bad{"type 0", "00", Errc::BadValue},
        Bad{"type 0x25", "2500", Errc::BadValue}, Bad{"relayed", "1000", Errc::BadValue},
        Bad{"type 0x3f", "3f", Errc::BadValue}, Bad{"IPv4", "45000014", Errc::BadValue},
        Bad{"ping reserved", "0101" + zeros(22), Errc::BadValue},
        Bad{"ping long", "0100" + zeros(23), Errc::BadValue},
        Bad{"ping short", "0100" + zeros(21), Errc::Truncated},
        Bad{"pong flags", "0202" + zeros(6), Errc::BadValue},
        Bad{"pong flags high", "0281" + zeros(22), Errc::BadValue},
        Bad{"pong with a digest it denies", "0200" + zeros(22), Errc::BadValue},
        Bad{"pong without its digest", "0201" + zeros(6), Errc::Truncated},
        Bad{"pong long", "0201" + zeros(23), Errc::BadValue},
        Bad{"pong short", "0200" + zeros(5), Errc::Truncated},
        Bad{"proof flags", "0304" + zeros(34), Errc::BadValue},
        Bad{"proof flags high", "0381" + zeros(34), Errc::BadValue},
        Bad{"proof statement empty", "0300" + zeros(32) + "0100" + "0000", Errc::BadValue},
        Bad{"proof statement cut", "0300" + zeros(32) + "0100" + "0200aa", Errc::Truncated},
        Bad{"proof statement missing", "0300" + zeros(32) + "0200" + "0100aa", Errc::Truncated},
        Bad{"proof statement too long", "0300" + zeros(32) + "0100" + "6942" + zeros(17001),
            Errc::BadValue},
        Bad{"proof too many", "0300" + zeros(32) + "bf00", Errc::BadValue},
        Bad{"proof trailing", "0300" + zeros(32) + "0000" + "00", Errc::BadValue},
        Bad{"secret short", "04" + zeros(35), Errc::Truncated},
        Bad{"secret long", "04" + zeros(37), Errc::BadValue},
        Bad{"statement empty", "05", Errc::Truncated},
        Bad{"statement too long", "05" + zeros(kStatementSizeMax + 1), Errc::BadValue},
        Bad{"recon kind", "0603" + zeros(34), Errc::BadValue},
        Bad{"ranges none", "0602" + ids("0") + "0000", Errc::BadValue},
        Bad{"ranges too many", "0602" + ids("0") + "1100" + zeros(17 * 36), Errc::BadValue},
        Bad{"ranges bound", "0602" + ids("2") + "0100" + ids("1") + zeros(20), Errc::BadValue},
        Bad{"ranges unsorted",
            "0602" + ids("1") + "0200" + ids("3") + zeros(20) + ids("3") + zeros(20),
            Errc::BadValue},
        Bad{"ranges short", "0602" + ids("1") + "0100" + ids("3") + zeros(19), Errc::Truncated},
        Bad{"ranges trailing", "0602" + ids("1") + "0100" + ids("3") + zeros(21), Errc::BadValue},
        Bad{"recon bounds", "0600" + ids("21") + "0000", Errc::BadValue},
        Bad{"recon want bound", "0601" + ids("01") + "0000", Errc::BadValue},
        Bad{"recon below", "0600" + ids("35") + "0100" + ids("2"), Errc::BadValue},
        Bad{"recon above", "0600" + ids("35") + "0100" + ids("6"), Errc::BadValue},
        Bad{"recon unsorted", "0600" + ids("05") + "0200" + ids("43"), Errc::BadValue},
        Bad{"recon twice", "0600" + ids("05") + "0200" + ids("33"), Errc::BadValue},
        Bad{"recon want twice", "0601" + ids("00") + "0200" + ids("33"), Errc::BadValue},
        Bad{"recon missing", "0600" + ids("05") + "0200" + ids("3"), Errc::Truncated},
        Bad{"recon trailing", "0600" + ids("05") + "0000" + "00", Errc::BadValue},
        Bad{"recon too many", "0600" + ids("05") + "4100", Errc::BadValue},
        Bad{"observed port", "0704cb007107" + zeros(14), Errc::BadValue},
        Bad{"observed family", "0705cb007107" + zeros(12) + "0100", Errc::BadValue},
        Bad{"observed trailing", "0704cb007107" + zeros(12) + "010000", Errc::BadValue},
        Bad{"spread short", "2304cb007107" + zeros(12) + "010010", Errc::Truncated},
        Bad{"spread long", "2304cb007107" + zeros(12) + "0100100000", Errc::BadValue},
        Bad{"spread address", "2305cb007107" + zeros(12) + "01001000", Errc::BadValue},
        Bad{"spread none", "2304cb007107" + zeros(12) + "01000000", Errc::BadValue},
        Bad{"spread too many", "2304cb007107" + zeros(12) + "01000101", Errc::BadValue},
        Bad{"spreading short", "2401", Errc::Truncated},
        Bad{"spreading long", "24010000", Errc::BadValue},
        Bad{"spreading too many", "240101", Errc::BadValue},
        Bad{"peers too many", "0809", Errc::BadValue},
        Bad{"peers missing", "0801", Errc::Truncated},
        Bad{"peers candidates", "0801" + zeros(20) + "07", Errc::BadValue},
        Bad{"peers candidate missing", "0801" + zeros(20) + "01", Errc::Truncated},
        Bad{"peers candidate bad", "0801" + zeros(20) + "01" + zeros(19), Errc::BadValue},
        Bad{"peers twice", "0802" + zeros(42), Errc::BadValue},
        Bad{"peers trailing", "080000", Errc::BadValue}, Bad{"bye reason", "090c", Errc::BadValue},
        Bad{"bye reason high", "09ff", Errc::BadValue}, Bad{"bye short", "09", Errc::Truncated},
        Bad{"bye long", "090000", Errc::BadValue},
        Bad{"challenge short", "0a" + zeros(7), Errc::Truncated},
        Bad{"response long", "0b" + zeros(9), Errc::BadValue},
        Bad{"MTU probe short", "1d" + zeros(7), Errc::Truncated},
        Bad{"MTU probe padding", "1d" + zeros(9) + "01", Errc::BadValue},
        Bad{"MTU probe too long", "1d" + zeros(kMtuProbeSizeMax), Errc::BadValue},
        Bad{"MTU response short", "1e" + zeros(7), Errc::Truncated},
        Bad{"MTU response long", "1e" + zeros(9), Errc::BadValue},
        Bad{"part header", "0c010200", Errc::Truncated},
        Bad{"part empty", "0c01020000000000", Errc::Truncated},
        Bad{"part of one", "0c00010000000000aa", Errc::BadValue},
        Bad{"part of none", "0c00000000000000aa", Errc::BadValue},
        Bad{"part of too many", "0c12130000000000aa", Errc::BadValue},
        Bad{"part index", "0c03030000000000aa", Errc::BadValue},
        Bad{"part reserved", "0c02030100000000aa", Errc::BadValue},
        Bad{"part inner short", "0c00020000000000aa", Errc::BadValue},
        Bad{"part needless", "0c01020000000000" + zeros(8), Errc::BadValue},
        Bad{"part too long", "0c01020000000000" + zeros(kPartPayloadMax + 1), Errc::BadValue},
        Bad{"part beyond the message", "0c11120000000000" + zeros(77), Errc::BadValue}));

TEST(Frames, ByeHasTwelveReasons) {
  for (unsigned reason = 0; reason < 256; ++reason) {
    const ByteVector bytes{std::byte{9}, static_cast<std::byte>(reason)};
    EXPECT_EQ(parse_frame(bytes).has_value(), reason <= 11) << reason;
  }
}

TEST(Frames, LargestOnesPass) {
  Recon recon{.upper = filled<StatementId>(0xff)};
  for (std::size_t i = 0; i < kReconIdsMax; ++i)
    recon.ids.push_back(id_of(static_cast<std::uint8_t>(i)));
  EXPECT_LE(bytes_of(recon).size(), kFrameSizeMax);
  expect_identity(rewrite, bytes_of(recon));

  ReconRanges ranges;
  for (std::size_t i = 0; i < kReconRangesMax; ++i)
    ranges.ranges.push_back({id_of(static_cast<std::uint8_t>(i)), {}, 1});
  EXPECT_LE(bytes_of(ranges).size(), kFrameSizeMax);
  expect_identity(rewrite, bytes_of(ranges));

  Peers peers;
  for (std::size_t i = 0; i < kPeersMax; ++i) {
    peers.peers.push_back({.node = filled<NodeId>(static_cast<std::uint8_t>(i)),
                           .age_seconds = 1,
                           .candidates = std::vector<Endpoint>(kPeerCandidatesMax, kV6)});
  }
  EXPECT_LE(bytes_of(peers).size(), kFrameSizeMax);
  expect_identity(rewrite, bytes_of(peers));

  expect_identity(rewrite, bytes_of(MtuProbe{{}, kMtuProbeSizeMax}));

  const ByteVector statement(kStatementSizeMax, std::byte{1});
  expect_identity(rewrite, bytes_of(StatementFrame{statement}));
  EXPECT_FALSE(parse_frame(ByteVector(kMessageSizeMax + 1, std::byte{5})));
}

TEST(Frames, RandomBytesNeverHaveTwoEncodings) {
  SeededRng rng(22);
  for (int i = 0; i < 30000; ++i) {
    ByteVector bytes = random_bytes(rng, 1 + rng.below(80));
    bytes[0] = static_cast<std::byte>(1 + rng.below(31));
    if (rng.below(2) == 0 && bytes.size() > 1) bytes[1] = std::byte{0};
    expect_canonical_or_refused(rewrite, bytes);
  }
}

}  // namespace
}  // namespace ipop::wire
