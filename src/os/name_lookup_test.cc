#include "os/name_lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "os/clock.h"

namespace ipop::os {
namespace {

using namespace std::chrono_literals;

std::vector<Endpoint> look_up(const std::string& host) {
  const NameLookup lookup(host, 3128);
  const Instant end = now().at + 60s;
  while (!lookup.is_done() && now().at < end) std::this_thread::yield();
  EXPECT_TRUE(lookup.is_done());
  return lookup.is_done() ? lookup.endpoints() : std::vector<Endpoint>{};
}

TEST(NameLookup, FindsTheAddressesOfAName) {
  const std::vector<Endpoint> found = look_up("localhost");
  EXPECT_FALSE(found.empty());
  EXPECT_TRUE(std::ranges::all_of(
      found, [](const Endpoint& e) { return e.address.is_loopback() && e.port == 3128; }));
}

TEST(NameLookup, AnAddressIsItsOwn) {
  EXPECT_EQ(look_up("192.0.2.7"), (std::vector<Endpoint>{{Ipv4{0xc0000207}, 3128}}));
}

TEST(NameLookup, WhatIsNoNameHasNone) { EXPECT_TRUE(look_up("no name at all").empty()); }

/// The resolver may be slow; whoever has lost interest goes away all the same.
TEST(NameLookup, CanBeDroppedAtAnyTime) {
  for (int i = 0; i < 20; ++i) const NameLookup dropped("localhost", 1);
}

}  // namespace
}  // namespace ipop::os
