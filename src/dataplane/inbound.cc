#include "dataplane/inner_packet.h"
#include "dataplane/pipeline.h"
#include "wire/handshake.h"

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

/// Stamps the words; true when this is the first authenticated packet on the keypair.
bool note_received(KeypairWords& words, Instant now) {
  const std::int64_t at = now.time_since_epoch().count();
  if (words.last_received.load(std::memory_order_relaxed) == INT64_MIN) {
    return words.last_received.exchange(at, std::memory_order_relaxed) == INT64_MIN;
  }
  words.last_received.store(at, std::memory_order_relaxed);
  return false;
}

bool is_source_of(const SessionEntry& session, const IpAddress& source) {
  return source.is_v6() ? source.v6() == session.source6
                        : session.source4 && source.v4() == *session.source4;
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
  if (!is_source_of(session, inner->source)) return Dropped{Drop::SpoofedSource};
  const NetworkEntry* network = snapshot.network(session.network);
  if (network == nullptr || !is_destination_here(*network, inner->destination)) {
    return Dropped{Drop::BadInnerDestination};
  }
  const auto merged = merge_ecn(inner->ecn, outer);
  if (!merged) return Dropped{Drop::EcnNotCapable};
  const bool partial = (header.flags & wire::kDataFlagCsumPartial) != 0;
  if (partial && !checksum_place(packet, *inner)) return Dropped{Drop::BadPayload};
  if (*merged != inner->ecn) set_ecn(packet, *merged);
  clamp_mss(packet, *inner, mtu_towards(snapshot, *network, inner->source));
  return WriteToTun{session.network, *inner, partial};
}

InboundAction handle_plaintext(const Snapshot& snapshot, const SessionEntry& session,
                               const wire::Data& header, Ecn outer, MutableBytes& packet) {
  switch (wire::payload_kind(packet)) {
    case wire::PayloadKind::Keepalive:
    case wire::PayloadKind::Control:
      // Only an IP packet has a checksum to complete.
      if (header.flags != 0) return Dropped{Drop::BadPayload};
      return ControlFrame{session.keypair->local()};
    case wire::PayloadKind::Ipv4:
    case wire::PayloadKind::Ipv6:
      return handle_ip(snapshot, session, header, outer, packet);
    case wire::PayloadKind::Unknown:
      break;
  }
  return Dropped{Drop::BadPayload};
}

}  // namespace

InboundVerdict inbound(const Snapshot& snapshot, Instant now, const Endpoint& from, Ecn outer,
                       MutableBytes& datagram) {
  if (datagram.size() == 0) return {.action = Dropped{Drop::BadHeader}};
  if (datagram[0] != std::byte{wire::kTypeData}) return {.action = ToEngine{}};
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
  if (note_received(keypair.words(), now) || from != session.endpoint) out.report = keypair.local();
  if (keypair.take_rekey_report()) out.rekey_limit = keypair.local();
  if (session.words != nullptr) {
    session.words->rx_bytes.fetch_add(datagram.size(), std::memory_order_relaxed);
  }
  out.action = handle_plaintext(snapshot, session, *header, outer, datagram);
  return out;
}

}  // namespace ipop::dataplane
