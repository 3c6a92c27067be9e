#include "os/igd_client.h"

#include <gtest/gtest.h>

#include <atomic>

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
  EXPECT_FALSE(router.was_called_elsewhere());
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

TEST(IgdClient, AConnectionThatLostItsAddressIsLeftForOneThatHasOne) {
  Fixture f;
  std::atomic<bool> switched = false;
  TestIgd router([&](const std::string& request) {
    if (request.starts_with("GET")) {
      return test_description(test_service("/ppp", "WANPPPConnection:1") +
                              test_service("/ip", "WANIPConnection:1"));
    }
    const bool is_up = request.starts_with("POST /ip ") && switched;
    if (!is_up && request.find("#GetExternalIPAddress") != std::string::npos) {
      return http_ok("<a><NewExternalIPAddress>0.0.0.0</NewExternalIPAddress></a>");
    }
    return forward_all(request);
  });
  EXPECT_EQ(f.client.external_address(kRouter).value_or(kTestRouter), Ipv4{});
  switched = true;
  EXPECT_EQ(f.client.external_address(kRouter).value_or(Ipv4{}), *Ipv4::parse("203.0.113.7"));
  ASSERT_TRUE(f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)}));
  EXPECT_TRUE(router.requests().back().starts_with("POST /ip "));
}

TEST(IgdClient, OtherDevicesOfTheRouterDoNotHideItsGateway) {
  std::vector<TestIgd::Found> found;
  for (int i = 0; i < 12; ++i) {
    found.push_back({"upnp:rootdevice", "http://127.0.0.1:5000/player" + std::to_string(i)});
  }
  for (const bool names : {true, false}) {
    Fixture f;
    auto all = found;
    if (!names) all.resize(2);
    all.push_back(
        {names ? TestIgd::kGatewayTarget : "upnp:rootdevice", "http://127.0.0.1:5000/root.xml"});
    TestIgd router(forward_all, all);
    EXPECT_TRUE(f.client.external_address(kRouter));
    EXPECT_EQ(router.requests().front().starts_with("GET /root.xml "), names);
  }
}

TEST(IgdClient, WhatFellSilentIsStillAskedToDelete) {
  Fixture f;
  TestIgd router([](const std::string& request) {
    const bool maps = request.find("#AddPortMapping") != std::string::npos;
    return maps ? std::string("garbage") : forward_all(request);
  });
  ASSERT_TRUE(f.client.external_address(kRouter));
  const auto mapped = f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)});
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().code, 0);
  EXPECT_TRUE(f.client.unmap(kRouter, 50000));
  EXPECT_NE(router.requests().back().find("#DeletePortMapping"), std::string::npos);
  const IgdClient::Router moved{kTestRouter, Ipv4{0x7f000009}};
  EXPECT_TRUE(f.client.unmap(moved, 50000)) << "from another address of ours";
  const int searches = router.searches();
  EXPECT_TRUE(f.client.external_address(kRouter));
  EXPECT_GT(router.searches(), searches) << "it may have restarted";
}

TEST(IgdClient, ARouterThatDoesNotTellItsEntriesSaysSo) {
  for (const auto& answer :
       {http_ok("x", 404), http_ok("", 501), http_ok("<a></a>"), http_ok("")}) {
    Fixture f;
    TestIgd router([&](const std::string& request) {
      const bool asks = request.find("#GetSpecificPortMappingEntry") != std::string::npos;
      return asks ? answer : forward_all(request);
    });
    ASSERT_TRUE(f.client.external_address(kRouter));
    const auto entry = f.client.entry(kRouter, 50000);
    ASSERT_FALSE(entry);
    EXPECT_EQ(entry.error().code, IgdClient::kInvalidAction) << answer;
  }
}

TEST(IgdClient, AMappingMayTakeLongerThanOtherRequests) {
  Fixture f;
  TestIgd router([](const std::string& request) {
    if (request.find("#AddPortMapping") != std::string::npos) {
      const auto time = std::chrono::ceil<std::chrono::milliseconds>(IgdClient::kRequestTimeout);
      ::poll(nullptr, 0, static_cast<int>(time.count()) + 500);
    }
    return forward_all(request);
  });
  ASSERT_TRUE(f.client.external_address(kRouter));
  EXPECT_TRUE(f.client.map(kRouter, {50000, 40000, IgdClient::Lease(0)}));
}

TEST(IgdClient, ADescriptionElsewhereIsNotFetched) {
  Fixture f;
  TestIgd router(forward_all, {{TestIgd::kGatewayTarget, "http://127.0.0.3:5000/root.xml"}});
  EXPECT_FALSE(f.client.external_address(kRouter));
  EXPECT_GT(router.searches(), 0);
  EXPECT_TRUE(router.called().empty());
}

TEST(IgdClient, AServiceElsewhereIsNotAsked) {
  Fixture f;
  TestIgd router([](const std::string&) {
    return test_description(test_service("http://127.0.0.3:5000/c", "WANIPConnection:1"));
  });
  EXPECT_FALSE(f.client.external_address(kRouter));
  EXPECT_EQ(router.called(), std::vector{IpAddress(kTestRouter)});
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
        "HTTP/1.1 302 x\r\nLocation: http://127.0.0.3:5000/\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", TestIgd::kEndless}) {
    Fixture f;
    TestIgd router([&](const std::string& request) {
      return request.starts_with("GET") ? forward_all(request) : std::string(nonsense);
    });
    const auto address = f.client.external_address(kRouter);
    // An answer without an address is that of a router that has none.
    EXPECT_EQ(address.value_or(Ipv4{}), Ipv4{}) << nonsense;
    EXPECT_FALSE(router.was_called_elsewhere()) << nonsense;
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
