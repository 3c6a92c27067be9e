#include "control/codec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ipop::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Ipv4 v4(const char* text) { return *Ipv4::parse(text); }
Ipv6 v6(const char* text) { return *Ipv6::parse(text); }
Endpoint endpoint(const char* text) { return *Endpoint::parse(text); }

NetworkInfo sample_network() {
  return {.name = "family",
          .id = "00112233445566778899aabbccddeeff",
          .interface = "ipop0",
          .subnet4 = *Prefix4::parse("10.83.0.0/16"),
          .subnet6 = {.base = v6("fd12:3456:789a::"), .length = 48},
          .self = {.name = "alice",
                   .ipv4 = v4("10.83.0.1"),
                   .ipv6 = v6("fd12:3456:789a::1"),
                   .dns_name = "alice.family.internal",
                   .id = "aa",
                   .admin = true}};
}

NetworkStatus sample_status() {
  return {.network = sample_network(),
          .state = NetworkState::Up,
          .mtu = 1380,
          .port = 41820,
          .members = {{.name = "bob",
                       .ipv4 = v4("10.83.0.2"),
                       .ipv6 = v6("fd12:3456:789a::2"),
                       .id = "bb",
                       .admin = false,
                       .online = true,
                       .path = {.kind = PathKind::Direct,
                                .endpoint = endpoint("203.0.113.7:41820"),
                                .rtt = std::chrono::microseconds(12345),
                                .mtu = 1340},
                       .rx_bytes = UINT64_MAX,
                       .tx_bytes = 7,
                       .suite = "aes-256-gcm",
                       .last_seen = seconds(0)},
                      {.name = "",
                       .ipv4 = std::nullopt,
                       .ipv6 = v6("fd12:3456:789a::3"),
                       .path = {.kind = PathKind::Relay, .via = "bob"}}},
          .invites = {{.id = "cc",
                       .uses = 3,
                       .used = 1,
                       .expires = UnixTime{1800000000},
                       .name = "dave",
                       .address = v4("10.83.0.9"),
                       .issuer = "alice"},
                      {.id = "dd", .uses = 1, .expires = UnixTime::never()}},
          .epoch = 4};
}

DoctorReply sample_doctor() {
  const PathStatus relay{.kind = PathKind::Relay, .via = "carol", .rtt = milliseconds(40)};
  DoctorReply out;
  out.network = "family";
  out.self = "alice";
  out.member = "bob";
  out.ipv4 = v4("10.83.0.2");
  out.verdict = {.cause = PathCause::CutOff, .text = "relayed", .next = {"do this", "or that"}};
  out.far = FarEnd::Answered;
  out.path = {.path = relay, .sent = 10, .answered = 9};
  out.relay = DoctorPath{.path = relay};
  out.here = {.port = 41820,
              .ipv4 = {.has_address = true, .mapping = NatMapping::AddressDependent},
              .forwarding = Forwarding::Off,
              .path = PathKind::Relay,
              .tests = {{.address = endpoint("203.0.113.7:5"),
                         .result = TestResult::Answered,
                         .sent = 5,
                         .answered = 4,
                         .rtt = milliseconds(12),
                         .in_use = true},
                        {.address = endpoint("[2001:db8::1]:5")}}};
  out.there = DoctorSide{.port = 1};
  out.told = {endpoint("198.51.100.2:41820")};
  out.firewall = {.incoming = LocalFirewall::Effect::Drops,
                  .chain = "inet filter input",
                  .rule = 7,
                  .refuses_outgoing = true};
  out.last_seen = seconds(4);
  out.others = 3;
  out.others_online = 2;
  return out;
}

std::vector<Request> sample_requests() {
  return {
      CreateRequest{.network = "family"},
      CreateRequest{
          .network = "family", .name = "alice", .subnet = *Prefix4::parse("192.168.77.0/24")},
      InviteRequest{},
      InviteRequest{.network = "family",
                    .uses = 65535,
                    .expires = seconds(1),
                    .name = "bob",
                    .address = v4("10.83.0.9")},
      JoinRequest{.invite = "IPOP1-ABC", .name = "bob"},
      JoinRequest{.invite = "two\nlines and \"quotes\" and \\ and \t"},
      LeaveRequest{},
      LeaveRequest{.network = "family", .confirmed = true},
      UpRequest{},
      UpRequest{.network = "a"},
      DownRequest{.network = "a"},
      NetworksRequest{},
      StatusRequest{},
      StatusRequest{.network = "a"},
      PingRequest{.member = "bob"},
      PingRequest{.member = "bob",
                  .network = "a",
                  .count = kPingCountMax,
                  .interval = milliseconds(10),
                  .timeout = milliseconds(1)},
      KickRequest{.member = "bob", .network = "a"},
      AdminRequest{.action = AdminAction::Add, .member = "bob"},
      AdminRequest{.action = AdminAction::Remove, .member = "bob", .network = "a"},
      DeviceRequest{},
      DeviceRequest{.action = DeviceAction::Add,
                    .name = "phone",
                    .network = "a",
                    .address = Ipv4::parse("10.83.0.9"),
                    .endpoint = Endpoint::parse("203.0.113.7:41820"),
                    .psk = false},
      DeviceRequest{.action = DeviceAction::Show, .name = "phone"},
      NetcheckRequest{},
      DoctorRequest{.member = "bob"},
      DoctorRequest{.member = "bob", .network = "a"},
      VersionRequest{},
  };
}

std::vector<Reply> sample_replies() {
  const Health health{.code = "dns", .message = "names are not answered", .next = "do this"};
  const PathStatus path{
      .kind = PathKind::Direct, .endpoint = endpoint("[2001:db8::1]:7"), .rtt = Duration(1)};
  return {
      CreateReply{.network = sample_network(), .recovery_key = "KEY", .health = {health}},
      InviteReply{.network = "family",
                  .invite = "IPOP1-X",
                  .uses = 2,
                  .expires = UnixTime{1800000000},
                  .name = "bob",
                  .address = v4("10.83.0.9"),
                  .hosts = {endpoint("192.0.2.1:9")},
                  .health = {health, health}},
      InviteReply{},
      JoinReply{.network = sample_network(), .admitted_by = "alice", .path = path},
      LeaveReply{.network = "family", .told = 3},
      LeaveReply{.network = "family", .moved_to = "/var/lib/ipop/left/family"},
      NetworksReply{.networks = {}, .health = {{"state_damaged", "off", "put it back"}}},
      UpReply{.network = "family", .interface = "ipop0", .changed = true},
      DownReply{.network = "family", .changed = true},
      NetworksReply{},
      NetworksReply{.networks = {{.network = sample_network(),
                                  .state = NetworkState::Down,
                                  .members = 4,
                                  .online = 2}}},
      StatusReply{},
      StatusReply{.networks = {sample_status(), sample_status()},
                  .drops = {{"replayed", 3}, {"bad_tag", 0}},
                  .health = {health}},
      PingReply{.network = "family",
                .member = "bob",
                .ipv4 = v4("10.83.0.2"),
                .sent = 4,
                .received = 1,
                .rtt_min = Duration(1),
                .rtt_average = milliseconds(2),
                .rtt_max = seconds(3),
                .replies = {{.sequence = 1, .path = path}}},
      PingReply{},
      KickReply{.network = "family",
                .member = "bob",
                .closed_invites = {{.id = "cc", .uses = 1}},
                .told = 2,
                .epoch = 9},
      AdminReply{.network = "family", .member = "bob", .admin = true},
      DeviceReply{
          .network = "family", .name = "phone", .config = "[Interface]\n", .has_private_key = true},
      DeviceReply{.network = "family",
                  .devices = {{.name = "phone",
                               .host = "alice",
                               .hosted_here = true,
                               .endpoint = Endpoint::parse("203.0.113.7:5"),
                               .last_handshake = std::chrono::seconds(3)}}},
      NetcheckReply{
          .port = 41820,
          .ipv4 = {.mapping = NatMapping::AddressAndPortDependent,
                   .filtering = NatFiltering::AddressDependent,
                   .ports = NatPorts::Sequential,
                   .external = Endpoint::parse("203.0.113.7:5"),
                   .seen = {*Endpoint::parse("203.0.113.7:5")},
                   .addresses = {"192.168.1.2"}},
          .port_mapping = false,
          .upnp = false,
          .gateways = {{"192.168.1.1", GatewayProtocol::NatPmp, Endpoint::parse("203.0.113.7:9")},
                       {"10.0.0.1", GatewayProtocol::None, {}},
                       {"10.0.0.2", GatewayProtocol::Upnp, Endpoint::parse("203.0.113.7:9")}},
          .stun = {{*Endpoint::parse("198.51.100.1:3478"), {}}},
          .health = {{"hard_nat", "m", "n"}}},
      NetcheckReply{},
      sample_doctor(),
      DoctorReply{},
      VersionReply{.daemon = "0.1.0", .client = "0.1.0"},
      VersionReply{},
  };
}

TEST(Codec, RequestsComeBack) {
  std::vector<bool> seen(std::variant_size_v<Request>, false);
  for (const Request& request : sample_requests()) {
    const std::string line = encode(request);
    ASSERT_TRUE(line.ends_with('\n'));
    ASSERT_EQ(line.find('\n'), line.size() - 1) << "one line: " << line;
    const auto back = decode_request(line);
    ASSERT_TRUE(back) << line << back.error().message;
    EXPECT_EQ(*back, request) << line;
    seen[request.index()] = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
}

TEST(Codec, RepliesComeBack) {
  std::vector<bool> seen(std::variant_size_v<Reply>, false);
  for (const Reply& reply : sample_replies()) {
    const std::string line = encode(reply);
    ASSERT_EQ(line.find('\n'), line.size() - 1) << "one line: " << line;
    const auto back = decode_server_line(line);
    ASSERT_TRUE(back) << line << back.error().message;
    ASSERT_TRUE(back->has_value());
    EXPECT_EQ(**back, ServerLine(reply)) << line;
    seen[reply.index()] = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
}

TEST(Codec, EventsComeBack) {
  const Event events[] = {
      JoinCalling{.host = endpoint("192.0.2.1:9")},
      JoinFound{.member = "alice", .host = endpoint("[2001:db8::1]:9")},
      JoinWaiting{},
      PingAnswer{.sequence = 3, .path = {.kind = PathKind::Relay, .via = "bob"}},
      PingLost{.sequence = 4},
  };
  static_assert(std::size(events) == std::variant_size_v<Event>);
  for (const Event& event : events) {
    const auto back = decode_server_line(encode(event));
    ASSERT_TRUE(back && back->has_value());
    EXPECT_EQ(**back, ServerLine(event));
  }
}

TEST(Codec, ErrorsComeBackWithEveryCode) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::Internal); ++i) {
    const ControlError error{.code = static_cast<ErrorCode>(i), .message = "m\"", .next = "n"};
    const auto back = decode_server_line(encode(error));
    ASSERT_TRUE(back && back->has_value());
    EXPECT_EQ(**back, ServerLine(error));
    EXPECT_EQ(error_code(error_name(error.code)), error.code);
  }
  EXPECT_EQ(error_code("no_such_code"), std::nullopt);
  EXPECT_EQ(error_code(""), std::nullopt);
}

// The wire form that docs/control.md promises, byte by byte.
TEST(Codec, GoldenLines) {
  EXPECT_EQ(encode(Request(StatusRequest{})),
            "{\"version\":1,\"verb\":\"status\",\"network\":null}\n");
  EXPECT_EQ(encode(Request(InviteRequest{.uses = 2})),
            "{\"version\":1,\"verb\":\"invite\",\"network\":null,\"uses\":2,\"expires_s\":86400,"
            "\"name\":null,\"address\":null}\n");
  EXPECT_EQ(encode(Event(JoinCalling{.host = endpoint("192.0.2.1:9")})),
            "{\"event\":{\"kind\":\"calling\",\"host\":\"192.0.2.1:9\"}}\n");
  EXPECT_EQ(encode(Reply(DownReply{.network = "n", .changed = true})),
            "{\"verb\":\"down\",\"result\":{\"version\":1,\"network\":\"n\",\"changed\":true}}\n");
  EXPECT_EQ(encode(ControlError{.code = ErrorCode::UsedInvite, .message = "m", .next = "n"}),
            "{\"error\":{\"code\":\"used_invite\",\"message\":\"m\",\"next\":\"n\"}}\n");
  EXPECT_EQ(
      document(ControlError{.code = ErrorCode::UsedInvite, .message = "m", .next = "n"}),
      "{\"version\":1,\"error\":{\"code\":\"used_invite\",\"message\":\"m\",\"next\":\"n\"}}\n");
}

TEST(Codec, StatusDocument) {
  NetworkStatus status = sample_status();
  status.members.resize(1);
  status.members[0].rx_bytes = 5;
  status.invites.clear();
  const StatusReply reply{.networks = {status}, .drops = {{"replayed", 3}, {"bad_tag", 0}}};
  EXPECT_EQ(document(Reply(reply)), R"({
  "version": 1,
  "networks": [
    {
      "name": "family",
      "id": "00112233445566778899aabbccddeeff",
      "interface": "ipop0",
      "subnet4": "10.83.0.0/16",
      "subnet6": "fd12:3456:789a::/48",
      "self": {
        "name": "alice",
        "ipv4": "10.83.0.1",
        "ipv6": "fd12:3456:789a::1",
        "dns_name": "alice.family.internal",
        "id": "aa",
        "admin": true
      },
      "state": "up",
      "mtu": 1380,
      "port": 41820,
      "members": [
        {
          "name": "bob",
          "ipv4": "10.83.0.2",
          "ipv6": "fd12:3456:789a::2",
          "id": "bb",
          "admin": false,
          "online": true,
          "path": {
            "kind": "direct",
            "endpoint": "203.0.113.7:41820",
            "via": null,
            "rtt_ms": 12.345,
            "mtu": 1340
          },
          "rx_bytes": 5,
          "tx_bytes": 7,
          "suite": "aes-256-gcm",
          "last_seen_s": 0
        }
      ],
      "devices": [],
      "invites": [],
      "epoch": 4
    }
  ],
  "drops": {
    "bad_tag": 0,
    "replayed": 3
  },
  "health": []
}
)");
}

TEST(Codec, UnknownFieldsAndNullsAreIgnored) {
  const auto request = decode_request(
      "{\"verb\":\"ping\",\"member\":\"b\",\"count\":null,\"colour\":[1,{}],\"version\":1}");
  ASSERT_TRUE(request);
  EXPECT_EQ(*request, Request(PingRequest{.member = "b"}));
}

TEST(Codec, BadSubnet6) {
  const std::string good = encode(Reply(JoinReply{.network = sample_network()}));
  ASSERT_TRUE(decode_server_line(good));
  for (const char* bad : {"fd00::", "fd00::/", "fd00::/129", "fd00::/-1", "fd00::/48x", "/48",
                          "10.0.0.0/8", "fd00::/ 48", "fd00::/256"}) {
    std::string line = good;
    const std::string prefix = "fd12:3456:789a::/48";
    line.replace(line.find(prefix), prefix.size(), bad);
    EXPECT_FALSE(decode_server_line(line)) << bad;
  }
}

TEST(Codec, WhatANewerDaemonSaysIsSkippedOrShown) {
  const auto event = decode_server_line("{\"event\":{\"kind\":\"dancing\",\"steps\":4}}");
  ASSERT_TRUE(event);
  EXPECT_FALSE(event->has_value());
  const auto error = decode_server_line(
      "{\"error\":{\"code\":\"moon_phase\",\"message\":\"wrong moon\",\"next\":\"wait\"}}");
  ASSERT_TRUE(error && error->has_value());
  EXPECT_EQ(**error, ServerLine(ControlError{
                         .code = ErrorCode::Internal, .message = "wrong moon", .next = "wait"}));
}

}  // namespace
}  // namespace ipop::control
