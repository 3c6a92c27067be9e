#include "cli/format.h"

#include <gtest/gtest.h>

namespace ipop::cli {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Format, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(bytes_text(std::uint64_t{5} << 30U), "5.0 GiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16.0 EiB");
}

TEST(Format, RoundTripTimes) {
  EXPECT_EQ(rtt_text(nanoseconds(0)), "0.00 ms");
  EXPECT_EQ(rtt_text(microseconds(214)), "0.21 ms");
  EXPECT_EQ(rtt_text(microseconds(996)), "1.0 ms");
  EXPECT_EQ(rtt_text(microseconds(12345)), "12.3 ms");
  EXPECT_EQ(rtt_text(microseconds(99960)), "100 ms");
  EXPECT_EQ(rtt_text(seconds(3)), "3000 ms");
}

TEST(Format, Spans) {
  EXPECT_EQ(span_text(seconds(-5)), "0 s");
  EXPECT_EQ(span_text(seconds(119)), "119 s");
  EXPECT_EQ(span_text(seconds(120)), "2 min");
  EXPECT_EQ(span_text(seconds(7200)), "2 h");
  EXPECT_EQ(span_text(seconds(47 * 3600)), "47 h");
  EXPECT_EQ(span_text(seconds(48 * 3600)), "2 days");
}

TEST(Format, Expiry) {
  const UnixTime now{1800000000};
  EXPECT_EQ(expiry_text(UnixTime::never(), now), "never expires");
  EXPECT_EQ(expiry_text(now, now), "expired");
  EXPECT_EQ(expiry_text(UnixTime{}, now), "expired");
  EXPECT_EQ(expiry_text(now.plus(seconds(86400)), now), "expires in 24 h");
  EXPECT_EQ(expiry_text(now.plus(seconds(86399)), now), "expires in 24 h");
  EXPECT_EQ(expiry_text(UnixTime{UINT64_MAX - 1}, UnixTime{}), "expires in 106751991167300 days");
}

TEST(Format, Tables) {
  Table table({"A", "LONG", "C"});
  EXPECT_EQ(table.text(0), "A  LONG  C\n");
  table.align_right(1);
  table.add({"wide cell", "1", ""});
  table.add({"", "12345", "x"});
  EXPECT_EQ(table.text(2),
            "  A           LONG  C\n"
            "  wide cell      1\n"
            "             12345  x\n");
}

}  // namespace
}  // namespace ipop::cli
