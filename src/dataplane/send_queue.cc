#include "dataplane/send_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "dataplane/header_fields.h"
#include "dataplane/inner_packet.h"

namespace ipop::dataplane {

SendQueue::SendQueue(std::uint64_t seed)
    : slots_(std::make_unique_for_overwrite<Waiting[]>(kSlots)), seed_(seed) {
  for (std::size_t i = kSlots; i-- > 0;) free(static_cast<SlotIndex>(i));
}

void SendQueue::push(Instant now, NetworkSlot network, const Offload& left) {
  check(!is_full());
  const SlotIndex index = free_;
  Waiting& slot = slots_[index];
  free_ = slot.next_;
  slot.left = left;
  slot.lose_first = false;
  slot.network = network;
  slot.since_ = now;
  slot.next_ = kNone;
  classify(slot);

  Flow& flow = flows_[slot.flow_];
  if (flow.chain.head == kNone) {
    flow.chain.head = index;
  } else {
    slots_[flow.chain.tail].next_ = index;
  }
  flow.chain.tail = index;
  flow.bytes += static_cast<std::uint32_t>(slot.packet.size());
  bytes_ += slot.packet.size();
  ++waiting_;
  if (flow.listed) return;
  if (flow.deficit <= 0) flow.deficit = kTurnBytes;  // it has waited behind the others, below
  append(new_, slot.flow_);
}

SendQueue::Waiting* SendQueue::take(Instant now) {
  while (!new_.empty || !old_.empty) {
    List& list = new_.empty ? old_ : new_;
    Flow& flow = flows_[list.head];
    if (flow.deficit <= 0) {
      flow.deficit += kTurnBytes;
      append(old_, pop_front(list));
      continue;
    }
    const SlotIndex slot = pop_uncongested(flow, now);
    if (slot == kNone) {
      pop_front(list);
      // Who comes and goes keeps what is left of its turn, so that it cannot starve the others.
      if (&list == &old_) flow.deficit = 0;
      continue;
    }
    Waiting& waiting = slots_[slot];
    flow.deficit -= static_cast<std::int32_t>(waiting.packet.size());
    waiting.next_ = taken_.head;
    if (taken_.head == kNone) taken_.tail = slot;
    taken_.head = slot;
    return &waiting;
  }
  return nullptr;
}

void SendQueue::release() {
  if (taken_.head == kNone) return;
  slots_[taken_.tail].next_ = free_;
  free_ = taken_.head;
  taken_ = {};
}

std::size_t SendQueue::take_lost() { return std::exchange(lost_, 0); }

/// The same flow for all packets of a connection's direction. One that is no IP packet waits like
/// others; outbound() says what is wrong with it.
void SendQueue::classify(Waiting& waiting) const {
  const Bytes packet = waiting.packet.data();
  std::uint64_t hash = seed_;
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio: spreads into the high bits
    hash ^= hash >> 32U;
  };
  mix(waiting.network.value);
  waiting.ecn_ = Ecn::NotEct;
  if (const auto inner = parse_inner(packet)) {
    waiting.ecn_ = inner->ecn;
    mix(std::hash<IpAddress>{}(inner->source));
    mix(std::hash<IpAddress>{}(inner->destination));
    // Fragments lack the ports, so all those between two addresses are one flow.
    const bool has_ports = inner->fragment == Fragment::Whole &&
                           (inner->protocol == kProtocolTcp || inner->protocol == kProtocolUdp) &&
                           inner->transport + 4 <= inner->size;
    mix(has_ports ? read_be32(packet, inner->transport) : 0);
    mix(inner->protocol);
  }
  waiting.flow_ = static_cast<std::uint8_t>(hash >> 24U);
}

void SendQueue::append(List& list, std::uint8_t flow) {
  flows_[flow].listed = true;
  if (list.empty) {
    list.head = flow;
  } else {
    flows_[list.tail].next = flow;
  }
  list.tail = flow;
  list.empty = false;
}

std::uint8_t SendQueue::pop_front(List& list) {
  check(!list.empty);
  const std::uint8_t flow = list.head;
  list.empty = flow == list.tail;
  list.head = flows_[flow].next;
  flows_[flow].listed = false;
  return flow;
}

SendQueue::SlotIndex SendQueue::pop(Flow& flow) {
  const SlotIndex slot = flow.chain.head;
  if (slot == kNone) return kNone;
  const std::size_t size = slots_[slot].packet.size();
  flow.chain.head = slots_[slot].next_;
  flow.bytes -= static_cast<std::uint32_t>(size);
  bytes_ -= size;
  --waiting_;
  return slot;
}

SendQueue::SlotIndex SendQueue::pop_uncongested(Flow& flow, Instant now) {
  for (;;) {
    const bool fills_the_queue = is_too_much(flow, now);
    const SlotIndex slot = pop(flow);
    if (slot == kNone) return kNone;
    Waiting& waiting = slots_[slot];
    const bool is_last = flow.chain.head == kNone;
    const bool waits_too_long = flow.codel.is_congested(now, now - waiting.since_, is_last);
    if (!waits_too_long && !fills_the_queue) return slot;
    if (fills_the_queue) paused_until_ = now + kPause;
    if (waiting.ecn_ != Ecn::NotEct) {
      set_ecn(waiting.packet.data(), Ecn::Ce);
      return slot;
    }
    if (waiting.left.segmentation != Segmentation::None) {
      waiting.lose_first = true;
      return slot;
    }
    ++lost_;
    free(slot);
  }
}

/// Rarely asked for as much as looking at all flows, which is cheaper than to keep them sorted.
bool SendQueue::is_too_much(const Flow& flow, Instant now) {
  return bytes_ > kBytesEnough && now >= paused_until_ &&
         flow.bytes == std::ranges::max_element(flows_, {}, &Flow::bytes)->bytes;
}

void SendQueue::free(SlotIndex slot) {
  slots_[slot].next_ = free_;
  free_ = slot;
}

}  // namespace ipop::dataplane
