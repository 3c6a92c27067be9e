#include "os/sleeper.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace ipop::os {

void Sleeper::add(int fd) { descriptors_.push_back({.fd = fd, .events = POLLIN, .revents = 0}); }

void Sleeper::remove(int fd) {
  std::erase_if(descriptors_, [&](const pollfd& d) { return d.fd == fd; });
}

void Sleeper::sleep() { poll(-1); }

void Sleeper::look() { poll(0); }

void Sleeper::poll(int timeout_ms) {
  const int n = ::poll(descriptors_.data(), descriptors_.size(), timeout_ms);
  // EINTR is a time to look around; anything else would spin.
  check(n >= 0 || errno == EINTR);
  if (n >= 0) return;
  for (pollfd& d : descriptors_) d.revents = 0;
}

bool Sleeper::was_woken_by(int fd) const {
  return std::ranges::any_of(descriptors_,
                             [&](const pollfd& d) { return d.fd == fd && d.revents != 0; });
}

}  // namespace ipop::os
