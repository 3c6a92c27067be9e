#include "nat/spread.h"

#include <algorithm>

#include "base/check.h"

namespace ipop::nat {

std::size_t Spread::grants(Instant now, std::size_t wanted) {
  return running() ? 0 : std::min({wanted, kSocketsMax, budget_.left(now)});
}

void Spread::start(Instant now, const Endpoint& to, SocketId first, std::size_t count) {
  check(count != 0 && count <= grants(now, count));
  to_ = to;
  first_ = first;
  count_ = count;
  call_some(now);
}

void Spread::use(Instant now, SocketId socket) {
  if (!running()) return;
  used_ = socket;
  count_ = opened_;  // no need to call from more
  next_ = now + kSettle;
}

void Spread::stop() {
  // What was not carried out yet is about sockets that are closed now.
  std::erase_if(outputs_, [](const Output& o) { return !std::holds_alternative<Open>(o); });
  for (std::size_t i = 0; i < opened_; ++i) {
    const SocketId socket{first_.value + static_cast<std::uint32_t>(i)};
    if (socket != used_) outputs_.emplace_back(Close{socket});
  }
  count_ = 0;
  opened_ = 0;
  used_.reset();
  next_ = Instant::max();
}

Duration Spread::lasts() const {
  if (!running()) return Duration(0);
  // The last one is for what comes of the end: whoever is next finds the sockets closed.
  return kInterval * static_cast<std::int64_t>((count_ - opened_) / kBurst + 2) + kHold;
}

void Spread::handle_timeout(Instant now) {
  if (now < next_) return;
  if (opened_ == count_) return stop();
  call_some(now);
}

Spread::Output Spread::poll_output() {
  if (outputs_.empty()) return WaitUntil{next_};
  const Output first = outputs_.front();
  outputs_.erase(outputs_.begin());
  return first;
}

void Spread::call_some(Instant now) {
  for (std::size_t i = 0; i < kBurst && opened_ < count_; ++i) {
    const SocketId socket{first_.value + static_cast<std::uint32_t>(opened_++)};
    outputs_.emplace_back(Open{socket});
    outputs_.emplace_back(Call{socket, to_});
    budget_.spend(1);
  }
  next_ = now + kInterval;
  if (opened_ < count_) return;
  outputs_.emplace_back(Called{count_});
  next_ = now + kHold;
}

}  // namespace ipop::nat
