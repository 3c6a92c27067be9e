#include "os/poller.h"

#include <cerrno>
#include <climits>
#include <ctime>

#include "base/check.h"

namespace ipop::os {
namespace {

std::uint32_t epoll_events(Interest interest) {
  const auto bits = static_cast<std::uint8_t>(interest);
  std::uint32_t events = 0;
  if ((bits & static_cast<std::uint8_t>(Interest::Read)) != 0) events |= EPOLLIN | EPOLLRDHUP;
  if ((bits & static_cast<std::uint8_t>(Interest::Write)) != 0) events |= EPOLLOUT;
  return events;
}

/// epoll_wait with nanoseconds, or rounded up to milliseconds on kernels before 5.11.
int wait_events(int epoll, std::span<epoll_event> events, std::optional<Duration> timeout) {
  const int capacity = static_cast<int>(events.size());
  if (!timeout) return ::epoll_wait(epoll, events.data(), capacity, -1);
  const Duration left = std::max(*timeout, Duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  timespec spec{};
  spec.tv_sec = seconds.count();
  spec.tv_nsec = (left - seconds).count();
  const int n = ::epoll_pwait2(epoll, events.data(), capacity, &spec, nullptr);
  if (n >= 0 || errno != ENOSYS) return n;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return ::epoll_wait(epoll, events.data(), capacity,
                      static_cast<int>(std::min<std::int64_t>(ms, INT_MAX)));
}

}  // namespace

Result<Poller> Poller::open() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail(Errc::Os, "epoll_create1", errno);
  return Poller(std::move(epoll));
}

Result<void> Poller::control(int operation, int fd, std::uint64_t token, Interest interest) {
  epoll_event event{};
  event.events = epoll_events(interest);
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.fd(), operation, fd, &event) != 0) {
    return fail(Errc::Os, "epoll_ctl", errno);
  }
  return {};
}

Result<void> Poller::add(int fd, std::uint64_t token, Interest interest) {
  return control(EPOLL_CTL_ADD, fd, token, interest);
}

Result<void> Poller::modify(int fd, std::uint64_t token, Interest interest) {
  return control(EPOLL_CTL_MOD, fd, token, interest);
}

void Poller::remove(int fd) { ::epoll_ctl(epoll_.fd(), EPOLL_CTL_DEL, fd, nullptr); }

std::span<const Ready> Poller::wait(std::optional<Duration> timeout) {
  const int n = wait_events(epoll_.fd(), events_, timeout);
  // EINTR is a time to look around; anything else is a broken poller, which would spin.
  check(n >= 0 || errno == EINTR);
  const auto count = static_cast<std::size_t>(std::max(n, 0));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t events = events_[i].events;
    const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    ready_[i] = {.token = events_[i].data.u64,
                 .readable = broken || (events & (EPOLLIN | EPOLLRDHUP)) != 0,
                 .writable = broken || (events & EPOLLOUT) != 0};
  }
  return std::span(ready_).first(count);
}

}  // namespace ipop::os
