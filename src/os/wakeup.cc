#include "os/wakeup.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

namespace ipop::os {

Result<Wakeup> Wakeup::open() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail(Errc::Os, "eventfd", errno);
  return Wakeup(std::move(event));
}

void Wakeup::notify() const {
  const int before = errno;  // a signal handler must leave it alone
  const std::uint64_t one = 1;
  // It can only fail when the counter is full, and then the descriptor is readable already.
  [[maybe_unused]] const ssize_t n = ::write(event_.fd(), &one, sizeof one);
  errno = before;
}

bool Wakeup::drain() const {
  std::uint64_t count = 0;
  return ::read(event_.fd(), &count, sizeof count) == sizeof count;
}

}  // namespace ipop::os
