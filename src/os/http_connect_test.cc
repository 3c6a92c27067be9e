#include "os/http_connect.h"

#include <gtest/gtest.h>

namespace ipop::os {
namespace {

using State = HttpConnectReply::State;

TEST(HttpProxy, ReadsWhatUsersWrite) {
  EXPECT_EQ(HttpProxy::parse("http://proxy.example:3128"), (HttpProxy{"proxy.example", 3128, ""}));
  EXPECT_EQ(HttpProxy::parse("http://192.0.2.1/"), (HttpProxy{"192.0.2.1", 80, ""}));
  EXPECT_EQ(HttpProxy::parse("http://[2001:db8::1]:8080"), (HttpProxy{"2001:db8::1", 8080, ""}));
  EXPECT_EQ(HttpProxy::parse("http://bob:p%40ss%3a@proxy:1"), (HttpProxy{"proxy", 1, "bob:p@ss:"}));
  EXPECT_EQ(HttpProxy::parse("proxy.example:3128"), (HttpProxy{"proxy.example", 3128, ""}));
  EXPECT_EQ(HttpProxy::parse("http://bob@proxy:1"), (HttpProxy{"proxy", 1, "bob:"}));
}

TEST(HttpProxy, RefusesWhatItCannotUse) {
  for (const char* url :
       {"", "https://proxy:3128", "socks5://proxy:1", "http://", "http://:80",
        "http://proxy:", "http://proxy:0", "http://proxy:65536", "http://proxy:12x",
        "http://proxy:-1", "http://pro xy:1", "http://proxy\r\nX: y:1", "http://[2001:db8::1",
        "http://[proxy]:1", "http://a%0d%0aX:b@proxy:1", "http://a%4@proxy:1", "http://a%zz@proxy",
        "http://proxy:1/path"}) {
    EXPECT_FALSE(HttpProxy::parse(url)) << url;
  }
}

TEST(HttpConnect, AsksForATunnel) {
  EXPECT_EQ(http_connect_request({"proxy", 1, ""}, *Endpoint::parse("192.0.2.7:443")),
            "CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n");
  // RFC 7617, section 2.
  EXPECT_EQ(http_connect_request({"proxy", 1, "Aladdin:open sesame"},
                                 *Endpoint::parse("[2001:db8::1]:443")),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"
            "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
}

TEST(HttpConnectReply, OpensOnAny2xx) {
  for (const std::string head :
       {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n",
        "HTTP/1.1 204\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}) {
    HttpConnectReply whole;
    EXPECT_EQ(whole.add(head), State::Open) << head;
    EXPECT_EQ(whole.problem(), "");
    HttpConnectReply reply;
    for (std::size_t i = 0; i + 1 < head.size(); ++i) {
      ASSERT_EQ(reply.add(head.substr(i, 1)), State::Reading) << head << i;
    }
    EXPECT_EQ(reply.add(head.substr(head.size() - 1)), State::Open);
  }
}

TEST(HttpConnectReply, SaysWhyNot) {
  struct Case {
    std::string head;
    int status;
    std::string problem;
  };
  for (const Case& c :
       {Case{
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n<html>",
            407, "407: it wants another user and password"},
        Case{"HTTP/1.1 403 Forbidden\r\n\r\n", 403, ""},
        Case{"HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, ""},
        Case{"HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n", 302, ""}}) {
    HttpConnectReply reply;
    EXPECT_EQ(reply.add(c.head), State::Refused) << c.head;
    EXPECT_EQ(reply.status(), c.status);
    EXPECT_EQ(reply.problem(), c.problem);
  }
}

TEST(HttpConnectReply, IsNotTakenInByOthers) {
  for (const std::string head :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n", "\r\n\r\n", "HTTP/1.1 -20 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nand more"}) {
    HttpConnectReply reply;
    EXPECT_EQ(reply.add(head), State::Broken) << head;
    EXPECT_FALSE(reply.problem().empty());
  }
}

TEST(HttpConnectReply, HasAnEnd) {
  HttpConnectReply reply;
  std::size_t taken = 0;
  while (reply.add("HTTP/1.1 200 OK\r\nX: y\r\n") == State::Reading) {
    ASSERT_LE(++taken, HttpConnectReply::kHeadMax);
  }
  EXPECT_EQ(reply.state(), State::Broken);
  EXPECT_EQ(reply.add("\r\n\r\n"), State::Broken);
}

TEST(HttpConnectReply, InterimAnswersHaveAnEnd) {
  HttpConnectReply reply;
  std::size_t taken = 0;
  const std::string_view interim = "HTTP/1.1 102 Processing\r\n\r\n";
  while (reply.add(interim) == State::Reading) {
    ASSERT_LE(++taken, HttpConnectReply::kHeadMax / interim.size());
  }
  EXPECT_EQ(reply.state(), State::Broken);
}

}  // namespace
}  // namespace ipop::os
