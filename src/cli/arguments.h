#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/schema.h"

namespace ipop::cli {

inline constexpr const char* kDefaultSocket = "/run/ipop/ipopd.sock";

/// Exit codes of ipop(1).
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

/// What a command line asks for.
struct Invocation {
  control::Request request;
  std::string socket = kDefaultSocket;
  bool json = false;
  bool yes = false;                ///< leave: do not ask
  bool invite_from_input = false;  ///< join: the invite is still to be read
};

/// A command line that asks for nothing of the daemon: help (exit code 0, text for standard
/// output) or a mistake (exit code 2, text for standard error).
struct Stop {
  int exit_code = kExitDone;
  std::string text;
  bool json = false;
};

/// `arguments` are those after the program's name. Pure: no environment, no files.
std::expected<Invocation, Stop> parse_arguments(std::span<const std::string> arguments);

/// "90s", "30m", "24h", "7d", "2w"; nullopt for anything else, for zero and beyond ten years.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace ipop::cli
