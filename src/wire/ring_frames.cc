#include "wire/ring_frames.h"

#include "base/check.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint8_t kNear = 1;
constexpr std::uint8_t kLong = 2;
constexpr std::uint8_t kThird = 4;  ///< relayed in NEIGHBOURS, leaving in UNLINK

std::unexpected<Error> malformed(const Reader& reader, std::string_view what) {
  return fail(reader.ok() ? Errc::BadValue : Errc::Truncated, what);
}

RingId read_ring_id(Reader& reader) { return RingId{reader.be<std::uint64_t>()}; }

/// u8 n | n x 16, ascending; nothing when that is not there.
Result<std::vector<NodeId>> read_nodes(Reader& reader, std::size_t most, std::string_view what) {
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, what);
  if (count > most) return fail(Errc::BadValue, what);
  std::vector<NodeId> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = reader.fixed<NodeId>();
    if (!reader.ok()) return fail(Errc::Truncated, what);
    if (!out.empty() && !(out.back() < id)) return fail(Errc::BadValue, what);
    out.push_back(id);
  }
  return out;
}

Result<RingFrame> parse_neighbours(Reader& reader) {
  Neighbours out;
  out.size_log2_256 = reader.le<std::uint16_t>();
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "neighbours frame");
  if (count > kNeighboursMax) return fail(Errc::BadValue, "neighbours count");
  out.links.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Neighbour link;
    link.id = read_ring_id(reader);
    const auto flags = reader.le<std::uint8_t>();
    link.rtt_4ms = reader.le<std::uint8_t>();
    if (!reader.ok()) return fail(Errc::Truncated, "neighbours frame");
    if (flags > (kNear | kLong | kThird)) return fail(Errc::BadValue, "neighbours flags");
    if (!out.links.empty() && !(out.links.back().id < link.id)) {
      return fail(Errc::BadValue, "neighbours order");
    }
    link.near = (flags & kNear) != 0;
    link.distant = (flags & kLong) != 0;
    link.relayed = (flags & kThird) != 0;
    out.links.push_back(link);
  }
  if (!reader.done()) return malformed(reader, "neighbours frame");
  return out;
}

Result<RingFrame> parse_link_request(Reader& reader) {
  const auto role = reader.le<std::uint8_t>();
  if (!reader.done() || role > 1) return malformed(reader, "link request frame");
  return LinkRequest{static_cast<LinkRole>(role)};
}

Result<RingFrame> parse_link_answer(Reader& reader) {
  LinkAnswer out;
  const auto role = reader.le<std::uint8_t>();
  const auto verdict = reader.le<std::uint8_t>();
  auto nodes = read_nodes(reader, kAlternativesMax, "link answer frame");
  if (!nodes) return std::unexpected(nodes.error());
  if (!reader.done() || role > 1 || verdict > 1) return malformed(reader, "link answer frame");
  if (verdict == 1 && !nodes->empty()) return fail(Errc::BadValue, "link answer alternatives");
  out.role = static_cast<LinkRole>(role);
  out.yes = verdict == 1;
  out.alternatives = std::move(*nodes);
  return out;
}

Result<RingFrame> parse_unlink(Reader& reader) {
  Unlink out;
  const auto flags = reader.le<std::uint8_t>();
  auto nodes = read_nodes(reader, kNearSetMax, "unlink frame");
  if (!nodes) return std::unexpected(nodes.error());
  if (!reader.done()) return malformed(reader, "unlink frame");
  out.near = (flags & kNear) != 0;
  out.distant = (flags & kLong) != 0;
  out.leaving = (flags & kThird) != 0;
  if (flags == 0 || flags > (kNear | kLong | kThird) ||
      (out.leaving && !(out.near && out.distant))) {
    return fail(Errc::BadValue, "unlink flags");
  }
  out.near_set = std::move(*nodes);
  return out;
}

Result<RingFrame> parse_forward(Reader& reader) {
  Forward out;
  const auto mode = reader.le<std::uint8_t>();
  out.ttl = reader.le<std::uint8_t>();
  const auto visited = reader.le<std::uint8_t>();
  out.message = reader.le<std::uint64_t>();
  out.source = reader.fixed<NodeId>();
  out.destination = reader.fixed<NodeId>();
  if (!reader.ok()) return fail(Errc::Truncated, "forward frame");
  if (mode > 3) return fail(Errc::BadValue, "forward mode");
  if (out.ttl == 0 || out.ttl > kForwardTtlMax) return fail(Errc::BadValue, "forward ttl");
  if (visited > kForwardVisitedMax) return fail(Errc::BadValue, "forward visited");
  out.mode = static_cast<ForwardMode>(mode);
  out.visited.reserve(visited);
  for (std::size_t i = 0; i < visited; ++i) out.visited.push_back(read_ring_id(reader));
  if (!reader.ok()) return fail(Errc::Truncated, "forward frame");
  out.payload = reader.take(reader.remaining());
  const bool datagram = out.mode == ForwardMode::Exact;
  if (datagram == out.payload.empty() || out.payload.size() > kForwardPayloadMax) {
    return fail(Errc::BadValue, "forward payload");
  }
  return out;
}

Result<RingFrame> parse_forward_ack(Reader& reader) {
  const auto what = reader.le<std::uint8_t>();
  const auto message = reader.le<std::uint64_t>();
  if (!reader.done() || what > 2) return malformed(reader, "forward ack frame");
  return ForwardAck{static_cast<ForwardAck::What>(what), message};
}

Result<RingFrame> parse_forward_reply(Reader& reader) {
  ForwardReply out;
  const auto kind = reader.le<std::uint8_t>();
  out.message = reader.le<std::uint64_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "forward reply frame");
  if (kind == 0) {
    const auto node = reader.fixed<NodeId>();
    auto nodes = read_nodes(reader, kNearSetMax, "forward reply frame");
    if (!nodes) return std::unexpected(nodes.error());
    out.body = Found{node, std::move(*nodes)};
  } else if (kind == 1) {
    out.body = NoRoute{reader.fixed<NodeId>()};
  } else if (kind == 2) {
    const Bytes payload = reader.take(reader.remaining());
    if (payload.empty() || payload.size() > kForwardPayloadMax) {
      return fail(Errc::BadValue, "forward reply payload");
    }
    out.body = ReturnedDatagram{payload};
  } else {
    return fail(Errc::BadValue, "forward reply kind");
  }
  if (!reader.done()) return malformed(reader, "forward reply frame");
  return out;
}

template <class GoneOrProbe>
Result<RingFrame> parse_ring_id(Reader& reader) {
  const RingId id = read_ring_id(reader);
  if (!reader.done()) return malformed(reader, "gone or probe frame");
  return GoneOrProbe{id};
}

Result<RingFrame> parse_probe_result(Reader& reader) {
  const RingId id = read_ring_id(reader);
  const auto verdict = reader.le<std::uint8_t>();
  if (!reader.done() || verdict > 1) return malformed(reader, "probe result frame");
  return ProbeResult{id, verdict == 1};
}

Result<RingFrame> parse_merge(Reader& reader) {
  Merge out;
  out.epoch = reader.le<std::uint64_t>();
  out.witness = reader.fixed<NodeId>();
  if (!reader.done()) return malformed(reader, "merge frame");
  return out;
}

Writer begin(FrameType type, ByteVector& out) {
  Writer writer(out);
  writer.le(static_cast<std::uint8_t>(type));
  return writer;
}

void write_flag(Writer& writer, bool flag) { writer.le(static_cast<std::uint8_t>(flag ? 1 : 0)); }

void write_flags(Writer& writer, bool near, bool distant, bool third) {
  writer.le(
      static_cast<std::uint8_t>((near ? kNear : 0) | (distant ? kLong : 0) | (third ? kThird : 0)));
}

void write_nodes(Writer& writer, const std::vector<NodeId>& nodes, std::size_t most) {
  check(nodes.size() <= most);
  writer.le(static_cast<std::uint8_t>(nodes.size()));
  for (const NodeId& node : nodes) writer.bytes(node.view());
}

}  // namespace

Result<RingFrame> parse_ring_frame(FrameType type, Reader& reader) {
  if (type == FrameType::Neighbours) return parse_neighbours(reader);
  if (type == FrameType::LinkRequest) return parse_link_request(reader);
  if (type == FrameType::LinkAnswer) return parse_link_answer(reader);
  if (type == FrameType::Unlink) return parse_unlink(reader);
  if (type == FrameType::Forward) return parse_forward(reader);
  if (type == FrameType::ForwardAck) return parse_forward_ack(reader);
  if (type == FrameType::ForwardReply) return parse_forward_reply(reader);
  if (type == FrameType::Gone) return parse_ring_id<Gone>(reader);
  if (type == FrameType::ProbeRequest) return parse_ring_id<ProbeRequest>(reader);
  if (type == FrameType::ProbeResult) return parse_probe_result(reader);
  check(type == FrameType::Merge);
  return parse_merge(reader);
}

void write_ring_frame(const Neighbours& frame, ByteVector& out) {
  check(frame.links.size() <= kNeighboursMax);
  Writer writer = begin(FrameType::Neighbours, out);
  writer.le(frame.size_log2_256);
  writer.le(static_cast<std::uint8_t>(frame.links.size()));
  for (const Neighbour& link : frame.links) {
    writer.be(link.id.value);
    write_flags(writer, link.near, link.distant, link.relayed);
    writer.le(link.rtt_4ms);
  }
}

void write_ring_frame(const LinkRequest& frame, ByteVector& out) {
  begin(FrameType::LinkRequest, out).le(static_cast<std::uint8_t>(frame.role));
}

void write_ring_frame(const LinkAnswer& frame, ByteVector& out) {
  check(!frame.yes || frame.alternatives.empty());
  Writer writer = begin(FrameType::LinkAnswer, out);
  writer.le(static_cast<std::uint8_t>(frame.role));
  write_flag(writer, frame.yes);
  write_nodes(writer, frame.alternatives, kAlternativesMax);
}

void write_ring_frame(const Unlink& frame, ByteVector& out) {
  Writer writer = begin(FrameType::Unlink, out);
  write_flags(writer, frame.near, frame.distant, frame.leaving);
  write_nodes(writer, frame.near_set, kNearSetMax);
}

void write_ring_frame(const Forward& frame, ByteVector& out) {
  check(frame.visited.size() <= kForwardVisitedMax && frame.payload.size() <= kForwardPayloadMax);
  check((frame.mode == ForwardMode::Exact) == !frame.payload.empty());
  Writer writer = begin(FrameType::Forward, out);
  writer.le(static_cast<std::uint8_t>(frame.mode));
  writer.le(frame.ttl);
  writer.le(static_cast<std::uint8_t>(frame.visited.size()));
  writer.le(frame.message);
  writer.bytes(frame.source.view());
  writer.bytes(frame.destination.view());
  for (const RingId id : frame.visited) writer.be(id.value);
  writer.bytes(frame.payload);
}

void write_ring_frame(const ForwardAck& frame, ByteVector& out) {
  Writer writer = begin(FrameType::ForwardAck, out);
  writer.le(static_cast<std::uint8_t>(frame.what));
  writer.le(frame.message);
}

void write_ring_frame(const ForwardReply& frame, ByteVector& out) {
  Writer writer = begin(FrameType::ForwardReply, out);
  writer.le(static_cast<std::uint8_t>(frame.body.index()));
  writer.le(frame.message);
  if (const auto* found = std::get_if<Found>(&frame.body)) {
    writer.bytes(found->node.view());
    write_nodes(writer, found->near_set, kNearSetMax);
  } else if (const auto* none = std::get_if<NoRoute>(&frame.body)) {
    writer.bytes(none->closest.view());
  } else if (const auto* datagram = std::get_if<ReturnedDatagram>(&frame.body)) {
    check(!datagram->payload.empty() && datagram->payload.size() <= kForwardPayloadMax);
    writer.bytes(datagram->payload);
  }
}

void write_ring_frame(const Gone& frame, ByteVector& out) {
  begin(FrameType::Gone, out).be(frame.id.value);
}

void write_ring_frame(const ProbeRequest& frame, ByteVector& out) {
  begin(FrameType::ProbeRequest, out).be(frame.id.value);
}

void write_ring_frame(const ProbeResult& frame, ByteVector& out) {
  Writer writer = begin(FrameType::ProbeResult, out);
  writer.be(frame.id.value);
  write_flag(writer, frame.heard);
}

void write_ring_frame(const Merge& frame, ByteVector& out) {
  Writer writer = begin(FrameType::Merge, out);
  writer.le(frame.epoch);
  writer.bytes(frame.witness.view());
}

}  // namespace ipop::wire
