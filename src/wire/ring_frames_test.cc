#include "wire/ring_frames.h"

#include "wire/canonical_testing.h"
#include "wire/frames.h"

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

NodeId node(std::uint8_t n) { return filled<NodeId>(n); }
std::string zeros(std::size_t bytes) { return std::string(2 * bytes, '0'); }
std::string nodes(const char* digits) {
  std::string out;
  for (const char* d = digits; *d != 0; ++d) out += std::string(32, *d);
  return out;
}

const ByteVector kDatagram = *from_hex("c0ffee");

std::vector<std::pair<Frame, std::string>> examples() {
  const RingId low{0x0102030405060708};
  const RingId high{0xfff0000000000001};
  return {
      {Neighbours{}, "0d000000"},
      {Neighbours{.size_log2_256 = 0x0a80,
                  .links = {{.id = low, .near = true, .rtt_4ms = 10},
                            {.id = high, .distant = true, .relayed = true}}},
       "0d800a02"
       "0102030405060708010a"
       "fff000000000000106ff"},
      {LinkRequest{LinkRole::Near}, "0e00"},
      {LinkRequest{LinkRole::Long}, "0e01"},
      {LinkAnswer{.role = LinkRole::Long, .yes = true}, "0f010100"},
      {LinkAnswer{.alternatives = {node(0x11), node(0x22)}}, "0f000002" + nodes("12")},
      {Unlink{.near = true, .near_set = {node(0x33)}}, "110101" + nodes("3")},
      {Unlink{.distant = true}, "110200"},
      {Unlink{.near = true, .distant = true, .leaving = true}, "110700"},
      {Forward{.ttl = 9,
               .message = 0x0807060504030201,
               .source = node(0x11),
               .destination = node(0x22),
               .visited = {high, low},
               .payload = kDatagram},
       "12000902"
       "0102030405060708" +
           nodes("12") +
           "fff00000000000010102030405060708"
           "c0ffee"},
      {Forward{.mode = ForwardMode::Predecessor, .source = node(0x11), .destination = node(0x11)},
       "12032000" + zeros(8) + nodes("11")},
      {ForwardAck{.message = 1}, "13000100000000000000"},
      {ForwardAck{.what = ForwardAck::What::Reply, .message = 1}, "13010100000000000000"},
      {ForwardAck{.what = ForwardAck::What::Loop, .message = 1}, "13020100000000000000"},
      {ForwardReply{.message = 2, .body = Found{node(0x11), {node(0x22), node(0x33)}}},
       "14000200000000000000" + nodes("1") + "02" + nodes("23")},
      {ForwardReply{.message = 2, .body = NoRoute{node(0x11)}},
       "14010200000000000000" + nodes("1")},
      {ForwardReply{.message = 2, .body = ReturnedDatagram{kDatagram}},
       "14020200000000000000"
       "c0ffee"},
      {Gone{low}, "150102030405060708"},
      {ProbeRequest{low}, "160102030405060708"},
      {ProbeResult{low, true}, "17010203040506070801"},
      {Merge{.epoch = 3, .witness = node(0x44)}, "180300000000000000" + nodes("4")},
  };
}

TEST(RingFrames, HaveTheBytesOfTheTable) {
  for (const auto& [frame, hex] : examples()) {
    EXPECT_EQ(to_hex(bytes_of(frame)), hex);
    const auto back = parse_frame(*from_hex(hex));
    ASSERT_TRUE(back) << hex;
    EXPECT_EQ(back->index(), frame.index());
  }
}

TEST(RingFrames, AreCanonical) {
  for (const auto& [frame, hex] : examples()) {
    const auto* reply = std::get_if<ForwardReply>(&frame);
    const auto* forward = std::get_if<Forward>(&frame);
    // A datagram fills the rest of its frame; all other layouts tell their own length.
    const bool open_ended = (forward != nullptr && forward->mode == ForwardMode::Exact) ||
                            (reply != nullptr && reply->body.index() == 2);
    if (open_ended) {
      expect_canonical(rewrite, bytes_of(frame));
    } else {
      expect_canonical_exact(rewrite, bytes_of(frame));
    }
  }
}

struct Bad {
  const char* why;
  std::string hex;
  Errc code;
};

class BadRingFrame : public testing::TestWithParam<Bad> {};

TEST_P(BadRingFrame, IsRefused) {
  const auto bytes = from_hex(GetParam().hex);
  ASSERT_TRUE(bytes);
  const auto r = parse_frame(*bytes);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, GetParam().code);
}

const std::string kLow = "00000000000000010001";

INSTANTIATE_TEST_SUITE_P(
    Table, BadRingFrame,
    testing::Values(
        Bad{"neighbours cut", "0d00", Errc::Truncated},
        Bad{"neighbours missing", "0d000002" + kLow, Errc::Truncated},
        Bad{"neighbours twice", "0d000002" + kLow + kLow, Errc::BadValue},
        Bad{"neighbours flags",
            "0d000001"
            "00000000000000010801",
            Errc::BadValue},
        Bad{"neighbours too many", "0d000061" + zeros(970), Errc::BadValue},
        Bad{"neighbours trailing", "0d00000000", Errc::BadValue},
        Bad{"request role", "0e02", Errc::BadValue}, Bad{"request cut", "0e", Errc::Truncated},
        Bad{"request long", "0e0000", Errc::BadValue},
        Bad{"answer role", "0f020000", Errc::BadValue},
        Bad{"answer verdict", "0f000200", Errc::BadValue},
        Bad{"answer yes with others", "0f000101" + nodes("1"), Errc::BadValue},
        Bad{"answer unsorted", "0f000002" + nodes("21"), Errc::BadValue},
        Bad{"answer twice", "0f000002" + nodes("11"), Errc::BadValue},
        Bad{"answer too many", "0f000009" + nodes("123456789"), Errc::BadValue},
        Bad{"answer missing", "0f000002" + nodes("1"), Errc::Truncated},
        Bad{"unlink of nothing", "110000", Errc::BadValue},
        Bad{"unlink flags", "110800", Errc::BadValue},
        Bad{"unlink leaving half", "110500", Errc::BadValue},
        Bad{"unlink too many", "11010a" + nodes("123456789a"), Errc::BadValue},
        Bad{"forward mode", "12040100" + zeros(40), Errc::BadValue},
        Bad{"forward ttl 0", "12010000" + zeros(40), Errc::BadValue},
        Bad{"forward ttl 33", "12012100" + zeros(40), Errc::BadValue},
        Bad{"forward visited", "12010111" + zeros(40 + 8 * 17), Errc::BadValue},
        Bad{"forward visited cut", "12010101" + zeros(40 + 7), Errc::Truncated},
        Bad{"forward cut", "12010100" + zeros(39), Errc::Truncated},
        Bad{"datagram empty", "12000100" + zeros(40), Errc::BadValue},
        Bad{"datagram too long", "12000100" + zeros(40 + kForwardPayloadMax + 1), Errc::BadValue},
        Bad{"find with payload", "12010100" + zeros(41), Errc::BadValue},
        Bad{"ack what", "1303" + zeros(8), Errc::BadValue},
        Bad{"ack cut", "1300" + zeros(7), Errc::Truncated},
        Bad{"reply kind", "1403" + zeros(8), Errc::BadValue},
        Bad{"found cut", "1400" + zeros(8) + nodes("1"), Errc::Truncated},
        Bad{"found too many", "1400" + zeros(8) + nodes("1") + "0a" + nodes("123456789a"),
            Errc::BadValue},
        Bad{"no route cut", "1401" + zeros(8), Errc::Truncated},
        Bad{"no route long", "1401" + zeros(25), Errc::BadValue},
        Bad{"returned empty", "1402" + zeros(8), Errc::BadValue},
        Bad{"returned too long", "1402" + zeros(8 + kForwardPayloadMax + 1), Errc::BadValue},
        Bad{"gone cut", "15" + zeros(7), Errc::Truncated},
        Bad{"probe long", "16" + zeros(9), Errc::BadValue},
        Bad{"result verdict", "17" + zeros(8) + "02", Errc::BadValue},
        Bad{"merge cut", "18" + zeros(23), Errc::Truncated},
        Bad{"merge long", "18" + zeros(25), Errc::BadValue},
        Bad{"relayed datagram", "10" + zeros(30), Errc::BadValue}));

TEST(RingFrames, LargestOnesPass) {
  Neighbours neighbours{.size_log2_256 = 65535};
  for (std::size_t i = 0; i < kNeighboursMax; ++i) neighbours.links.push_back({.id = RingId{i}});
  EXPECT_LE(bytes_of(neighbours).size(), kFrameSizeMax);
  expect_identity(rewrite, bytes_of(neighbours));

  const ByteVector payload(kForwardPayloadMax, std::byte{7});
  const Forward forward{.visited = std::vector<RingId>(kForwardVisitedMax), .payload = payload};
  expect_identity(rewrite, bytes_of(forward));
  EXPECT_LE(bytes_of(forward).size(), kMessageSizeMax);
  expect_identity(rewrite, bytes_of(ForwardReply{.body = ReturnedDatagram{payload}}));
}

TEST(RingFrames, PositionIsTheFirstEightBytes) {
  NodeId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::byte>(i + 1);
  EXPECT_EQ(ring_id(id).value, 0x0102030405060708U);
}

}  // namespace
}  // namespace ipop::wire
