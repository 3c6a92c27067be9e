#include "daemon/options.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "os/test_support.h"

namespace ipop::daemon {
namespace {

/// A folder with a configuration file, so that the machine's own has no say.
class Options : public testing::Test {
 protected:
  void SetUp() override { write(""); }

  std::string path() const { return (folder_ / "ipopd.toml").string(); }
  void write(const std::string& toml) const { std::ofstream(path()) << toml; }
  std::expected<DaemonConfig, StartStop> parse(const std::string& line) const {
    std::istringstream in("--config " + path() + " " + line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return parse_options(words);
  }

 private:
  os::TestFolder folder_;
};

TEST_F(Options, Defaults) {
  const auto config = parse("");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(*config, DaemonConfig{});
  EXPECT_EQ(config->state, "/var/lib/ipop");
  EXPECT_EQ(config->socket, "/run/ipop/ipopd.sock");
}

TEST_F(Options, OptionsOverrideTheFile) {
  write("listen = 7\nlog_level = \"error\"\nstate = \"/file\"\ndns = false\n");
  const auto file = parse("");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->listen, std::uint16_t{7});
  EXPECT_EQ(file->log_level, LogLevel::Error);
  const auto both = parse("--state /s --socket=/r --listen 65535 --log-level debug --interface v0");
  ASSERT_TRUE(both) << both.error().text;
  EXPECT_EQ(*both, (DaemonConfig{.state = "/s",
                                 .socket = "/r",
                                 .listen = std::uint16_t{65535},
                                 .log_level = LogLevel::Debug,
                                 .interface = "v0",
                                 .dns = false}));
}

TEST_F(Options, RelativePathsBecomeAbsolute) {
  const auto config = parse("--state s --socket r/x");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->state, std::filesystem::current_path() / "s");
  EXPECT_EQ(config->socket, std::filesystem::current_path() / "r/x");
}

TEST_F(Options, Mistakes) {
  for (const char* line : {"start", "--frobnicate", "--state", "--listen 0", "--listen 65536",
                           "--listen -1", "--listen x", "--listen 1.5", "--log-level loud",
                           "--interface a/b", "--interface abcdefghijklmnop", "-d"}) {
    const auto config = parse(line);
    ASSERT_FALSE(config) << line;
    EXPECT_EQ(config.error().exit_code, 2) << line;
    EXPECT_TRUE(config.error().text.starts_with("ipopd: ")) << config.error().text;
  }
}

TEST_F(Options, NothingIsNoName) {
  for (const char* option : {"--state", "--socket", "--config", "--log-level", "--interface"}) {
    const std::array<std::string, 2> arguments{option, ""};
    const auto config = parse_options(arguments);
    ASSERT_FALSE(config) << option;
    EXPECT_EQ(config.error().exit_code, 2) << option;
    EXPECT_TRUE(config.error().text.contains(option)) << config.error().text;
  }
}

TEST_F(Options, BadFileFailsWithItsPlace) {
  write("# x\nlistne = 7\n");
  const auto config = parse("--listen 8");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().exit_code, 1);
  EXPECT_EQ(config.error().text,
            "ipopd: " + path() + ":2:1: unknown key listne; did you mean listen?\n");
}

TEST_F(Options, NamedFileMustExist) {
  const std::vector<std::string> words{"--config", "/nonexistent/ipopd.toml"};
  const auto config = parse_options(words);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().exit_code, 1);
}

TEST_F(Options, HelpAndVersion) {
  const auto help = parse("--help");
  ASSERT_FALSE(help);
  EXPECT_EQ(help.error().exit_code, 0);
  EXPECT_NE(help.error().text.find("--log-level"), std::string::npos);
  const auto version = parse("--version");
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().exit_code, 0);
  EXPECT_TRUE(version.error().text.starts_with("ipopd ")) << version.error().text;
}

}  // namespace
}  // namespace ipop::daemon
