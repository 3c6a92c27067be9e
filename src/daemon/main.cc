#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "daemon/daemon.h"
#include "daemon/options.h"
#include "os/logger.h"

namespace {

int run(const std::vector<std::string>& arguments) {
  const auto config = ipop::daemon::parse_options(arguments);
  if (!config) {
    std::fputs(config.error().text.c_str(), config.error().exit_code == 0 ? stdout : stderr);
    return config.error().exit_code;
  }
  ipop::os::StderrLogger log(config->log_level);
  auto daemon = ipop::daemon::Daemon::start(*config, log);
  if (!daemon) {
    log.write(ipop::LogLevel::Error, "daemon", daemon.error());
    return EXIT_FAILURE;
  }
  return (*daemon)->run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& e) {
    // Libraries at the edges throw (memory, file names); nothing is left to do but to say so.
    std::fprintf(stderr, "ipopd: %s\n", e.what());
    return EXIT_FAILURE;
  }
}
