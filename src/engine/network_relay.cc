// Ways that lead through other members: sending on them.

#include "engine/network.h"

namespace ipop::engine {

/// Any datagram of ours for the peer, whoever sealed it.
void Network::transmit(Peer& peer, const Way& way, ByteVector datagram) {
  switch (way.kind()) {
    case Way::Kind::Direct:
      ctx_->outputs.emplace_back(Transmit{way.endpoint(), std::move(datagram)});
      return;
    case Way::Kind::Relay:
      return send_through(way, datagram);
    case Way::Kind::Routed:
      return send_routed(peer, std::move(datagram));
  }
}

/// Back to somebody who is not known yet (a cookie reply). What came routed gets none: its source
/// is not authenticated, and the limits of the door hold it off.
void Network::answer_unknown(const Way& from, ByteVector datagram) {
  if (from.is_direct()) {
    ctx_->outputs.emplace_back(Transmit{from.endpoint(), std::move(datagram)});
  } else if (from.is_relay()) {
    send_through(from, datagram);
  }
}

/// Sealed once more for the hop (docs/protocol.md, "relay"). Nothing happens while the hop itself
/// is not reached directly: one hop only.
void Network::send_through(const Way& relay, Bytes datagram) {
  Peer* hop = find_peer(relay.hop());
  if (hop == nullptr || !hop->proven) return;
  const auto to = hop->link->endpoint();
  dataplane::Keypair* keypair = hop->link->sending();
  if (!to || keypair == nullptr) return;
  const ByteVector plain = wire::relayed_payload(relay.label(), datagram);
  if (auto sealed = keypair->seal_control(plain)) {
    ctx_->outputs.emplace_back(Transmit{*to, std::move(*sealed)});
  }
}

/// Through the overlay, to the peer's node id. The ring that carries it does not exist yet, so
/// nothing makes a routed way.
void Network::send_routed(Peer& peer, ByteVector datagram) {
  static_cast<void>(peer);
  static_cast<void>(datagram);
  check(false);
}

}  // namespace ipop::engine
