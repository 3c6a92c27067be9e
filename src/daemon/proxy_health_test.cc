#include "daemon/proxy_health.h"

#include <gtest/gtest.h>

namespace ipop::daemon {
namespace {

using namespace std::chrono_literals;

const Endpoint kAlice{Ipv4{0xc6336401}, 443};
const Endpoint kBob{Ipv4{0xc6336402}, 443};

TEST(ProxyHealth, SaysWhatIsWrongWithTheProxy) {
  ProxyHealth health;
  const Instant now(1h);
  EXPECT_FALSE(health.handle_down(now, kAlice, ""));
  EXPECT_FALSE(health.problem());
  EXPECT_TRUE(health.handle_down(now, kAlice, "the proxy: 407"));
  ASSERT_TRUE(health.problem());
  EXPECT_EQ(health.problem()->message, "members cannot be dialled by TLS: the proxy: 407");
  health.handle_up(kBob);
  EXPECT_FALSE(health.problem());
}

TEST(ProxyHealth, NothingIsWrongWhileSomebodyIsReached) {
  ProxyHealth health;
  const Instant now(1h);
  health.handle_up(kBob);
  EXPECT_FALSE(health.handle_down(now, kAlice, "the proxy: 407"));
  EXPECT_FALSE(health.problem());
  EXPECT_FALSE(health.handle_down(now, kBob, ""));
  EXPECT_TRUE(health.handle_down(now, kAlice, "the proxy: 407"));
}

/// Two kinds of failures in turn, every second for an hour.
TEST(ProxyHealth, IsNotLoggedEachTime) {
  ProxyHealth health;
  int logged = 0;
  for (Instant now(1h); now < Instant(2h); now += 1s) {
    logged += health.handle_down(now, kAlice, "one") ? 1 : 0;
    logged += health.handle_down(now, kBob, "another") ? 1 : 0;
  }
  EXPECT_EQ(logged, 6);
}

}  // namespace
}  // namespace ipop::daemon
