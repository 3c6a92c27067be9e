#pragma once

#include <atomic>
#include <optional>
#include <string_view>

#include "base/log.h"

namespace ipop::os {

/// "error", "warning", "info", "debug".
std::string_view log_level_name(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view name);

/// Lines on stderr: with a time stamp (UTC) for people, with a "<N>" priority and without a time
/// where stderr is the journal, which stamps itself. Each line is one write(2), so lines of several
/// threads do not mix. Control characters become '?': a name that a peer chose cannot forge a line
/// or move the cursor. Any thread.
class StderrLogger final : public Logger {
 public:
  explicit StderrLogger(LogLevel level);
  /// Onto another descriptor, which is borrowed; `journal` chooses the form.
  StderrLogger(LogLevel level, int fd, bool journal);

  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  bool enabled(LogLevel level) const override {
    return level <= level_.load(std::memory_order_relaxed);
  }
  void write(LogLevel level, std::string_view area, std::string_view line) override;

 private:
  std::atomic<LogLevel> level_;  // relaxed: which lines come is all that hangs on it
  int fd_;
  bool journal_;
};

/// Whether `fd` is the journal's stream (systemd.exec(5), JOURNAL_STREAM).
bool is_journal(int fd);

}  // namespace ipop::os
