#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/run.h"

namespace {

volatile std::sig_atomic_t interrupt = 0;

extern "C" void note_interrupt(int) { interrupt = 1; }

/// A first Ctrl-C ends a ping with its summary, a second one ends the program.
void catch_interrupt() {
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

int terminal_columns() {
  winsize size{};
  constexpr int kUsual = 80;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return std::min<int>(size.ws_col, kUsual);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  auto invocation = ipop::cli::parse_arguments(arguments);
  if (!invocation) {
    const ipop::cli::Stop& stop = invocation.error();
    (stop.exit_code == ipop::cli::kExitDone ? std::cout : std::cerr) << stop.text << std::flush;
    return stop.exit_code;
  }
  ipop::cli::Surroundings around{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .columns = terminal_columns(),
      .now = ipop::UnixTime{static_cast<std::uint64_t>(std::time(nullptr))},
  };
  if (std::holds_alternative<ipop::control::PingRequest>(invocation->request)) {
    catch_interrupt();
    around.interrupt = &interrupt;
  }
  return ipop::cli::run(*std::move(invocation), around);
}
