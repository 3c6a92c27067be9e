#pragma once

#include <cstdint>
#include <string_view>

namespace ipop {

enum class LogLevel : std::uint8_t { Error, Warning, Info, Debug };

/// Where lines for the operator go; each node has its own (the simulator has hundreds). A line says
/// area, subject and one fact, never a secret or a payload. The caller limits the rate of what a
/// peer can cause.
class Logger {
 public:
  Logger() = default;
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;
  virtual ~Logger() = default;

  virtual bool enabled(LogLevel level) const = 0;
  /// `area` is the folder or concern ("session", "member"); neither view is kept.
  virtual void write(LogLevel level, std::string_view area, std::string_view line) = 0;
};

/// Throws every line away.
class NullLogger final : public Logger {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

}  // namespace ipop
