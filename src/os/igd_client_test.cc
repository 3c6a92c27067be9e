#include "os/igd_client.h"

#include <gtest/gtest.h>

#include "os/clock.h"
#include "os/igd_testing.h"
#include "os/test_support.h"

namespace ipop::os {
namespace {

using namespace std::chrono_literals;

const IgdClient::Router kRouter{kTestRouter, kTestLocal};

struct Fixture {
  TestNamespace in_its_own;
  Result<Wakeup> interrupt = Wakeup::open();
  IgdClient client{*interrupt};
};

TEST(IgdClient, FindsTheRouterAndMapsAPort) {
  Fixture f;
  TestIgd router(forward_all);
  const auto address = f.client.external_address(kRouter);
  ASSERT_TRUE(address);
  EXPECT_EQ(*address, *Ipv4::parse("203.0.113.7"));
  ASSERT_TRUE(f.client.map(kRouter, {50000, 40000, IgdClient::Lease(7200)}));
  const auto entry = f.client.entry(kRouter, 50000);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->client, kTestLocal);
  EXPECT_EQ(entry->port, 40000);
  EXPECT_TRUE(entry->enabled);
  EXPECT_EQ(entry->lease, IgdClient::Lease(7100));
  EXPECT_TRUE(f.client.unmap(kRouter, 50000));

  const auto requests = router.requests();
  ASSERT_EQ(requests.size(), 5U);
  for (const char* part :
       {"POST /c HTTP/1.1", "<NewRemoteHost></NewRemoteHost>",
        "<NewExternalPort>50000</NewExternalPort>", "<NewProtocol>UDP</NewProtocol>",
        "<NewInternalPort>40000</NewInternalPort>",
        "<NewInternalClient>127.0.0.2</NewInternalClient>", "<NewEnabled>1</NewEnabled>",
        "<NewLeaseDuration>7200</NewLeaseDuration>"}) {
    EXPECT_NE(requests[2].find(part), std::string::npos) << part;
  }
  ASSERT_TRUE(f.client.external_address(kRouter));
  EXPECT_EQ(router.requests().size(), 6U) << "no search for what is known";
}

TEST(IgdClient, TellsTheErrorCode) {
  Fixture f;
  TestIgd router([](const std::string& request) {
    const bool maps = request.find("#AddPortMapping") != std::string::npos;
    const bool deletes = request.find("#DeletePortMapping") != std::string::npos;
    return maps ? soap_fault(718) : deletes ? soap_fault(714) : forward_all(request);
  });
  ASSERT_TRUE(f.client.external_address(kRouter));
  const auto mapped = f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)});
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().code, 718);
  EXPECT_TRUE(f.client.unmap(kRouter, 50000)) << "it is not there, as was wanted";
}

TEST(IgdClient, OfTwoConnectionsTheOneWithAnAddressCounts) {
  Fixture f;
  TestIgd router([](const std::string& request) {
    if (request.starts_with("GET")) {
      return test_description(test_service("/ppp", "WANPPPConnection:1") +
                              test_service("/ip", "WANIPConnection:1"));
    }
    if (request.starts_with("POST /ppp ")) {
      return http_ok("<a><NewExternalIPAddress>0.0.0.0</NewExternalIPAddress></a>");
    }
    return forward_all(request);
  });
  EXPECT_EQ(f.client.external_address(kRouter).value_or(Ipv4{}), *Ipv4::parse("203.0.113.7"));
  ASSERT_TRUE(f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)}));
  EXPECT_TRUE(router.requests().back().starts_with("POST /ip "));
}

TEST(IgdClient, ADescriptionElsewhereIsNotFetched) {
  Fixture f;
  TestIgd router(forward_all, "http://127.0.0.3:5000/root.xml");
  EXPECT_FALSE(f.client.external_address(kRouter));
  EXPECT_TRUE(router.requests().empty());
}

TEST(IgdClient, AServiceElsewhereIsNotAsked) {
  Fixture f;
  TestIgd router([](const std::string&) {
    return test_description(test_service("http://127.0.0.3:5000/c", "WANIPConnection:1"));
  });
  EXPECT_FALSE(f.client.external_address(kRouter));
  EXPECT_EQ(router.requests().size(), 1U);
}

TEST(IgdClient, WithoutARouterItGivesUpInTime) {
  Fixture f;
  const Instant begin = now().at;
  EXPECT_FALSE(f.client.external_address(kRouter));
  EXPECT_LT(now().at - begin, IgdClient::kCallTimeout);
  EXPECT_FALSE(f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)}));
}

TEST(IgdClient, NonsenseIsNoAnswer) {
  for (const char* nonsense :
       {"garbage", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 302 x\r\nLocation: http://127.0.0.3/\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", TestIgd::kEndless}) {
    Fixture f;
    TestIgd router([&](const std::string& request) {
      return request.starts_with("GET") ? forward_all(request) : std::string(nonsense);
    });
    const auto address = f.client.external_address(kRouter);
    // An answer without an address is that of a router that has none.
    EXPECT_EQ(address.value_or(Ipv4{}), Ipv4{}) << nonsense;
  }
}

TEST(IgdClient, ARouterThatNeverAnswersIsLeftInTime) {
  Fixture f;
  TestIgd router([](const std::string&) { return std::string(); });
  const Instant begin = now().at;
  EXPECT_FALSE(f.client.external_address(kRouter));
  EXPECT_LT(now().at - begin, IgdClient::kCallTimeout + 1s);
}

TEST(IgdClient, AnInterruptEndsItAtOnce) {
  Fixture f;
  TestIgd router([&](const std::string& request) {
    if (request.find("#AddPortMapping") == std::string::npos) return forward_all(request);
    f.interrupt->notify();
    return std::string();
  });
  ASSERT_TRUE(f.client.external_address(kRouter));
  const Instant begin = now().at;
  EXPECT_FALSE(f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)}));
  EXPECT_LT(now().at - begin, IgdClient::kRequestTimeout);
  f.interrupt->drain();
  EXPECT_TRUE(f.client.unmap(kRouter, 50000)) << "where the router is asked is still known";
}

}  // namespace
}  // namespace ipop::os
