#include "os/socket_address.h"

#include <gtest/gtest.h>

namespace ipop::os {
namespace {

TEST(SocketAddress, RoundTrips) {
  for (const char* text : {"0.0.0.0:0", "192.0.2.1:7", "255.255.255.255:65535", "[::]:0",
                           "[2001:db8::1]:7", "[::1]:1", "[::fffe:0:1]:9", "[fe80::1]:53"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    for (const bool mapped : {false, true}) {
      const SocketAddress address = to_socket_address(*endpoint, mapped);
      const bool v6 = mapped || endpoint->address.is_v6();
      EXPECT_EQ(address.storage.ss_family, v6 ? AF_INET6 : AF_INET);
      EXPECT_EQ(address.length, v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
      EXPECT_EQ(to_endpoint(address.storage, address.length), endpoint) << text;
    }
  }
}

TEST(SocketAddress, MappedBecomesIpv4) {
  const auto mapped = Endpoint::parse("[::ffff:192.0.2.1]:7");
  ASSERT_TRUE(mapped);
  const SocketAddress address = to_socket_address(*mapped, false);
  EXPECT_EQ(to_endpoint(address.storage, address.length), Endpoint::parse("192.0.2.1:7"));
}

TEST(SocketAddress, RefusesOthers) {
  SocketAddress address = to_socket_address(*Endpoint::parse("192.0.2.1:7"), false);
  EXPECT_EQ(to_endpoint(address.storage, 0), std::nullopt);
  EXPECT_EQ(to_endpoint(address.storage, sizeof(sockaddr_in) - 1), std::nullopt);
  address.storage.ss_family = AF_UNIX;
  EXPECT_EQ(to_endpoint(address.storage, sizeof(sockaddr_storage)), std::nullopt);
  address = to_socket_address(*Endpoint::parse("[::1]:7"), false);
  EXPECT_EQ(to_endpoint(address.storage, sizeof(sockaddr_in)), std::nullopt);
}

}  // namespace
}  // namespace ipop::os
