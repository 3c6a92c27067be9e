#include "os/logger.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

namespace ipop::os {
namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { EXPECT_EQ(::pipe(ends), 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  std::string take() const {
    std::array<char, 65536> buffer{};
    const ssize_t n = ::read(ends[0], buffer.data(), buffer.size());
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
  }
};

TEST(StderrLogger, ForPeople) {
  const Pipe pipe;
  StderrLogger logger(LogLevel::Info, pipe.ends[1], false);
  logger.write(LogLevel::Warning, "session", "peer bob is gone");
  std::string line = pipe.take();
  for (char& c : line) {
    if (c >= '0' && c <= '9') c = '9';
  }
  EXPECT_EQ(line, "9999-99-99T99:99:99.999Z warning session: peer bob is gone\n");
}

TEST(StderrLogger, ForTheJournal) {
  const Pipe pipe;
  StderrLogger logger(LogLevel::Debug, pipe.ends[1], true);
  struct Case {
    LogLevel level;
    std::string_view line;
  };
  for (const Case& c : {Case{LogLevel::Error, "<3>a: b\n"}, Case{LogLevel::Warning, "<4>a: b\n"},
                        Case{LogLevel::Info, "<6>a: b\n"}, Case{LogLevel::Debug, "<7>a: b\n"}}) {
    logger.write(c.level, "a", "b");
    EXPECT_EQ(pipe.take(), c.line);
  }
}

TEST(StderrLogger, LevelsBelowAreSilent) {
  const Pipe pipe;
  StderrLogger logger(LogLevel::Warning, pipe.ends[1], true);
  EXPECT_FALSE(logger.enabled(LogLevel::Info));
  logger.write(LogLevel::Info, "a", "never");
  logger.write(LogLevel::Error, "a", "first");
  logger.set_level(LogLevel::Debug);
  logger.write(LogLevel::Debug, "a", "second");
  EXPECT_EQ(pipe.take(), "<3>a: first\n<7>a: second\n");
}

TEST(StderrLogger, APeerCannotForgeALine) {
  const Pipe pipe;
  StderrLogger logger(LogLevel::Info, pipe.ends[1], true);
  using namespace std::string_view_literals;
  logger.write(LogLevel::Info, "member", "name x\n<3>daemon: \x1b[2Jall is lost\r\0\x7f é"sv);
  EXPECT_EQ(pipe.take(), "<6>member: name x?<3>daemon: ?[2Jall is lost??? é\n");
}

TEST(StderrLogger, LinesOfThreadsDoNotMix) {
  const Pipe pipe;
  StderrLogger logger(LogLevel::Info, pipe.ends[1], true);
  {
    std::vector<std::jthread> threads;
    for (char c = 'a'; c < 'e'; ++c) {
      threads.emplace_back([&logger, c] {
        for (int i = 0; i < 50; ++i) logger.write(LogLevel::Info, "t", std::string(100, c));
      });
    }
  }
  const std::string all = pipe.take();
  std::size_t lines = 0;
  for (std::size_t at = 0; at < all.size(); ++lines) {
    const std::size_t end = all.find('\n', at);
    const std::string line = all.substr(at, end - at);
    ASSERT_EQ(line, "<6>t: " + std::string(100, line.back()));
    at = end + 1;
  }
  EXPECT_EQ(lines, 200U);
}

TEST(StderrLogger, KnowsTheJournal) {
  const Pipe pipe;
  struct stat status{};
  ASSERT_EQ(::fstat(pipe.ends[1], &status), 0);
  const std::string name = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  ::setenv("JOURNAL_STREAM", name.c_str(), 1);
  EXPECT_TRUE(is_journal(pipe.ends[1]));
  ::setenv("JOURNAL_STREAM", (name + "1").c_str(), 1);
  EXPECT_FALSE(is_journal(pipe.ends[1]));
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(is_journal(pipe.ends[1]));
  EXPECT_FALSE(is_journal(-1));
}

TEST(LogLevelName, RoundTripsAndRefuses) {
  for (const LogLevel level :
       {LogLevel::Error, LogLevel::Warning, LogLevel::Info, LogLevel::Debug}) {
    EXPECT_EQ(parse_log_level(log_level_name(level)), level);
  }
  for (const char* bad : {"", "Info", "warn", "trace", "info ", "0"}) {
    EXPECT_EQ(parse_log_level(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace ipop::os
