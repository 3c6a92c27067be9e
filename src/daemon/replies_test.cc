#include "daemon/replies.h"

#include <gtest/gtest.h>

namespace ipop::daemon {
namespace {

std::vector<Endpoint> hosts(std::initializer_list<const char*> texts) {
  std::vector<Endpoint> out;
  for (const char* text : texts) out.push_back(*Endpoint::parse(text));
  return out;
}

TEST(AdviceOnHosts, WhoNamesLocalAddressesOnlyIsTold) {
  const auto advice =
      advice_on_hosts(hosts({"192.168.1.5:41820", "100.64.0.3:41820", "[fd00::5]:41820"}), 41820);
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice[0].code, "local_invite");
  EXPECT_NE(advice[0].next.find("UDP port 41820"), std::string::npos) << advice[0].next;
}

TEST(AdviceOnHosts, OneThatAnybodyMayCallIsEnough) {
  EXPECT_TRUE(advice_on_hosts(hosts({"192.168.1.5:41820", "203.0.113.7:41820"}), 41820).empty());
  EXPECT_TRUE(advice_on_hosts(hosts({"[2001:db8::1]:41820"}), 41820).empty());
}

}  // namespace
}  // namespace ipop::daemon
