#include "dataplane/event_queue.h"

#include "base/check.h"

namespace ipop::dataplane {

struct EventQueue::Slot {
  Notice notice;
  std::size_t size = 0;
};

EventQueue::EventQueue()
    : slots_(std::make_unique<Slot[]>(kSlots)),
      bytes_(std::make_unique_for_overwrite<std::byte[]>(kSlots * kSlotBytes)) {}
EventQueue::~EventQueue() = default;

std::size_t EventQueue::level_of(Kind kind) {
  switch (kind) {
    case Kind::Unrouted:
      return kSlots / 4;
    case Kind::Datagram:
      return kSlots / 2;
    case Kind::Frame:
    case Kind::Received:
    case Kind::TooBig:
      return kSlots - kSlots / 8;
    case Kind::IpSent:
    case Kind::Limit:
      break;
  }
  return kSlots;
}

bool EventQueue::push(const Notice& notice, Bytes bytes) {
  const std::uint64_t pushed = words_.pushed.load(std::memory_order_relaxed);
  const std::uint64_t popped = words_.popped.load(std::memory_order_acquire);
  if (pushed - popped >= level_of(notice.kind) || bytes.size() > kSlotBytes) return false;
  Slot& slot = slots_[pushed % kSlots];
  slot.notice = notice;
  slot.size = bytes.size();
  copy_bytes(bytes_of(pushed), bytes);
  words_.pushed.store(pushed + 1, std::memory_order_release);
  return true;
}

std::optional<Event> EventQueue::pop() {
  const std::uint64_t popped = words_.popped.load(std::memory_order_relaxed);
  if (popped == words_.pushed.load(std::memory_order_acquire)) return std::nullopt;
  const Slot& slot = slots_[popped % kSlots];
  const Notice& notice = slot.notice;
  const Bytes bytes = bytes_of(popped).first(slot.size);
  std::optional<Event> out;
  switch (notice.kind) {
    case Kind::Datagram:
      out = DatagramEvent{notice.endpoint, to_vector(bytes)};
      break;
    case Kind::Frame:
      out = FrameEvent{notice.session, notice.endpoint, to_vector(bytes)};
      break;
    case Kind::Received:
      out = ReceivedEvent{notice.session, notice.endpoint};
      break;
    case Kind::IpSent:
      out = IpSentEvent{notice.session};
      break;
    case Kind::Limit:
      out = LimitEvent{notice.session};
      break;
    case Kind::Unrouted:
      out = UnroutedEvent{notice.peer, to_vector(bytes)};
      break;
    case Kind::TooBig:
      out = TooBigEvent{notice.endpoint};
      break;
  }
  words_.popped.store(popped + 1, std::memory_order_release);
  return out;
}

MutableBytes EventQueue::bytes_of(std::uint64_t number) const {
  return {bytes_.get() + number % kSlots * kSlotBytes, kSlotBytes};
}

}  // namespace ipop::dataplane
