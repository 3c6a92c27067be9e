#include "daemon/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "os/test_support.h"

namespace ipop::daemon {
namespace {

TEST(Config, EmptyFileLeavesDefaults) {
  for (const char* text : {"", "\n", "# nothing\n"}) {
    DaemonConfig config;
    ASSERT_TRUE(read_config(text, "f", config));
    EXPECT_EQ(config, DaemonConfig{});
  }
}

TEST(Config, Everything) {
  DaemonConfig config;
  const auto outcome = read_config(R"(# a comment
state = "/srv/ipop"
socket = '/run/other.sock'
listen = 41820
log_level = "debug"
interface = "vpn0"
dns = false
crypto = "openssl"
[relay]
enabled = false
limit = 5
[nat]
stun = ["203.0.113.10:3478", "[2001:db8::1]:3478"]
port_mapping = false
upnp = false
search = false
[tls]
listen = 443
dial = false
proxy = "http://a:b@proxy:3128"
)",
                                   "f", config);
  ASSERT_TRUE(outcome) << outcome.error();
  EXPECT_EQ(
      config,
      (DaemonConfig{
          .state = "/srv/ipop",
          .socket = "/run/other.sock",
          .listen = std::uint16_t{41820},
          .log_level = LogLevel::Debug,
          .interface = "vpn0",
          .dns = false,
          .crypto = CryptoChoice::Openssl,
          .relay = {.enabled = false, .limit_mbits = 5},
          .nat = {.stun = {*Endpoint::parse("203.0.113.10:3478"),
                           *Endpoint::parse("[2001:db8::1]:3478")},
                  .port_mapping = false,
                  .upnp = false,
                  .search = false},
          .tls = {.listen = std::uint16_t{443}, .dial = false, .proxy = "http://a:b@proxy:3128"}}));
}

TEST(Config, TheExampleThatShipsSetsNothingThatIsNotDefault) {
  DaemonConfig config;
  const auto path = std::filesystem::path(IPOP_PACKAGING) / "ipopd.toml";
  const auto outcome = load_config(path, true, config);
  ASSERT_TRUE(outcome) << outcome.error();
  EXPECT_EQ(config, DaemonConfig{});
}

TEST(Config, TextBeyondAsciiInCommentsAndQuotes) {
  DaemonConfig config;
  const auto outcome = read_config(
      "\xef\xbb\xbf# \xc3\xa9 \"\xc3\xa9\nstate = \"/\xc3\xa9\\\"\xe2\x80\x83\" # \xc2\xa0\n"
      "socket = '/\xf0\x9f\x98\x80\\'\r\n",
      "f", config);
  ASSERT_TRUE(outcome) << outcome.error();
  EXPECT_EQ(config.state, "/\xc3\xa9\"\xe2\x80\x83");
  EXPECT_EQ(config.socket, "/\xf0\x9f\x98\x80\\");
  ASSERT_TRUE(read_config("state='/a'\n\"socket\"=\"/b\"\n'dns'=false", "f", config));
  EXPECT_EQ(config.state, "/a");
  EXPECT_EQ(config.socket, "/b");
}

struct Bad {
  std::string_view toml;
  const char* at;
  const char* says;
};

TEST(Config, BadFiles) {
  const Bad cases[] = {
      {"[tls]\nlisten = 0", "f:2:", "listen must be a TCP port"},
      {"[tls]\nproxy = \"https://p\"", "f:2:", "proxy must be \"http://"},
      {"[tls]\nproxy = 1", "f:2:", "proxy must be"},
      {"[tls]\ndial = 1", "f:2:", "dial must be true or false"},
      {"listen", "f:1:", ""},
      {"listen = [", "f:1:", ""},
      {"[/]", "f:1:", ""},
      {std::string_view("[\1\0/]", 5), "f:1:", ""},
      {"[", "f:1:", ""},
      {"[]", "f:1:", ""},
      {"= 1", "f:1:", ""},
      {"\xc3\xa9 = 1", "f:1:1: ", "in quotes"},
      {"\xef\xbb\xbf\xef\xbb\xbf", "f:1:1: ", "in quotes"},
      {"dns = true \xc2\xa0", "f:1:12: ", "in quotes"},
      {"state = \"/\xc3\xa9\"\xc3\xa9", "f:1:13: ", "in quotes"},
      {"state = \"/\\\"\xc3\xa9\"\xc3\xa9", "f:1:15: ", "in quotes"},
      {"state = \"/\\\\\"\xc3\xa9", "f:1:14: ", "in quotes"},
      {"state = '/\\'\xc3\xa9", "f:1:13: ", "in quotes"},
      {"state = '\n\xc3\xa9'", "f:2:1: ", "in quotes"},
      {"# \xc3\xa9\n\x01", "f:2:1: ", "in quotes"},
      {"state = 0a'/\xc3\xa9'", "f:1:11: ", "a quote stands"},
      {"state = ='/\xc3\xa9'", "f:1:10: ", "a quote stands"},
      {"state = 1.'/\xc3\xa9'", "f:1:11: ", "a quote stands"},
      {"state = '/a''/b'", "f:1:13: ", "a quote stands"},
      {"state = \"/a\"\"/b\"", "f:1:13: ", "a quote stands"},
      {"dns = true \x7f", "f:1:12: ", "in quotes"},
      {"state = \"\"\"/a\"\"\"", "f:1:9: ", "three quotes"},
      {"state = '''/a'''", "f:1:9: ", "three quotes"},
      {"\n\nlisten 3", "f:3:", ""},
      {"state = \"/a\"\nstate = \"/b\"", "f:2:", ""},
      {"state = \"\xff\"", "f:1:", ""},
      {"liste = 3", "f:1:1: ", "did you mean listen?"},
      {"# x\n  log-level = \"info\"", "f:2:3: ", "did you mean log_level?"},
      {"logLevel = \"info\"", "f:1:1: ", "did you mean log_level?"},
      {"stat = \"/a\"", "f:1:1: ", "did you mean state?"},
      {"DNS = true", "f:1:1: ", "unknown key DNS; the keys are state socket listen"},
      {"mtu = 1400", "f:1:1: ", "the keys are"},
      {"[network]\nname = \"a\"", "f:1:", "unknown key network"},
      {"[listen]\nport = 5", "f:1:1: ", "listen must be a UDP port"},
      {"listen.port = 5", "f:1:", "listen must be a UDP port"},
      {"listen = 0", "f:1:10: ", "from 1 to 65535"},
      {"listen = -1", "f:1:10: ", "from 1 to 65535"},
      {"listen = 65536", "f:1:10: ", "from 1 to 65535"},
      {"listen = 9223372036854775807", "f:1:10: ", "from 1 to 65535"},
      {"listen = 9223372036854775808", "f:1:", ""},
      {"listen = 41820.0", "f:1:10: ", "from 1 to 65535"},
      {"listen = \"41820\"", "f:1:10: ", "from 1 to 65535"},
      {"listen = true", "f:1:10: ", "from 1 to 65535"},
      {"state = 5", "f:1:9: ", "absolute path"},
      {"state = \"\"", "f:1:9: ", "absolute path"},
      {"state = \"relative/x\"", "f:1:9: ", "absolute path"},
      {"socket = [ \"/a\"]", "f:1:10: ", "absolute path"},
      {"log_level = \"Info\"", "f:1:13: ", "\"debug\""},
      {"log_level = \"trace\"", "f:1:13: ", "\"debug\""},
      {"log_level = 3", "f:1:13: ", "\"debug\""},
      {"interface = \"\"", "f:1:13: ", "interface"},
      {"interface = \"a/b\"", "f:1:13: ", "interface"},
      {"interface = \"a b\"", "f:1:13: ", "interface"},
      {"interface = \"ipop%d\"", "f:1:13: ", "interface"},
      {"interface = \"..\"", "f:1:13: ", "interface"},
      {"interface = \"abcdefghijklmnop\"", "f:1:13: ", "interface"},
      {"interface = 0", "f:1:13: ", "interface"},
      {"dns = 1", "f:1:7: ", "true or false"},
      {"dns = \"true\"", "f:1:7: ", "true or false"},
      {"crypto = \"OpenSSL\"", "f:1:10: ", "\"auto\" or \"openssl\""},
      {"crypto = true", "f:1:10: ", "\"auto\" or \"openssl\""},
      {"relay = true", "f:1:9: ", "a table of its own, [relay]"},
      {"relay = {enabled = 1}", "f:1:20: ", "true or false"},
      {"[relay]\nenable = true", "f:2:1: ", "did you mean enabled?"},
      {"[relay]\nlimit = -1", "f:2:9: ", "0 (no limit)"},
      {"[relay]\nlimit = \"20\"", "f:2:9: ", "0 (no limit)"},
      {"[relay]\nlimit = 1000001", "f:2:9: ", "0 (no limit)"},
      {"enabled = true", "f:1:1: ", "unknown key enabled"},
  };
  for (const Bad& one : cases) {
    DaemonConfig config;
    const auto outcome = read_config(one.toml, "f", config);
    ASSERT_FALSE(outcome) << one.toml;
    EXPECT_TRUE(outcome.error().starts_with(one.at)) << one.toml << " -> " << outcome.error();
    EXPECT_NE(outcome.error().find(one.says), std::string::npos)
        << one.toml << " -> " << outcome.error();
    EXPECT_EQ(outcome.error().find('\n'), std::string::npos) << outcome.error();
    EXPECT_EQ(config, DaemonConfig{}) << "a bad file changes nothing: " << one.toml;
  }
}

TEST(Config, ABadKeyAfterGoodOnesChangesNothing) {
  DaemonConfig config;
  EXPECT_FALSE(read_config("dns = false\nlisten = 5\nzzz = 1\n", "f", config));
  EXPECT_EQ(config, DaemonConfig{});
}

TEST(Config, LongUnknownKey) {
  DaemonConfig config;
  const std::string key(20000, 'k');
  const auto outcome = read_config(key + " = 1", "f", config);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().find("the keys are"), std::string::npos);
}

TEST(Config, Files) {
  const os::TestFolder folder;
  const auto path = folder / "ipopd.toml";
  DaemonConfig config;
  EXPECT_TRUE(load_config(path, false, config));
  EXPECT_FALSE(load_config(path, true, config));
  EXPECT_FALSE(load_config(folder.path(), false, config)) << "a folder";
  std::ofstream(path) << "listen = 7\n";
  ASSERT_TRUE(load_config(path, true, config));
  EXPECT_EQ(config.listen, std::uint16_t{7});
  std::ofstream(path) << "\nlisten = x\n";
  const auto bad = load_config(path, true, config);
  ASSERT_FALSE(bad);
  EXPECT_TRUE(bad.error().starts_with(path.string() + ":2:")) << bad.error();
  std::ofstream(path) << std::string(300 * 1024, '#');
  EXPECT_FALSE(load_config(path, true, config)) << "too large";
}

TEST(Config, LogLevels) {
  for (const LogLevel level :
       {LogLevel::Error, LogLevel::Warning, LogLevel::Info, LogLevel::Debug}) {
    EXPECT_EQ(parse_log_level(log_level_name(level)), level);
  }
  for (const char* bad : {"", "INFO", "warn", "info "}) EXPECT_FALSE(parse_log_level(bad)) << bad;
}

}  // namespace
}  // namespace ipop::daemon
