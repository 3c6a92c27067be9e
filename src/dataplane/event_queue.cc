#include "dataplane/event_queue.h"

namespace ipop::dataplane {

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
  return ring_.push(notice, bytes, level_of(notice.kind));
}

std::optional<Event> EventQueue::pop() {
  const auto entry = ring_.front();
  if (!entry) return std::nullopt;
  const Notice& notice = entry->notice;
  const Bytes bytes = entry->bytes;
  std::optional<Event> out;
  switch (notice.kind) {
    case Kind::Datagram:
      out = DatagramEvent{notice.way, to_vector(bytes)};
      break;
    case Kind::Frame:
      out = FrameEvent{notice.session, notice.way, to_vector(bytes)};
      break;
    case Kind::Received:
      out = ReceivedEvent{notice.session, notice.way};
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
      out = TooBigEvent{notice.way.endpoint()};
      break;
  }
  ring_.pop();
  return out;
}

}  // namespace ipop::dataplane
