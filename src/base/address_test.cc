#include "base/address.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace ipop {
namespace {

TEST(Ipv4, ReadsAndWritesDottedQuads) {
  struct Case {
    const char* text;
    std::uint32_t value;
  };
  for (const Case c : {Case{"0.0.0.0", 0}, Case{"10.83.0.1", 0x0a530001},
                       Case{"255.255.255.255", 0xffffffff}, Case{"192.0.2.1", 0xc0000201},
                       Case{"1.2.3.4", 0x01020304}, Case{"127.0.0.1", 0x7f000001}}) {
    const auto a = Ipv4::parse(c.text);
    ASSERT_TRUE(a) << c.text;
    EXPECT_EQ(a->value, c.value);
    EXPECT_EQ(a->to_string(), c.text);
    EXPECT_EQ(Ipv4::from_bytes(a->to_bytes()), *a);
  }
  EXPECT_EQ(to_hex(Ipv4{0x01020304}.to_bytes()), "01020304");
  EXPECT_LT(*Ipv4::parse("9.255.255.255"), *Ipv4::parse("10.0.0.0"));
}

TEST(Ipv4, RefusesEverythingElse) {
  for (const char* bad : {"",
                          ".",
                          "1",
                          "1.2",
                          "1.2.3",
                          "1.2.3.",
                          ".1.2.3",
                          "1..2.3",
                          "1.2.3.4.",
                          "1.2.3.4.5",
                          "01.2.3.4",
                          "1.2.3.04",
                          "1.2.3.00",
                          "256.1.1.1",
                          "1.2.3.256",
                          "1.2.3.999",
                          "1.2.3.4294967297",
                          "1.2.3.99999999999999999999",
                          "+1.2.3.4",
                          "-1.2.3.4",
                          "1.2.3.4 ",
                          " 1.2.3.4",
                          "1. 2.3.4",
                          "0x1.2.3.4",
                          "1.2.3.a",
                          "a.b.c.d",
                          "1,2,3,4",
                          "1.2.3.4/8",
                          "1.2.3.4:5",
                          "16909060",
                          "1.2.3.4\n",
                          "\xd9\xa1.2.3.4"}) {
    EXPECT_FALSE(Ipv4::parse(bad)) << bad;
  }
  EXPECT_FALSE(Ipv4::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(Ipv6, WritesTheCanonicalTextOfRfc5952) {
  struct Case {
    const char* in;
    const char* out;
  };
  for (const Case c : {
           Case{"::", "::"},
           Case{"::1", "::1"},
           Case{"0:0:0:0:0:0:0:0", "::"},
           Case{"0:0:0:0:0:0:0:1", "::1"},
           Case{"1::", "1::"},
           Case{"1:0:0:0:0:0:0:0", "1::"},
           // Section 1 and 2: all ways to write the same address.
           Case{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
           Case{"2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
           Case{"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
           Case{"2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"},
           Case{"2001:0db8::1:0:0:1", "2001:db8::1:0:0:1"},
           Case{"2001:db8:0:0:1::1", "2001:db8::1:0:0:1"},
           Case{"2001:DB8:0:0:1::1", "2001:db8::1:0:0:1"},
           // 4.1: leading zeros go.
           Case{"2001:0db8::0001", "2001:db8::1"},
           // 4.2.1: as short as possible.
           Case{"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
           // 4.2.2: a single zero stays.
           Case{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
           Case{"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
           Case{"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
           Case{"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
           Case{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
           Case{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
           // 4.2.3: the longest run, the first of equals.
           Case{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
           Case{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
           Case{"0:0:1:1:1:1:0:0", "::1:1:1:1:0:0"},
           Case{"1:0:0:1:1:1:0:0", "1::1:1:1:0:0"},
           Case{"1:1:1:1:1:1:0:0", "1:1:1:1:1:1::"},
           // 4.3: lower case.
           Case{"2001:DB8::ABCD:EF01", "2001:db8::abcd:ef01"},
           // A dotted quad at the end (RFC 4291 2.2) is read.
           Case{"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
           Case{"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
           Case{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
       }) {
    const auto a = Ipv6::parse(c.in);
    ASSERT_TRUE(a) << c.in;
    EXPECT_EQ(a->to_string(), c.out) << c.in;
    EXPECT_EQ(Ipv6::parse(c.out), a);
  }
}

TEST(Ipv6, RefusesEverythingElse) {
  for (const char* bad : {"",
                          ":",
                          ":::",
                          "1",
                          "1:2",
                          ":1",
                          "1:",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:8:9",
                          "1:2:3:4:5:6:7:8:",
                          ":1:2:3:4:5:6:7:8",
                          "1::2::3",
                          "::1::",
                          "1:::2",
                          "::1:",
                          ":1::",
                          "1:2:3:4:5:6:7:8::",
                          "::1:2:3:4:5:6:7:8",
                          "1:2:3:4::5:6:7:8",
                          "12345::",
                          "::12345",
                          "00001::",
                          "::g",
                          "::-1",
                          "::+1",
                          "::0x1",
                          ":: 1",
                          " ::1",
                          "::1 ",
                          "::1%eth0",
                          "fe80::1%1",
                          "::1/64",
                          "[::1]",
                          "1.2.3.4",
                          "::1.2.3",
                          "::1.2.3.256",
                          "::1.2.3.4.5",
                          "1.2.3.4::",
                          "::1.2.3.4:5",
                          "1:2:3:4:5:6:7:1.2.3.4",
                          "1:2:3:4:5:1.2.3.4",
                          "::01.2.3.4",
                          "::1\n",
                          "2001:db8::1::",
                          "2001:db8"}) {
    EXPECT_FALSE(Ipv6::parse(bad)) << bad;
  }
}

TEST(Ipv6, RandomAddressesComeBack) {
  SeededRng rng(1);
  for (int i = 0; i < 20000; ++i) {
    Ipv6 a;
    rng.fill(a.bytes);
    // Many zero words, so that runs of every length and place occur.
    for (std::size_t w = 0; w < 8; ++w) {
      if (rng.below(3) != 0) a.bytes[2 * w] = a.bytes[2 * w + 1] = std::byte{0};
    }
    const std::string text = a.to_string();
    EXPECT_EQ(Ipv6::parse(text), a) << text;
    EXPECT_EQ(text.find("::"), text.rfind("::")) << text;
    EXPECT_LE(text.size(), 39U);
  }
}

TEST(Ipv6, IsEqualInEveryByte) {
  const Ipv6 address = *Ipv6::parse("2001:db8::1:2");
  EXPECT_EQ(address, *Ipv6::parse("2001:db8::1:2"));
  for (std::size_t i = 0; i < address.bytes.size(); ++i) {
    Ipv6 other = address;
    other.bytes[i] ^= std::byte{0x80};
    EXPECT_NE(address, other) << i;
    EXPECT_NE(IpAddress(address), IpAddress(other)) << i;
  }
}

TEST(IpAddress, KnowsItsKind) {
  struct Case {
    const char* text;
    bool v6, unspecified, loopback, multicast, link_local;
  };
  for (const Case c : {Case{"0.0.0.0", false, true, false, false, false},
                       Case{"::", true, true, false, false, false},
                       Case{"127.0.0.1", false, false, true, false, false},
                       Case{"127.255.255.255", false, false, true, false, false},
                       Case{"126.255.255.255", false, false, false, false, false},
                       Case{"128.0.0.1", false, false, false, false, false},
                       Case{"::1", true, false, true, false, false},
                       Case{"::2", true, false, false, false, false},
                       Case{"223.255.255.255", false, false, false, false, false},
                       Case{"224.0.0.1", false, false, false, true, false},
                       Case{"239.255.255.255", false, false, false, true, false},
                       Case{"240.0.0.1", false, false, false, false, false},
                       Case{"ff02::1", true, false, false, true, false},
                       Case{"fe00::1", true, false, false, false, false},
                       Case{"169.253.255.255", false, false, false, false, false},
                       Case{"169.254.0.1", false, false, false, false, true},
                       Case{"169.255.0.0", false, false, false, false, false},
                       Case{"fe80::1", true, false, false, false, true},
                       Case{"febf:ffff::1", true, false, false, false, true},
                       Case{"fec0::1", true, false, false, false, false},
                       Case{"fd00::1", true, false, false, false, false}}) {
    const auto a = IpAddress::parse(c.text);
    ASSERT_TRUE(a) << c.text;
    EXPECT_EQ(a->is_v6(), c.v6) << c.text;
    EXPECT_EQ(a->is_unspecified(), c.unspecified) << c.text;
    EXPECT_EQ(a->is_loopback(), c.loopback) << c.text;
    EXPECT_EQ(a->is_multicast(), c.multicast) << c.text;
    EXPECT_EQ(a->is_link_local(), c.link_local) << c.text;
    EXPECT_EQ(a->to_string(), c.text);
  }
  EXPECT_FALSE(IpAddress::parse(""));
  EXPECT_FALSE(IpAddress::parse("example.org"));
  EXPECT_FALSE(IpAddress::parse("1.2.3"));
}

TEST(IpAddress, FamiliesAreNeverEqual) {
  EXPECT_NE(IpAddress(Ipv4{}), IpAddress(Ipv6{}));
  EXPECT_EQ(IpAddress(), IpAddress(Ipv4{}));
  EXPECT_LT(IpAddress(Ipv4{0xffffffff}), IpAddress(Ipv6{}));
}

TEST(Endpoint, ReadsAndWrites) {
  for (const char* text : {"192.0.2.1:7", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:7",
                           "[::]:0", "[::1]:65535"}) {
    const auto e = Endpoint::parse(text);
    ASSERT_TRUE(e) << text;
    EXPECT_EQ(e->to_string(), text);
  }
  for (const char* bad : {"",
                          ":",
                          ":7",
                          "192.0.2.1",
                          "192.0.2.1:",
                          "192.0.2.1:65536",
                          "192.0.2.1:07",
                          "192.0.2.1:-1",
                          "192.0.2.1:+1",
                          "192.0.2.1: 7",
                          "192.0.2.1:7 ",
                          "192.0.2.1:7:8",
                          "192.0.2:7",
                          "[192.0.2.1]:7",
                          "2001:db8::1:7",
                          "[2001:db8::1]",
                          "[2001:db8::1]7",
                          "[2001:db8::1:7",
                          "2001:db8::1]:7",
                          "[]:7",
                          "[:7",
                          "]:7",
                          "[[::1]]:7",
                          "[::1%lo]:7",
                          "localhost:7",
                          "192.0.2.1:99999999999"}) {
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
  }
}

TEST(Prefix4, ReadsAndWrites) {
  struct Case {
    const char* text;
    std::uint32_t mask;
    const char* last;
  };
  for (const Case c :
       {Case{"0.0.0.0/0", 0, "255.255.255.255"}, Case{"10.0.0.0/8", 0xff000000, "10.255.255.255"},
        Case{"10.83.0.0/16", 0xffff0000, "10.83.255.255"},
        Case{"192.168.1.0/24", 0xffffff00, "192.168.1.255"},
        Case{"192.168.1.4/30", 0xfffffffc, "192.168.1.7"},
        Case{"192.168.1.5/32", 0xffffffff, "192.168.1.5"},
        Case{"128.0.0.0/1", 0x80000000, "255.255.255.255"}}) {
    const auto p = Prefix4::parse(c.text);
    ASSERT_TRUE(p) << c.text;
    EXPECT_EQ(p->mask(), c.mask);
    EXPECT_EQ(p->last().to_string(), c.last);
    EXPECT_EQ(p->to_string(), c.text);
    EXPECT_TRUE(p->contains(p->base));
    EXPECT_TRUE(p->contains(p->last()));
  }
  for (const char* bad :
       {"", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
        "10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/255.0.0.0", "10.0.0.1/8", "10.83.0.1/16",
        "0.0.0.1/0", "10.0.0/8", "10.0.0.0//8", "10.0.0.0/8/8", "::/0", "10.0.0.0/4294967304"}) {
    EXPECT_FALSE(Prefix4::parse(bad)) << bad;
  }
}

TEST(Prefix4, ContainsAndOverlaps) {
  const auto p = *Prefix4::parse("10.83.0.0/16");
  EXPECT_TRUE(p.contains(*Ipv4::parse("10.83.4.5")));
  EXPECT_FALSE(p.contains(*Ipv4::parse("10.82.255.255")));
  EXPECT_FALSE(p.contains(*Ipv4::parse("10.84.0.0")));
  struct Case {
    const char* other;
    bool overlaps;
  };
  for (const Case c :
       {Case{"10.83.0.0/16", true}, Case{"10.83.4.0/24", true}, Case{"10.0.0.0/8", true},
        Case{"0.0.0.0/0", true}, Case{"10.83.255.255/32", true}, Case{"10.84.0.0/16", false},
        Case{"10.82.0.0/16", false}, Case{"192.168.0.0/16", false}}) {
    const auto o = *Prefix4::parse(c.other);
    EXPECT_EQ(p.overlaps(o), c.overlaps) << c.other;
    EXPECT_EQ(o.overlaps(p), c.overlaps) << c.other;
  }
}

TEST(Hash, SpreadsAddressesAndEndpoints) {
  std::set<std::size_t> seen;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    Ipv6 six = *Ipv6::parse("2001:db8::");
    six.bytes[14] = static_cast<std::byte>(i >> 8U);
    six.bytes[15] = static_cast<std::byte>(i);
    seen.insert(std::hash<IpAddress>{}(six));
    seen.insert(std::hash<IpAddress>{}(Ipv4{0x0a000000 + i}));
  }
  EXPECT_EQ(seen.size(), 2000U);
  const Endpoint a{Ipv4{1}, 1};
  EXPECT_EQ(std::hash<Endpoint>{}(a), std::hash<Endpoint>{}(Endpoint{Ipv4{1}, 1}));
  EXPECT_NE(std::hash<Endpoint>{}(a), std::hash<Endpoint>{}(Endpoint{Ipv4{1}, 2}));
}

}  // namespace
}  // namespace ipop
