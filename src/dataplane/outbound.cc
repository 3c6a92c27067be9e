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

}  // namespace

OutboundVerdict outbound(const Snapshot& snapshot, NetworkSlot slot, SenderId sender, Instant now,
                         Packet& packet) {
  const NetworkEntry* network = snapshot.network(slot);
  if (network == nullptr) return Dropped{Drop::NoRoute};
  const auto inner = parse_inner(packet.data());
  if (!inner) return Dropped{Drop::BadInner};
  packet.resize(inner->size);
  if (!is_self(*network, inner->source)) return Dropped{Drop::ForeignSource};
  const auto route = network->routes.find(inner->destination);
  if (route == network->routes.end()) return Dropped{Drop::NoRoute};
  const PeerRoute& peer = snapshot.peers[route->second];
  if (peer.send == nullptr || !peer.endpoint) return NeedsSession{peer.peer};
  if (inner->size > peer.mtu) return refuse_too_big(*network, peer, *inner, packet);

  clamp_mss(packet.data(), *inner, peer.mtu);
  if (!peer.send->seal(sender, 0, packet)) return Dropped{Drop::KeyExpired};
  if (peer.words != nullptr) {
    peer.words->tx_bytes.fetch_add(inner->size, std::memory_order_relaxed);
  }
  return SendDatagram{.to = *peer.endpoint,
                      .ecn = inner->ecn,
                      .session = peer.send->local(),
                      .first_ip = note_ip_sent(peer.send->words(), now),
                      .rekey_limit = peer.send->take_rekey_report()};
}

}  // namespace ipop::dataplane
