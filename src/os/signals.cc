#include "os/signals.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>

namespace ipop::os {

Result<Signals> Signals::open() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return fail(Errc::Os, "pthread_sigmask", error);
  }
  // A control client that went away, or a closed stderr, is an error of that write alone.
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return fail(Errc::Os, "signal(SIGPIPE)", errno);
  UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail(Errc::Os, "signalfd", errno);
  return Signals(std::move(signals));
}

std::optional<int> Signals::take() const {
  signalfd_siginfo info{};
  if (::read(signals_.fd(), &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace ipop::os
