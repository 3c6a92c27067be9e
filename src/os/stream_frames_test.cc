#include "os/stream_frames.h"

#include <gtest/gtest.h>

#include <vector>

namespace ipop::os {
namespace {

ByteVector datagram(std::size_t size, std::uint8_t fill) {
  return ByteVector(size, static_cast<std::byte>(fill));
}

void feed(StreamFrames& frames, Bytes bytes) {
  const MutableBytes room = frames.room();
  ASSERT_GE(room.size(), bytes.size());
  copy_bytes(room, bytes);
  frames.add(bytes.size());
}

std::vector<ByteVector> take(StreamFrames& frames) {
  std::vector<ByteVector> out;
  while (const auto next = frames.next()) out.push_back(to_vector(*next));
  return out;
}

TEST(StreamFrames, LengthIsLittleEndianAndBeforeTheDatagram) {
  ByteVector out;
  append_stream_frame(datagram(0x0102, 7), out);
  ASSERT_EQ(out.size(), 2U + 0x0102U);
  EXPECT_EQ(out[0], std::byte{0x02});
  EXPECT_EQ(out[1], std::byte{0x01});
  EXPECT_EQ(out[2], std::byte{7});
}

/// Every place at which the stream may be cut in two, and byte by byte.
TEST(StreamFrames, EverySplitGivesTheSameDatagrams) {
  const std::vector<ByteVector> sent{datagram(1, 1), datagram(3, 2), datagram(300, 3),
                                     datagram(2, 4)};
  ByteVector stream;
  for (const ByteVector& d : sent) append_stream_frame(d, stream);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    StreamFrames frames;
    feed(frames, Bytes(stream).first(cut));
    std::vector<ByteVector> got = take(frames);
    feed(frames, Bytes(stream).subspan(cut));
    for (ByteVector& d : take(frames)) got.push_back(std::move(d));
    ASSERT_EQ(got, sent) << cut;
  }
  StreamFrames frames;
  std::vector<ByteVector> got;
  for (const std::byte b : stream) {
    feed(frames, Bytes(&b, 1));
    for (ByteVector& d : take(frames)) got.push_back(std::move(d));
  }
  EXPECT_EQ(got, sent);
}

TEST(StreamFrames, TakesTheLargestForEver) {
  StreamFrames frames;
  for (int i = 0; i < 100; ++i) {
    ByteVector stream;
    append_stream_frame(datagram(kStreamDatagramMax, static_cast<std::uint8_t>(i)), stream);
    append_stream_frame(datagram(1, 9), stream);
    stream.pop_back();  // the next begins with what is missing
    feed(frames, stream);
    EXPECT_EQ(take(frames).size(), 1U);
    const std::byte last{9};
    feed(frames, Bytes(&last, 1));
    EXPECT_EQ(take(frames).size(), 1U);
  }
}

TEST(StreamFrames, HostileLengthsEndIt) {
  for (const std::size_t size : {std::size_t{0}, kStreamDatagramMax + 1, std::size_t{0xffff}}) {
    StreamFrames frames;
    ByteVector stream;
    append_stream_frame(datagram(1, 1), stream);
    stream.push_back(static_cast<std::byte>(size & 0xffU));
    stream.push_back(static_cast<std::byte>(size >> 8U));
    append_stream_frame(datagram(1, 2), stream);
    feed(frames, stream);
    EXPECT_EQ(take(frames), (std::vector<ByteVector>{datagram(1, 1)})) << size;
    EXPECT_TRUE(frames.is_broken()) << size;
    EXPECT_TRUE(take(frames).empty());
  }
}

TEST(StreamFrames, NothingComesOfNothing) {
  StreamFrames frames;
  EXPECT_FALSE(frames.next());
  feed(frames, {});
  EXPECT_FALSE(frames.next());
  EXPECT_FALSE(frames.is_broken());
}

}  // namespace
}  // namespace ipop::os
