#include "cli/arguments.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace ipop::cli {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace)

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

struct Good {
  const char* line;
  Request request;
};

TEST(Arguments, Requests) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  const Good cases[] = {
      {"create family", CreateRequest{.network = "family"}},
      {"create family --name alice --subnet 10.1.0.0/16",
       CreateRequest{
           .network = "family", .name = "alice", .subnet = *Prefix4::parse("10.1.0.0/16")}},
      {"create --name=alice family", CreateRequest{.network = "family", .name = "alice"}},
      {"create status", CreateRequest{.network = "status"}},
      {"invite", InviteRequest{}},
      {"invite family --uses 5 --expires 7d",
       InviteRequest{.network = "family", .uses = 5, .expires = hours(7 * 24)}},
      {"invite --name bob --address 10.1.0.9",
       InviteRequest{.name = "bob", .address = Ipv4::parse("10.1.0.9")}},
      {"join IPOP1-ABC", JoinRequest{.invite = "IPOP1-ABC"}},
      {"join IPOP1-ABC --name bob", JoinRequest{.invite = "IPOP1-ABC", .name = "bob"}},
      {"join -", JoinRequest{.invite = "-"}},
      {"join --name bob -", JoinRequest{.invite = "-", .name = "bob"}},
      {"leave", LeaveRequest{}},
      {"leave family --yes", LeaveRequest{.network = "family", .confirmed = true}},
      {"leave -y", LeaveRequest{.confirmed = true}},
      {"up", UpRequest{}},
      {"up family", UpRequest{.network = "family"}},
      {"down family", DownRequest{.network = "family"}},
      {"networks", NetworksRequest{}},
      {"status", StatusRequest{}},
      {"status family", StatusRequest{.network = "family"}},
      {"ping bob", PingRequest{.member = "bob"}},
      {"ping bob -c 3", PingRequest{.member = "bob", .count = 3}},
      {"ping -c3 bob", PingRequest{.member = "bob", .count = 3}},
      {"ping bob --count 1 -i 0.2",
       PingRequest{.member = "bob", .count = 1, .interval = milliseconds(200)}},
      {"ping bob --network family", PingRequest{.member = "bob", .network = "family"}},
      {"ping bob.family", PingRequest{.member = "bob", .network = "family"}},
      {"ping bob.family.internal", PingRequest{.member = "bob", .network = "family"}},
      {"ping bob.family.internal.", PingRequest{.member = "bob", .network = "family"}},
      {"ping bob.family --network family", PingRequest{.member = "bob", .network = "family"}},
      {"ping 10.1.0.2", PingRequest{.member = "10.1.0.2"}},
      {"ping fd00::1", PingRequest{.member = "fd00::1"}},
      {"kick bob", KickRequest{.member = "bob"}},
      {"kick status", KickRequest{.member = "status"}},
      {"kick bob.family", KickRequest{.member = "bob", .network = "family"}},
      {"admin add bob", AdminRequest{.action = AdminAction::Add, .member = "bob"}},
      {"admin remove bob --network family",
       AdminRequest{.action = AdminAction::Remove, .member = "bob", .network = "family"}},
      {"device add phone --no-psk",
       DeviceRequest{.action = DeviceAction::Add, .name = "phone", .psk = false}},
      {"device add phone family --address 10.83.0.9 --endpoint [2001:db8::7]:5",
       DeviceRequest{.action = DeviceAction::Add,
                     .name = "phone",
                     .network = "family",
                     .address = Ipv4::parse("10.83.0.9"),
                     .endpoint = Endpoint::parse("[2001:db8::7]:5")}},
      {"device list", DeviceRequest{}},
      {"device list family", DeviceRequest{.network = "family"}},
      {"device show phone", DeviceRequest{.action = DeviceAction::Show, .name = "phone"}},
      {"admin add remove", AdminRequest{.action = AdminAction::Add, .member = "remove"}},
      {"netcheck", NetcheckRequest{}},
      {"doctor bob", DoctorRequest{.member = "bob"}},
      {"doctor bob family", DoctorRequest{.member = "bob", .network = "family"}},
      {"doctor bob --network family", DoctorRequest{.member = "bob", .network = "family"}},
      {"doctor bob.family", DoctorRequest{.member = "bob", .network = "family"}},
      {"doctor 10.1.0.2 family", DoctorRequest{.member = "10.1.0.2", .network = "family"}},
      {"version", VersionRequest{}},
  };
  for (const Good& one : cases) {
    for (const std::string& line :
         {std::string(one.line), "--json --socket /s " + std::string(one.line),
          std::string(one.line) + " --socket=/s --json"}) {
      const auto parsed = parse_arguments(words(line));
      ASSERT_TRUE(parsed) << line << ": " << parsed.error().text;
      EXPECT_EQ(parsed->request, one.request) << line;
      EXPECT_EQ(parsed->json, line != one.line) << line;
      EXPECT_EQ(parsed->socket, line != one.line ? "/s" : kDefaultSocket) << line;
      EXPECT_EQ(parsed->invite_from_input,
                parsed->request == Request(JoinRequest{.invite = "-"}) ||
                    parsed->request == Request(JoinRequest{.invite = "-", .name = "bob"}))
          << line;
    }
  }
}

struct Bad {
  const char* line;
  const char* says;
};

TEST(Arguments, UsageErrors) {
  const Bad cases[] = {
      {"", "ipop status"},
      {"--json", "ipop status"},
      {"frobnicate", "no command frobnicate"},
      {"--socket /s frobnicate", "no command frobnicate"},
      {"--frobnicate", "--frobnicate"},
      {"Status", "no command Status"},
      {"status --frobnicate", "--frobnicate"},
      {"status a b", "b"},
      {"status --socket", "--socket"},
      {"status --name bob", "--name"},
      {"networks family", "family"},
      {"version 1", "1"},
      {"create", "NETWORK"},
      {"create a b", "b"},
      {"create a --subnet 10.1.0.1/16", "--subnet"},
      {"create a --subnet 10.1.0.0", "--subnet"},
      {"create a --subnet fd00::/64", "--subnet"},
      {"create a --subnet nonsense", "--subnet"},
      {"invite --uses 0", "--uses: between 1 and 65535"},
      {"invite --uses -1", "--uses: between 1 and 65535"},
      {"invite --uses 65536", "--uses: between 1 and 65535"},
      {"invite --uses 99999", "--uses: between 1 and 65535"},
      {"invite --uses many", "--uses"},
      {"invite --expires 0h", "--expires"},
      {"invite --expires 24", "--expires"},
      {"invite --expires h", "--expires"},
      {"invite --expires -1h", "--expires"},
      {"invite --expires 1y", "--expires"},
      {"invite --expires 1.5h", "--expires"},
      {"invite --expires 24hours", "--expires"},
      {"invite --expires 99999999999d", "--expires"},
      {"invite --expires 1000w", "--expires"},
      {"invite --address 10.1.0", "--address"},
      {"invite --address fd00::1", "--address"},
      {"invite --uses 2 --name bob", "--name"},
      {"invite --uses 2 --address 10.1.0.9", "--address"},
      {"join", "INVITE"},
      {"join a b", "b"},
      {"leave --yes=maybe", "--yes"},
      {"ping", "MEMBER"},
      {"ping bob -c 0", "--count"},
      {"ping bob -c 10001", "--count"},
      {"ping bob -c x", "-c"},
      {"ping bob -i 0", "--interval"},
      {"ping bob -i 1e9", "--interval"},
      {"ping bob -i nan", "--interval"},
      {"ping bob.family --network work", "work"},
      {"ping bob carol", "carol"},
      {"kick", "MEMBER"},
      {"admin", "admin add MEMBER"},
      {"device", "device add NAME"},
      {"device add", "NAME"},
      {"device add phone --address x", "--address"},
      {"device add phone --endpoint 192.0.2.1", "--endpoint"},
      {"admin bob", "admin add MEMBER"},
      {"admin add", "MEMBER"},
      {"admin add bob carol", "carol"},
      {"status status status", "status"},
  };
  for (const Bad& one : cases) {
    const auto parsed = parse_arguments(words(one.line));
    ASSERT_FALSE(parsed) << one.line;
    EXPECT_EQ(parsed.error().exit_code, kExitUsage) << one.line;
    EXPECT_NE(parsed.error().text.find(one.says), std::string::npos)
        << one.line << " -> " << parsed.error().text;
  }
}

TEST(Arguments, UsageErrorsAsJson) {
  for (const char* line : {"--json frobnicate", "status --nope --json", "invite --uses 0 --json"}) {
    const auto parsed = parse_arguments(words(line));
    ASSERT_FALSE(parsed) << line;
    EXPECT_EQ(parsed.error().exit_code, kExitUsage);
    EXPECT_TRUE(parsed.error().text.starts_with("{\"version\":1,\"error\":{\"code\":\"usage\","))
        << parsed.error().text;
  }
}

TEST(Arguments, HelpIsNoError) {
  for (const char* line : {"--help", "-h", "status --help", "ping -h", "admin --help",
                           "admin add --help", "--json --help"}) {
    const auto parsed = parse_arguments(words(line));
    ASSERT_FALSE(parsed) << line;
    EXPECT_EQ(parsed.error().exit_code, kExitDone) << line;
    EXPECT_NE(parsed.error().text.find("Usage"), std::string::npos) << line;
  }
}

TEST(Arguments, Durations) {
  struct Case {
    const char* text;
    int seconds;
  };
  for (const Case& one : {Case{"1s", 1}, Case{"90s", 90}, Case{"30m", 1800}, Case{"24h", 86400},
                          Case{"7d", 604800}, Case{"2w", 1209600}, Case{"3653d", 3653 * 86400}}) {
    const auto parsed = parse_duration(one.text);
    ASSERT_TRUE(parsed) << one.text;
    EXPECT_EQ(parsed->count(), one.seconds) << one.text;
  }
  for (const char* bad : {"", "s", "1", "0s", "+1s", " 1s", "1s ", "1 s", "1S", "1ms", "1h30m",
                          "3654d", "4294967295w", "4294967296s", "1\xc2\xb5"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

}  // namespace
}  // namespace ipop::cli
