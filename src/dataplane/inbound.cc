#include "dataplane/activity.h"
#include "dataplane/inner_packet.h"
#include "dataplane/pipeline.h"

namespace ipop::dataplane {
namespace {

Drop drop_of(const Error& error) {
  switch (error.code) {
    case Errc::BadValue:
      return Drop::Replayed;
    case Errc::Denied:
      return Drop::BadTag;
    case Errc::Busy:
      return Drop::KeyExpired;
    case Errc::NotFound:
      return Drop::UnknownSession;
    case Errc::Truncated:
    case Errc::Unsupported:
    case Errc::Os:
      break;
  }
  return Drop::BadHeader;
}

/// Stamps the words; true when this is the first authenticated packet on the keypair, or the first
/// after a pause on a stock one, whose timers run on what is received.
bool note_received(const Keypair& keypair, Instant now) {
  constexpr std::int64_t kPauseNs = 1'000'000'000;
  KeypairWords& words = keypair.words();
  const std::int64_t at = now.time_since_epoch().count();
  const std::int64_t last = words.last_received.load(std::memory_order_relaxed);
  const bool stock = keypair.framing() == wire::Framing::Stock;
  if (last == INT64_MIN || (stock && at - last >= kPauseNs)) {
    return words.last_received.exchange(at, std::memory_order_relaxed) == last;
  }
  words.last_received.store(at, std::memory_order_relaxed);
  return false;
}

/// Its own addresses, and those of the devices that it hosts: their routes lead to it.
bool is_source_of(const Snapshot& snapshot, const NetworkEntry& network,
                  const SessionEntry& session, const IpAddress& source) {
  const bool own = source.is_v6() ? source.v6() == session.source6
                                  : session.source4 && source.v4() == *session.source4;
  if (own) return true;
  const auto route = network.routes.find(source);
  return route != network.routes.end() && snapshot.peers[route->second].peer == session.peer;
}

/// Where a packet goes that is not for us: to a device hosted here, or from one to anybody else.
/// What comes from a member for another member goes nowhere: they talk to each other.
std::optional<ForwardIp> way_on(const Snapshot& snapshot, const NetworkEntry& network,
                                const SessionEntry& session, const IpAddress& destination) {
  const auto route = network.routes.find(destination);
  if (route == network.routes.end()) return std::nullopt;
  const PeerRoute& to = snapshot.peers[route->second];
  if (to.peer == session.peer || !(to.is_device || session.is_device)) return std::nullopt;
  return ForwardIp{.network = session.network, .from = session.peer, .peer = route->second};
}

bool is_destination_here(const NetworkEntry& network, const IpAddress& destination) {
  return destination.is_v6() ? destination.v6() == network.self6
                             : network.self4 && destination.v4() == *network.self4;
}

/// The way back to the sender bounds what it should be asked to accept.
std::uint16_t mtu_towards(const Snapshot& snapshot, const NetworkEntry& network,
                          const IpAddress& peer) {
  const auto route = network.routes.find(peer);
  if (route == network.routes.end()) return network.mtu;
  const std::uint16_t mtu = snapshot.peers[route->second].mtu;
  return mtu == 0 ? network.mtu : mtu;
}

InboundAction handle_ip(const Snapshot& snapshot, const SessionEntry& session,
                        const wire::Data& header, Ecn outer, MutableBytes& packet) {
  if (!session.proven) return Dropped{Drop::NotProven};
  const auto inner = parse_inner(packet);
  if (!inner) return Dropped{Drop::BadPayload};
  packet = packet.first(inner->size);
  const NetworkEntry* network = snapshot.network(session.network);
  if (network == nullptr) return Dropped{Drop::BadInnerDestination};
  if (!is_source_of(snapshot, *network, session, inner->source)) {
    return Dropped{Drop::SpoofedSource};
  }
  std::optional<ForwardIp> onward;
  if (!is_destination_here(*network, inner->destination)) {
    onward = way_on(snapshot, *network, session, inner->destination);
    if (!onward) return Dropped{Drop::BadInnerDestination};
  }
  const auto merged = merge_ecn(inner->ecn, outer);
  if (!merged) return Dropped{Drop::EcnNotCapable};
  const bool partial = (header.flags & wire::kDataFlagCsumPartial) != 0;
  if (partial && !checksum_place(packet, *inner)) return Dropped{Drop::BadPayload};
  if (*merged != inner->ecn) set_ecn(packet, *merged);
  if (is_tcp_syn(packet, *inner)) {
    clamp_mss(packet, *inner, mtu_towards(snapshot, *network, inner->source));
  }
  if (onward) {
    if (partial && !complete_checksum(packet, *inner)) return Dropped{Drop::BadPayload};
    return *onward;
  }
  return WriteToTun{session.network, *inner, partial};
}

/// A member's datagram on its way through us, or through another member to us.
InboundAction handle_relayed(const Snapshot& snapshot, const SessionEntry& session, Instant now,
                             const Way& from, const wire::Data& header, MutableBytes& packet) {
  if (header.framing == wire::Framing::Stock || header.flags != 0) {
    return Dropped{Drop::BadPayload};
  }
  if (!session.proven) return Dropped{Drop::NotProven};
  if (!from.is_leg()) return Dropped{Drop::NestedRelay};
  const auto relayed = wire::parse_relayed(packet);
  if (!relayed) return Dropped{Drop::BadPayload};
  const auto found = snapshot.labels.find(relayed->label);
  if (found == snapshot.labels.end() || found->second.from != session.peer) {
    return Dropped{Drop::UnknownLabel};
  }
  if (const auto* end = std::get_if<LabelEnd>(&found->second.to)) {
    packet = packet.subspan(wire::kRelayedHeaderSize);
    return Relayed{end->from};
  }
  const auto& forward = std::get<LabelForward>(found->second.to);
  if (!is_leg(snapshot.peers[forward.peer])) return Dropped{Drop::RelayNoLeg};
  const std::size_t size = packet.size() + wire::kDataOverhead;
  if (!take_allowance(*forward.allowance, forward.limit, now, size)) {
    return Dropped{Drop::RelayOverLimit};
  }
  forward.circuit->last_used.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  return RelayOn{&forward};
}

InboundAction handle_plaintext(const Snapshot& snapshot, const SessionEntry& session, Instant now,
                               const Way& from, const wire::Data& header, Ecn outer,
                               MutableBytes& packet) {
  switch (wire::payload_kind(packet)) {
    case wire::PayloadKind::Control:
      // A stock peer has none: whatever begins like one is not from its WireGuard.
      if (header.framing == wire::Framing::Stock) return Dropped{Drop::BadPayload};
      [[fallthrough]];
    case wire::PayloadKind::Keepalive:
      // Only an IP packet has a checksum to complete.
      if (header.flags != 0) return Dropped{Drop::BadPayload};
      return ControlFrame{session.keypair->local()};
    case wire::PayloadKind::Ipv4:
    case wire::PayloadKind::Ipv6:
      return handle_ip(snapshot, session, header, outer, packet);
    case wire::PayloadKind::Relayed:
      return handle_relayed(snapshot, session, now, from, header, packet);
    case wire::PayloadKind::Unknown:
      break;
  }
  return Dropped{Drop::BadPayload};
}

}  // namespace

InboundVerdict inbound(const Snapshot& snapshot, Instant now, const Way& from, Ecn outer,
                       MutableBytes& datagram) {
  if (datagram.empty()) return {.action = Dropped{Drop::BadHeader}};
  if (!wire::is_data(datagram)) return {.action = ToEngine{}};
  const auto header = wire::parse_data(datagram);
  if (!header) return {.action = Dropped{Drop::BadHeader}};
  const auto found = snapshot.sessions.find(header->receiver);
  if (found == snapshot.sessions.end() || found->second.keypair == nullptr) {
    return {.action = Dropped{Drop::UnknownSession}};
  }
  const SessionEntry& session = found->second;
  Keypair& keypair = *session.keypair;
  if (const auto opened = keypair.open(datagram); !opened) {
    return {.action = Dropped{drop_of(opened.error())}};
  }

  // From here on the packet is the peer's own, once, and unchanged.
  InboundVerdict out;
  if (note_received(keypair, now) || from != session.way) out.report = keypair.local();
  if (header->framing == wire::Framing::Stock) {
    note_stock_received(keypair.words(), now, !datagram.empty());
  }
  if (keypair.take_rekey_report()) out.rekey_limit = keypair.local();
  if (session.words != nullptr) {
    session.words->rx_bytes.fetch_add(datagram.size(), std::memory_order_relaxed);
  }
  out.action = handle_plaintext(snapshot, session, now, from, *header, outer, datagram);
  // For whoever asks whether the session is in use: also what goes on to a device of ours.
  if (std::holds_alternative<WriteToTun>(out.action) ||
      std::holds_alternative<ForwardIp>(out.action)) {
    keypair.words().last_ip_received.store(now.time_since_epoch().count(),
                                           std::memory_order_relaxed);
  }
  return out;
}

}  // namespace ipop::dataplane
