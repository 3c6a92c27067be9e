#include "daemon/options.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>
#include <vector>

#include "control/version.h"

namespace ipop::daemon {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Raw {
  std::string state;
  std::string socket;
  std::string config;
  std::string log_level;
  std::string interface;
  std::uint16_t listen = 0;
};

std::string refuse_empty(const std::string& text) {
  return text.empty() ? "must not be empty" : std::string();
}

void add_options(CLI::App& app, Raw& raw) {
  const DaemonConfig defaults;
  const auto or_default = [](const std::string& text, const std::string& value) {
    return text + " (default: " + value + ")";
  };
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", "ipopd " + std::string(control::version()),
                       "Print the version");
  app.add_option("--state", raw.state,
                 or_default("Where keys and memberships are kept", defaults.state.string()))
      ->type_name("DIR")
      ->check(refuse_empty);
  app.add_option("--socket", raw.socket,
                 or_default("Control socket for ipop", defaults.socket.string()))
      ->type_name("PATH")
      ->check(refuse_empty);
  app.add_option("--listen", raw.listen, "UDP port (default: drawn once, then kept)")
      ->type_name("PORT")
      ->check(CLI::Range(1, 65535));
  app.add_option("--config", raw.config, or_default("Configuration file", kDefaultConfigPath))
      ->type_name("FILE.toml")
      ->check(refuse_empty);
  app.add_option("--log-level", raw.log_level, "error, warning, info or debug (default: info)")
      ->type_name("L")
      ->check(refuse_empty);
  app.add_option("--interface", raw.interface,
                 "Name of the first network's interface (default: ipop0, ipop1, ... as free)")
      ->type_name("NAME")
      ->check(refuse_empty);
}

std::unexpected<StartStop> mistake(std::string_view what) {
  return std::unexpected(
      StartStop{.exit_code = kExitUsage,
                .text = "ipopd: " + std::string(what) + "\n       see: ipopd --help\n"});
}

/// An absolute path: the daemon may change its folder, and says it in messages.
std::filesystem::path absolute(const std::string& text) {
  std::error_code failure;
  auto path = std::filesystem::absolute(text, failure);
  return failure ? std::filesystem::path(text) : path;
}

std::expected<void, StartStop> apply(const Raw& raw, DaemonConfig& config) {
  if (!raw.state.empty()) config.state = absolute(raw.state);
  if (!raw.socket.empty()) config.socket = absolute(raw.socket);
  if (raw.listen != 0) config.listen = raw.listen;
  if (!raw.log_level.empty()) {
    const auto level = parse_log_level(raw.log_level);
    if (!level) return mistake("--log-level: must be error, warning, info or debug");
    config.log_level = *level;
  }
  if (!raw.interface.empty()) {
    if (!is_valid_interface(raw.interface)) {
      return mistake("--interface: must be the name of an interface, at most 15 bytes");
    }
    config.interface = raw.interface;
  }
  return {};
}

}  // namespace

std::expected<DaemonConfig, StartStop> parse_options(std::span<const std::string> arguments) {
  Raw raw;
  CLI::App app("Keeps this computer in its ipop networks; ipop(1) tells it what to do", "ipopd");
  add_options(app, raw);
  try {
    // CLI11 takes them last first.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return mistake(error.what());
    std::ostringstream out;
    app.exit(error, out, out);
    return std::unexpected(StartStop{.exit_code = 0, .text = out.str()});
  }
  DaemonConfig config;
  const bool named = !raw.config.empty();
  const std::string path = named ? raw.config : kDefaultConfigPath;
  if (const auto loaded = load_config(path, named, config); !loaded) {
    return std::unexpected(
        StartStop{.exit_code = kExitFailed, .text = "ipopd: " + loaded.error() + "\n"});
  }
  if (const auto applied = apply(raw, config); !applied) return std::unexpected(applied.error());
  return config;
}

}  // namespace ipop::daemon
