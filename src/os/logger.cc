#include "os/logger.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace ipop::os {
namespace {

/// syslog(3) severities.
char priority(LogLevel level) {
  switch (level) {
    case LogLevel::Error:
      return '3';
    case LogLevel::Warning:
      return '4';
    case LogLevel::Info:
      return '6';
    case LogLevel::Debug:
      return '7';
  }
  return '6';
}

std::string time_stamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  std::array<char, 64> text{};
  const std::size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::string out(text.data(), n);
  const std::string ms = std::to_string(now.tv_nsec / 1'000'000);
  return out + "." + std::string(3 - ms.size(), '0') + ms + "Z";
}

/// UTF-8 stays; control characters (C0 and DEL) do not.
void append_clean(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
}

}  // namespace

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::Error:
      return "error";
    case LogLevel::Warning:
      return "warning";
    case LogLevel::Info:
      return "info";
    case LogLevel::Debug:
      return "debug";
  }
  return "info";
}

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::Error, LogLevel::Warning, LogLevel::Info, LogLevel::Debug}) {
    if (log_level_name(level) == name) return level;
  }
  return std::nullopt;
}

bool is_journal(int fd) {
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): at start
  struct stat status{};
  if (stream == nullptr || ::fstat(fd, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

StderrLogger::StderrLogger(LogLevel level)
    : StderrLogger(level, STDERR_FILENO, is_journal(STDERR_FILENO)) {}

StderrLogger::StderrLogger(LogLevel level, int fd, bool journal)
    : level_(level), fd_(fd), journal_(journal) {}

void StderrLogger::write(LogLevel level, std::string_view area, std::string_view line) {
  if (!enabled(level)) return;
  std::string out;
  if (journal_) {
    out = std::string("<") + priority(level) + ">";
  } else {
    out = time_stamp() + " ";
    out += log_level_name(level);
    out += ' ';
  }
  append_clean(out, area);
  out += ": ";
  append_clean(out, line);
  out += '\n';
  // A logger that cannot write has nowhere to say so.
  [[maybe_unused]] const ssize_t n = ::write(fd_, out.data(), out.size());
}

}  // namespace ipop::os
