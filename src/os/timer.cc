#include "os/timer.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace ipop::os {
namespace {

void arm(int fd, Duration after) {
  using std::chrono::duration_cast;
  const auto seconds = duration_cast<std::chrono::seconds>(after);
  itimerspec when{};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = duration_cast<std::chrono::nanoseconds>(after - seconds).count();
  // Setting a timer anew also takes back that it has expired.
  check(::timerfd_settime(fd, 0, &when, nullptr) == 0);
}

}  // namespace

Result<Timer> Timer::open() {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return fail(Errc::Os, "timerfd", errno);
  return Timer(std::move(timer));
}

void Timer::set(Duration after) { arm(timer_.fd(), std::max(after, Duration(1))); }

void Timer::clear() { arm(timer_.fd(), Duration(0)); }

}  // namespace ipop::os
