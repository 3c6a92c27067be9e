#pragma once

#include <expected>
#include <span>
#include <string>

#include "daemon/config.h"

namespace ipop::daemon {

/// A start that ends at once: --help and --version (exit code 0, text for standard output), or a
/// mistake in the options (2) or the file (1), text for standard error.
struct StartStop {
  int exit_code = 0;
  std::string text;
};

/// The configuration file, where there is one, and over it the options. `arguments` are those after
/// the program's name.
std::expected<DaemonConfig, StartStop> parse_options(std::span<const std::string> arguments);

}  // namespace ipop::daemon
