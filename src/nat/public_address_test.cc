#include "nat/public_address.h"

#include <gtest/gtest.h>

namespace ipop::nat {
namespace {

TEST(PublicAddress, TellsWhereAStrangerCouldSend) {
  for (const char* text : {"9.9.9.9", "203.0.113.7", "198.18.1.2", "100.63.255.255", "100.128.0.1",
                           "172.15.0.1", "172.32.0.1", "2001:db8::1", "2a00::1"}) {
    EXPECT_TRUE(is_public(*IpAddress::parse(text))) << text;
  }
  for (const char* text :
       {"0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1",
        "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "224.0.0.251", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1"}) {
    EXPECT_FALSE(is_public(*IpAddress::parse(text))) << text;
  }
}

}  // namespace
}  // namespace ipop::nat
