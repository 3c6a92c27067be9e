#include "dataplane/handover.h"

#include "base/check.h"

namespace ipop::dataplane {

struct HandoverQueue::Slot {
  Endpoint from;
  std::uint8_t ecn = 0;
  std::size_t size = 0;
};

HandoverQueue::HandoverQueue()
    : slots_(std::make_unique<Slot[]>(kSlots)),
      bytes_(std::make_unique_for_overwrite<std::byte[]>(kSlots * kSlotBytes)) {}
HandoverQueue::~HandoverQueue() = default;

bool HandoverQueue::push(const Endpoint& from, std::uint8_t ecn, Bytes datagram) {
  const std::uint64_t pushed = words_.pushed.load(std::memory_order_relaxed);
  const std::uint64_t popped = words_.popped.load(std::memory_order_acquire);
  if (pushed - popped == kSlots || datagram.size() > kSlotBytes) return false;
  Slot& slot = slots_[pushed % kSlots];
  slot.from = from;
  slot.ecn = ecn;
  slot.size = datagram.size();
  copy_bytes(bytes_of(pushed), datagram);
  words_.pushed.store(pushed + 1, std::memory_order_release);
  return true;
}

std::optional<HandedOver> HandoverQueue::front() {
  const std::uint64_t popped = words_.popped.load(std::memory_order_relaxed);
  if (popped == words_.pushed.load(std::memory_order_acquire)) return std::nullopt;
  Slot& slot = slots_[popped % kSlots];
  return HandedOver{slot.from, slot.ecn, bytes_of(popped).first(slot.size)};
}

void HandoverQueue::pop() {
  const std::uint64_t popped = words_.popped.load(std::memory_order_relaxed);
  check(popped != words_.pushed.load(std::memory_order_acquire));
  words_.popped.store(popped + 1, std::memory_order_release);
}

}  // namespace ipop::dataplane
