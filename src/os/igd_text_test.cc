#include "os/igd_text.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace ipop::os {
namespace {

const Ipv4 kGateway{0xc0a80101};
const IgdPlace kDescribed{5000, "/rootDesc.xml"};

std::string answer_with(const std::string& location) {
  return "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nLocation: " + location +
         "\r\nST: upnp:rootdevice\r\n\r\n";
}

TEST(IgdText, FindsTheDescriptionAtTheGatewayAlone) {
  const auto place = [](const std::string& location) -> std::optional<IgdPlace> {
    const auto answer = parse_igd_search_answer(answer_with(location), kGateway);
    return answer ? std::optional(answer->place) : std::nullopt;
  };
  EXPECT_EQ(place("http://192.168.1.1:5000/rootDesc.xml"), kDescribed);
  EXPECT_EQ(place("HTTP://192.168.1.1/a"), (IgdPlace{80, "/a"}));
  EXPECT_EQ(place("http://192.168.1.1"), (IgdPlace{80, "/"}));
  for (const char* bad :
       {"http://192.168.1.2:5000/x", "http://203.0.113.9/x", "https://192.168.1.1/x", "",
        "http://192.168.1.1:0/x", "http://192.168.1.1:65536/x", "http://192.168.1.1:80x/x",
        "http://192.168.1.1:/x", "http://router/x", "http://192.168.1.1@203.0.113.9/x",
        "http://203.0.113.9@192.168.1.1/x", "http://192.168.1.1.example/x", "/x",
        "http://192.168.1.1/a b", "http://192.168.1.1/\x7f", "http://[fe80::1]/x",
        "ftp://192.168.1.1/x", "http://"}) {
    EXPECT_FALSE(place(bad)) << bad;
  }
  EXPECT_FALSE(place("http://192.168.1.1/" + std::string(IgdPlace::kPathMax, 'a')));
  EXPECT_FALSE(
      parse_igd_search_answer("NOTIFY * HTTP/1.1\r\nLocation: http://192.168.1.1/\r\n", kGateway));
  EXPECT_FALSE(parse_igd_search_answer("HTTP/1.1 200 OK", kGateway));
}

TEST(IgdText, TellsAGatewayFromOtherDevices) {
  const auto names = [](const std::string& target) {
    const std::string text =
        "HTTP/1.1 200 OK\r\nLocation: http://192.168.1.1/x\r\nST: " + target + "\r\n\r\n";
    return parse_igd_search_answer(text, kGateway)->names_gateway;
  };
  EXPECT_TRUE(names("urn:schemas-upnp-org:device:InternetGatewayDevice:1"));
  EXPECT_TRUE(names("urn:schemas-upnp-org:device:InternetGatewayDevice:2"));
  EXPECT_FALSE(names("upnp:rootdevice"));
  EXPECT_FALSE(names("urn:schemas-upnp-org:device:MediaServer:1"));
  EXPECT_FALSE(names(""));
}

std::string description(const std::string& base, const std::string& control,
                        const std::string& type = "WANIPConnection:1") {
  return "<?xml version=\"1.0\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\">" +
         (base.empty() ? "" : "<URLBase>" + base + "</URLBase>") +
         "<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>"
         "<serviceList><service><serviceType>urn:schemas-upnp-org:service:" +
         type + "</serviceType><controlURL>" + control +
         "</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/x.xml</SCPDURL></service>"
         "</serviceList></device></root>";
}

TEST(IgdText, ReadsWhereTheServiceIs) {
  const auto found = [](const std::string& xml) {
    return parse_igd_description(xml, kDescribed, kGateway);
  };
  const IgdService wanted{{5000, "/ctl"}, "urn:schemas-upnp-org:service:WANIPConnection:1"};
  EXPECT_EQ(found(description("", "/ctl")), std::vector{wanted});
  EXPECT_EQ(found(description("", "ctl")), std::vector{wanted});
  EXPECT_EQ(found(description("", "http://192.168.1.1:5000/ctl")), std::vector{wanted});
  EXPECT_EQ(found(description("http://192.168.1.1:77/", "/ctl")).front().control.port, 77);
  EXPECT_EQ(found(description("http://203.0.113.9:77/", "/ctl")), std::vector{wanted})
      << "a base elsewhere counts for nothing";
  EXPECT_EQ(found(description("", "/ctl", "WANIPConnection:2")).size(), 1U);
  EXPECT_EQ(found(description("", "/ctl", "WANPPPConnection:1")).size(), 1U);
  EXPECT_TRUE(found(description("", "http://203.0.113.9/ctl")).empty());
  EXPECT_TRUE(found(description("", "/c\r\nX: y")).empty());
  EXPECT_TRUE(found(description("", "/ctl", "Layer3Forwarding:1")).empty());
  EXPECT_TRUE(found(description("", "/ctl", "WANIPConnection:1\" x=\"")).empty());
  EXPECT_TRUE(found("").empty());
  EXPECT_TRUE(found(std::string(100'000, '<')).empty());
}

TEST(IgdText, WritesRequests) {
  const IgdService service{{5000, "/ctl"}, "urn:schemas-upnp-org:service:WANIPConnection:1"};
  const std::string text = igd_action_request(service, kGateway, "DeletePortMapping",
                                              {{"NewExternalPort", "7"}, {"NewProtocol", "UDP"}});
  EXPECT_TRUE(text.starts_with("POST /ctl HTTP/1.1\r\nHost: 192.168.1.1:5000\r\n"));
  EXPECT_NE(text.find("SOAPAction: \"" + service.type + "#DeletePortMapping\"\r\n"),
            std::string::npos);
  const auto body = text.substr(text.find("\r\n\r\n") + 4);
  EXPECT_NE(text.find("Content-Length: " + std::to_string(body.size()) + "\r\n"),
            std::string::npos);
  EXPECT_NE(body.find("<NewExternalPort>7</NewExternalPort><NewProtocol>UDP</NewProtocol>"),
            std::string::npos);
  EXPECT_TRUE(igd_get_request(kDescribed, kGateway).starts_with("GET /rootDesc.xml HTTP/1.1\r\n"));
  EXPECT_NE(igd_search_request("239.255.255.250", "upnp:rootdevice")
                .find("HOST: 239.255.255.250:1900\r\nST: upnp:rootdevice\r\n"),
            std::string::npos);
}

TEST(IgdText, HttpAnswersAreReadByTheirLengthTheirChunksOrTheirEnd) {
  struct Case {
    std::string text;
    std::string body;
    bool needs_end;
  };
  const std::vector<Case> cases{
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false},
      {"HTTP/1.0 200 OK\n\nabc", "abc", true},
      {"HTTP/1.1 200 OK\r\ncontent-length:  2 \r\n\r\nabc", "ab", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
       "abc", false},
  };
  for (const Case& c : cases) {
    const auto whole = parse_http_answer(c.text, c.needs_end);
    ASSERT_TRUE(whole) << c.text;
    EXPECT_EQ(whole->status, 200);
    EXPECT_EQ(whole->body, c.body);
    const std::size_t head =
        c.text.find("\n\n") == std::string::npos ? c.text.find("\r\n\r\n") : c.text.find("\n\n");
    for (std::size_t n = 0; n < head; ++n) {
      EXPECT_FALSE(parse_http_answer(std::string_view(c.text).substr(0, n), false)) << n;
    }
    for (std::size_t n = 0; n < c.text.size(); ++n) {
      const auto part = std::string_view(c.text).substr(0, n);
      if (parse_http_answer(part, false)) continue;
      const std::size_t size_min = http_answer_size_min(part);
      EXPECT_GT(size_min, n);
      for (std::size_t more = n; more < std::min(size_min, c.text.size() + 1); ++more) {
        EXPECT_FALSE(parse_http_answer(std::string_view(c.text).substr(0, more), false)) << n;
      }
    }
  }
  EXPECT_FALSE(parse_http_answer("HTT", false));
  const std::string incomplete = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc";
  EXPECT_FALSE(parse_http_answer(incomplete, false));
  EXPECT_EQ(http_answer_size_min(incomplete), incomplete.size() + 1);
  EXPECT_GT(http_answer_size_min("HTTP/1.1 200 OK\r\n\r\nabc"), 1'000'000U) << "only the end";
  for (const char* bad : {"", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "HTTP/1.1\r\n\r\n",
                          "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nab",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"}) {
    const auto answer = parse_http_answer(bad, true);
    ASSERT_TRUE(answer) << bad;
    EXPECT_EQ(answer->status, 0) << bad;
  }
  EXPECT_EQ(parse_http_answer("HTTP/1.1 500 Internal\r\nContent-Length: 0\r\n\r\n", false)->status,
            500);
}

TEST(IgdText, ReadsValues) {
  const IgdValues values(
      "<s:Envelope><s:Body><u:R><NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>"
      "<NewInternalPort>40000</NewInternalPort><Big>70000</Big><Bad>7x</Bad><No></No>"
      "</u:R></s:Body></s:Envelope>");
  EXPECT_EQ(values.address("NewExternalIPAddress"), Ipv4::parse("203.0.113.7"));
  EXPECT_EQ(values.number("NewInternalPort", 65535), 40000U);
  EXPECT_FALSE(values.number("Big", 65535));
  EXPECT_FALSE(values.number("Bad", 65535));
  EXPECT_FALSE(values.number("Absent", 65535));
  EXPECT_FALSE(values.address("NewInternalPort"));
  EXPECT_EQ(values.text("No"), "");
}

/// Cut, flipped and random texts: nothing crashes, and no place but the gateway comes out.
TEST(IgdText, SurvivesNoise) {
  SeededRng rng(11);
  const std::vector<std::string> seeds{
      description("http://192.168.1.1:77/", "http://192.168.1.1:5000/ctl"),
      answer_with("http://192.168.1.1:5000/rootDesc.xml"),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
      "<a><![CDATA[x]]><b/><c d='e'>f</c></a>"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[rng.below(seeds.size())];
    for (std::uint64_t n = rng.below(8); n > 0 && !text.empty(); --n) {
      const std::size_t at = rng.below(text.size());
      switch (rng.below(3)) {
        case 0:
          text[at] = static_cast<char>(rng.below(256));
          break;
        case 1:
          text.resize(at);
          break;
        default:
          text.insert(at, text.substr(rng.below(text.size()), rng.below(40)));
          break;
      }
    }
    for (const IgdService& s : parse_igd_description(text, kDescribed, kGateway)) {
      ASSERT_NE(s.control.port, 0);
      ASSERT_TRUE(s.control.path.starts_with('/'));
      ASSERT_EQ(s.control.path.find('\n'), std::string::npos);
      ASSERT_EQ(s.type.find('"'), std::string::npos);
    }
    static_cast<void>(parse_igd_search_answer(text, kGateway));
    static_cast<void>(parse_http_answer(text, rng.below(2) == 0));
    const IgdValues values(text);
    ASSERT_LE(values.text("c").size(), 128U);
  }
}

}  // namespace
}  // namespace ipop::os
