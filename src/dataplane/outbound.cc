#include <algorithm>

#include "dataplane/activity.h"
#include "dataplane/icmp.h"
#include "dataplane/inner_packet.h"
#include "dataplane/pipeline.h"

namespace ipop::dataplane {
namespace {

bool is_self(const NetworkEntry& network, const IpAddress& address) {
  return address.is_v6() ? address.v6() == network.self6
                         : network.self4 && address.v4() == *network.self4;
}

/// The path takes no packet of this size. We never fragment: IPv6 forbids it, and for IPv4 without
/// DF the sender is our own kernel, which remembers the answer and fragments by itself.
OutboundVerdict refuse_too_big(const NetworkEntry& network, const PeerRoute& peer,
                               const InnerPacket& inner, Packet& packet) {
  const TooBigOptions options{.mtu = peer.mtu, .pool = network.pool};
  if (replace_by_too_big(packet, inner, options)) return AnswerToTun{Drop::TooBig};
  return Dropped{Drop::TooBig};
}

/// Silence after which traffic counts as begun anew (PROTOCOL 18 calls a path active that carried
/// data in the last second).
constexpr std::int64_t kPauseNs = 1'000'000'000;

/// Stamps the words; true when this is the first IP packet on the keypair, or the first after a
/// pause: control watches a path only while data flows, so it has to learn that it does.
bool note_ip_sent(KeypairWords& words, Instant now) {
  const std::int64_t at = now.time_since_epoch().count();
  const std::int64_t last = words.last_ip_sent.load(std::memory_order_relaxed);
  if (last == INT64_MIN || at - last >= kPauseNs) {
    return words.last_ip_sent.exchange(at, std::memory_order_relaxed) == last;
  }
  words.last_ip_sent.store(at, std::memory_order_relaxed);
  return false;
}

/// A checksum that the kernel left to us stays unfinished where the peer's worker will know what to
/// do about it: TCP and UDP as we parse them ourselves.
std::uint8_t flags_of(MutableBytes packet, const InnerPacket& inner, const Offload& left) {
  if (!left.checksum_partial) return 0;
  const auto place = checksum_place(packet, inner);
  const bool ordinary = place && place->checksum_start == left.checksum_start &&
                        place->checksum_offset == left.checksum_offset;
  if (ordinary) return wire::kDataFlagCsumPartial;
  return 0;
}

bool is_stock(const PeerRoute& peer) { return peer.send->framing() == wire::Framing::Stock; }

/// WireGuard hides the exact length of a packet among 16, where the path has room for it.
/// Requires: `area` begins with the packet and has room for the padding.
MutableBytes pad_for_stock(MutableBytes area, std::size_t size, std::uint16_t mtu) {
  const MutableBytes padded = area.first(wire::stock_padded_size(size, mtu));
  const MutableBytes padding = padded.subspan(size);
  std::fill(padding.begin(), padding.end(), std::byte{0});
  return padded;
}

/// A segment, whose checksum nobody has computed yet.
void finish_for_stock(MutableBytes area, std::size_t size, std::uint16_t mtu) {
  const auto inner = parse_inner(area.first(size));
  check(inner.has_value());
  static_cast<void>(complete_checksum(area.first(size), *inner));  // as our kernel made it
  pad_for_stock(area, size, mtu);
}

SendReports note_sent(const PeerRoute& peer, Instant now, std::size_t bytes) {
  if (peer.words != nullptr) peer.words->tx_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (is_stock(peer)) note_stock_ip_sent(peer.send->words(), now);
  return {.session = peer.send->local(),
          .first_ip = note_ip_sent(peer.send->words(), now),
          .rekey_limit = peer.send->take_rekey_report()};
}

/// The relay that the way to the peer leads through; null: through none.
const PeerRoute* hop_of(const Snapshot& snapshot, const PeerRoute& peer) {
  return peer.way && peer.way->is_relay() ? &snapshot.peers[peer.hop] : nullptr;
}

bool can_send(const Snapshot& snapshot, const PeerRoute& peer) {
  if (peer.send == nullptr || !peer.way) return false;
  if (peer.way->is_direct()) return true;
  const PeerRoute* hop = hop_of(snapshot, peer);
  return hop != nullptr && is_leg(*hop);
}

/// Where the datagram that is outermost goes.
const Way& next_stop(const PeerRoute& peer, const PeerRoute* hop) {
  return *(hop != nullptr ? hop : &peer)->way;
}

/// Seals a sealed datagram for the relay that is to pass it on.
bool wrap(const PeerRoute& hop, RelayLabel label, SenderId sender, Packet& packet) {
  packet.push_front(wire::kRelayedHeaderSize);
  wire::write_relayed_header(label, packet.data());
  return hop.send->seal(sender, 0, packet).has_value();
}

/// Seals a packet that is whole and may go. Requires: can_send(peer).
OutboundVerdict seal_for(const Snapshot& snapshot, const PeerRoute& peer, const InnerPacket& inner,
                         SenderId sender, Instant now, std::uint8_t flags, Packet& packet) {
  if (inner.size > peer.mtu) return Dropped{Drop::TooBig};
  // Where the checksum is unfinished, what clamping does to its field does not matter.
  clamp_mss(packet.data(), inner, peer.mtu);
  if (is_stock(peer)) {
    packet.resize(wire::stock_padded_size(inner.size, peer.mtu));
    pad_for_stock(packet.data(), inner.size, peer.mtu);
  }
  if (!peer.send->seal(sender, flags, packet)) return Dropped{Drop::KeyExpired};
  const PeerRoute* hop = hop_of(snapshot, peer);
  if (hop != nullptr && !wrap(*hop, peer.way->label(), sender, packet)) {
    return Dropped{Drop::KeyExpired};
  }
  return SendDatagram{next_stop(peer, hop), inner.ecn, note_sent(peer, now, inner.size)};
}

/// A packet that stands for many.
OutboundVerdict split(const Snapshot& snapshot, const NetworkEntry& network, const PeerRoute& peer,
                      Instant now, const InnerPacket& inner, const Offload& left, Packet& packet) {
  const auto segments = Segments::of(packet.data(), inner, left);
  if (!segments) return Dropped{Drop::BadInner};
  if (!can_send(snapshot, peer)) return NeedsSession{peer.peer, *segments};
  if (segments->size(0) > peer.mtu) {
    segments->shrink_to_first(packet);
    InnerPacket first = inner;
    first.size = packet.size();
    return refuse_too_big(network, peer, first, packet);
  }
  const PeerRoute* hop = hop_of(snapshot, peer);
  return SendSegments{.to = next_stop(peer, hop),
                      .ecn = inner.ecn,
                      .reports = note_sent(peer, now, inner.size),
                      .segments = *segments,
                      .peer = &peer,
                      .hop = hop};
}

}  // namespace

OutboundVerdict outbound(const Snapshot& snapshot, NetworkSlot slot, SenderId sender, Instant now,
                         const Offload& left, Packet& packet) {
  const NetworkEntry* network = snapshot.network(slot);
  if (network == nullptr) return Dropped{Drop::NoRoute};
  const auto inner = parse_inner(packet.data());
  if (!inner) return Dropped{Drop::BadInner};
  packet.resize(inner->size);
  if (!is_self(*network, inner->source)) return Dropped{Drop::ForeignSource};
  const auto route = network->routes.find(inner->destination);
  if (route == network->routes.end()) return Dropped{Drop::NoRoute};
  const PeerRoute& peer = snapshot.peers[route->second];
  if (left.segmentation != Segmentation::None) {
    return split(snapshot, *network, peer, now, *inner, left, packet);
  }

  const bool ready = can_send(snapshot, peer);
  // A stock peer does not know of unfinished checksums.
  const bool may_leave = ready && !is_stock(peer);
  std::uint8_t flags = may_leave ? flags_of(packet.data(), *inner, left) : std::uint8_t{0};
  if (left.checksum_partial && flags == 0 && !finish_checksum(packet.data(), left)) {
    return Dropped{Drop::BadInner};
  }
  if (!ready) return NeedsSession{peer.peer, std::nullopt};
  if (inner->size > peer.mtu) return refuse_too_big(*network, peer, *inner, packet);
  return seal_for(snapshot, peer, *inner, sender, now, flags, packet);
}

OutboundVerdict forward(const Snapshot& snapshot, const ForwardIp& wanted, SenderId sender,
                        Instant now, Packet& packet) {
  const NetworkEntry* network = snapshot.network(wanted.network);
  const auto inner = parse_inner(packet.data());
  if (network == nullptr || !inner) return Dropped{Drop::BadPayload};
  const PeerRoute& peer = snapshot.peers[wanted.peer];
  if (!can_send(snapshot, peer)) return NeedsSession{peer.peer, std::nullopt};
  if (inner->size <= peer.mtu) return seal_for(snapshot, peer, *inner, sender, now, 0, packet);

  // The answer goes back the way the packet came.
  const auto back = std::find_if(snapshot.peers.begin(), snapshot.peers.end(),
                                 [&](const PeerRoute& p) { return p.peer == wanted.from; });
  if (back == snapshot.peers.end() || !can_send(snapshot, *back)) return Dropped{Drop::TooBig};
  const auto refused = refuse_too_big(*network, peer, *inner, packet);
  if (!std::holds_alternative<AnswerToTun>(refused)) return refused;
  const auto answer = parse_inner(packet.data());
  check(answer.has_value());
  return seal_for(snapshot, *back, *answer, sender, now, 0, packet);
}

std::optional<Way> relay(const Snapshot& snapshot, const RelayOn& wanted, SenderId sender,
                         MutableBytes datagram) {
  const PeerRoute& leg = snapshot.peers[wanted.forward->peer];
  wire::write_relayed_header(wanted.forward->label, datagram.subspan(wire::kDataHeaderSize));
  if (!leg.send->seal(sender, 0, datagram)) return std::nullopt;
  return leg.way;
}

SealedRun seal_segments(const SendSegments& send, SenderId sender, std::size_t first, Packet& out) {
  const bool stock = is_stock(*send.peer);
  const auto text_size = [&](std::size_t i) {
    const std::size_t size = send.segments.size(i);
    return stock ? wire::stock_padded_size(size, send.peer->mtu) : size;
  };
  const std::uint8_t flags = stock ? std::uint8_t{0} : wire::kDataFlagCsumPartial;
  const std::size_t around = send.hop == nullptr ? 0 : wire::kRelayOverhead;
  const std::size_t before = around == 0 ? 0 : wire::kDataHeaderSize + wire::kRelayedHeaderSize;
  const std::size_t datagram_size = text_size(0) + wire::kDataOverhead + around;
  SealedRun run{.datagram_size = static_cast<std::uint16_t>(datagram_size)};
  const std::size_t most =
      std::clamp<std::size_t>(kRunBytesMax / datagram_size, 1, kRunSegmentsMax);
  const MutableBytes area = out.read_area();
  std::size_t used = 0;
  for (std::size_t i = first; i < send.segments.count() && run.segments < most; ++i) {
    const std::size_t size = send.segments.size(i);
    const MutableBytes outermost = area.subspan(used, text_size(i) + wire::kDataOverhead + around);
    const MutableBytes datagram = outermost.subspan(before, text_size(i) + wire::kDataOverhead);
    const MutableBytes text = datagram.subspan(wire::kDataHeaderSize);
    send.segments.write(i, text.first(size));
    if (stock) finish_for_stock(text, size, send.peer->mtu);
    if (!send.peer->send->seal(sender, flags, datagram)) break;
    if (send.hop != nullptr) {
      wire::write_relayed_header(send.peer->way->label(), outermost.subspan(wire::kDataHeaderSize));
      if (!send.hop->send->seal(sender, 0, outermost)) break;
    }
    used += outermost.size();
    ++run.segments;
  }
  out.resize(used);
  return run;
}

}  // namespace ipop::dataplane
