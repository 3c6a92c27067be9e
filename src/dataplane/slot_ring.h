#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/check.h"
#include "dataplane/shared.h"

namespace ipop::dataplane {

/// A ring of notices with bytes, from one thread to one other; neither ever waits. Its slots are
/// allocated once. The bytes lie apart from the notices and are not written before they are used,
/// so that what is never used has no pages.
template <class Notice, std::size_t kSlots, std::size_t kSlotBytes>
class SlotRing {
 public:
  SlotRing()
      : slots_(std::make_unique<Slot[]>(kSlots)),
        bytes_(std::make_unique_for_overwrite<std::byte[]>(kSlots * kSlotBytes)) {}
  SlotRing(const SlotRing&) = delete;
  SlotRing& operator=(const SlotRing&) = delete;

  struct Entry {
    const Notice& notice;
    MutableBytes bytes;
  };

  /// The writer: copies both in. False, and nothing happened, when `level` slots are in use or
  /// `bytes` exceeds a slot.
  bool push(const Notice& notice, Bytes bytes, std::size_t level = kSlots) {
    const std::uint64_t pushed = words_.pushed.load(std::memory_order_relaxed);
    const std::uint64_t popped = words_.popped.load(std::memory_order_acquire);
    if (pushed - popped >= level || bytes.size() > kSlotBytes) return false;
    slots_[pushed % kSlots] = {notice, bytes.size()};
    copy_bytes(bytes_of(pushed), bytes);
    words_.pushed.store(pushed + 1, std::memory_order_release);
    return true;
  }
  /// The reader: the oldest one, valid until pop().
  std::optional<Entry> front() {
    const std::uint64_t popped = words_.popped.load(std::memory_order_relaxed);
    if (popped == words_.pushed.load(std::memory_order_acquire)) return std::nullopt;
    const Slot& slot = slots_[popped % kSlots];
    return Entry{slot.notice, bytes_of(popped).first(slot.size)};
  }
  /// The reader. Requires: front() gave one.
  void pop() {
    const std::uint64_t popped = words_.popped.load(std::memory_order_relaxed);
    check(popped != words_.pushed.load(std::memory_order_acquire));
    words_.popped.store(popped + 1, std::memory_order_release);
  }

 private:
  struct Slot {
    Notice notice;
    std::size_t size = 0;
  };
  MutableBytes bytes_of(std::uint64_t number) const {
    return {&bytes_[number % kSlots * kSlotBytes], kSlotBytes};
  }

  RingWords words_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace ipop::dataplane
