#include "dataplane/send_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "dataplane/header_fields.h"
#include "dataplane/inner_packet.h"

namespace ipop::dataplane {
namespace {

/// The same number for all packets of a connection's direction. Fragments lack the ports, so all
/// those between two addresses are one flow.
std::uint8_t flow_of(Bytes packet, const InnerPacket& inner) {
  std::uint64_t hash = std::hash<IpAddress>{}(inner.source);
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio: spreads into the high bits
    hash ^= hash >> 32U;
  };
  mix(std::hash<IpAddress>{}(inner.destination));
  const bool has_ports = inner.fragment == Fragment::Whole &&
                         (inner.protocol == kProtocolTcp || inner.protocol == kProtocolUdp) &&
                         inner.transport + 4 <= inner.size;
  mix(has_ports ? read_be32(packet, inner.transport) : 0);
  mix(inner.protocol);
  return static_cast<std::uint8_t>(hash >> 24U);
}

}  // namespace

SendQueue::SendQueue() : slots_(std::make_unique_for_overwrite<Waiting[]>(kSlots)) {
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
  // One that is no IP packet waits like others; outbound() says what is wrong with it.
  const auto inner = parse_inner(slot.packet.data());
  slot.ecn_ = inner ? inner->ecn : Ecn::NotEct;
  slot.flow_ = inner ? flow_of(slot.packet.data(), *inner) : std::uint8_t{0};

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
  if (flow.place == Place::Nowhere) {
    flow.deficit = kTurnBytes;
    append(new_, Place::New, slot.flow_);
  }
  while (bytes_ > kBytesMax) lose_of_the_fattest();
}

SendQueue::Waiting* SendQueue::take(Instant now) {
  while (!new_.empty || !old_.empty) {
    List& list = new_.empty ? old_ : new_;
    const std::uint8_t number = list.head;
    Flow& flow = flows_[number];
    if (flow.deficit <= 0) {
      flow.deficit += kTurnBytes;
      append(old_, Place::Old, pop_front(list));
      continue;
    }
    const SlotIndex slot = pop_uncongested(flow, now);
    if (slot == kNone) {
      pop_front(list);
      // A flow that comes and goes may not starve the others: it waits behind them once.
      if (&list == &new_ && !old_.empty) append(old_, Place::Old, number);
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

void SendQueue::append(List& list, Place place, std::uint8_t flow) {
  flows_[flow].place = place;
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
  flows_[flow].place = Place::Nowhere;
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
    paused_until_ = now + kPause;
    if (waiting.ecn_ != Ecn::NotEct) {
      set_ecn(waiting.packet.data(), Ecn::Ce);
      return slot;
    }
    if (waiting.left.segmentation != Segmentation::None) {
      waiting.lose_first = true;
      ++lost_;
      return slot;
    }
    lose(slot);
  }
}

bool SendQueue::is_too_much(const Flow& flow, Instant now) {
  return bytes_ > kBytesEnough && now >= paused_until_ && flow.bytes == fattest().bytes;
}

void SendQueue::lose(SlotIndex slot) {
  ++lost_;
  free(slot);
}

/// The oldest, as its sender hears of that first.
void SendQueue::lose_of_the_fattest() {
  const SlotIndex slot = pop(fattest());
  check(slot != kNone);
  lose(slot);
}

/// Wanted rarely, so that looking at all flows is cheaper than to keep them sorted.
SendQueue::Flow& SendQueue::fattest() {
  return *std::ranges::max_element(flows_, {}, &Flow::bytes);
}

void SendQueue::free(SlotIndex slot) {
  slots_[slot].next_ = free_;
  free_ = slot;
}

}  // namespace ipop::dataplane
