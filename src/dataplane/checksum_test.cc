#include "dataplane/checksum.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "dataplane/test_packets.h"

namespace ipop::dataplane {
namespace {

// RFC 1071 section 3: the example's bytes sum to ddf2.
TEST(ChecksumSum, Rfc1071Example) {
  ChecksumSum sum;
  sum.add(*from_hex("0001f203f4f5f6f7"));
  EXPECT_EQ(sum.finish(), 0xffff - 0xddf2);
}

TEST(ChecksumSum, EqualsTheSlowModel) {
  SeededRng rng(1);
  for (std::size_t size = 0; size <= 2000; ++size) {
    ByteVector bytes(size);
    rng.fill(bytes);
    if (size % 7 == 0) std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
    ChecksumSum sum;
    sum.add(bytes);
    ASSERT_EQ(sum.finish() % 0xffff, (0xffff - test::slow_sum(bytes)) % 0xffff) << size;
  }
  ByteVector largest(65536, std::byte{0xff});
  ChecksumSum sum;
  sum.add(largest);
  EXPECT_EQ(sum.finish(), 0);
}

TEST(ChecksumSum, PseudoHeaders) {
  SeededRng rng(2);
  const std::pair<IpAddress, IpAddress> pairs[] = {
      {test::v4("10.83.0.1"), test::v4("255.1.2.3")},
      {test::v6("fd12:3456::1"), test::v6("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}};
  for (const auto& [source, destination] : pairs) {
    for (const std::size_t size : {0U, 1U, 8U, 1399U, 65535U}) {
      ByteVector segment(size);
      rng.fill(segment);
      ChecksumSum sum;
      sum.add_pseudo_header(source, destination, 17, size);
      sum.add(segment);
      const auto model = test::slow_transport_sum(source, destination, 17, segment);
      EXPECT_EQ(sum.finish() % 0xffff, (0xffff - model) % 0xffff);
    }
  }
}

TEST(UpdatedChecksum, EqualsComputingItAfresh) {
  SeededRng rng(3);
  for (int i = 0; i < 20000; ++i) {
    ByteVector bytes(20);
    rng.fill(bytes);
    test::set16(bytes, 10, 0);
    test::set16(bytes, 10, 0xffffU - test::slow_sum(bytes));
    const auto before = static_cast<std::uint16_t>(test::get16(bytes, 4));
    // The corners of one's-complement arithmetic come up often enough to matter.
    const auto after = static_cast<std::uint16_t>(i % 5 == 0   ? 0
                                                  : i % 5 == 1 ? 0xffff
                                                               : rng.below(65536));
    const auto checksum = static_cast<std::uint16_t>(test::get16(bytes, 10));
    test::set16(bytes, 4, after);
    test::set16(bytes, 10, updated_checksum(checksum, before, after));
    ASSERT_EQ(test::slow_sum(bytes), 0xffff);
  }
}

}  // namespace
}  // namespace ipop::dataplane
