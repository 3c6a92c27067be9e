#pragma once

#include <csignal>
#include <istream>
#include <ostream>

#include "base/time.h"
#include "cli/arguments.h"

namespace ipop::cli {

/// What a program has around it; tests hand in strings.
struct Surroundings {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  int columns = 80;  ///< of the terminal
  UnixTime now;
  /// Set by a signal handler; ends a ping with its summary. May be null.
  const volatile std::sig_atomic_t* interrupt = nullptr;
};

/// Does what the command line asks for; returns the exit code.
int run(Invocation invocation, Surroundings& around);

}  // namespace ipop::cli
