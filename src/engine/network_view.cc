// What others may see of a network: the status for people, the snapshot for workers.

#include "engine/network.h"
#include "engine/text.h"

namespace ipop::engine {
namespace {

/// The address, where we had to dial a member by TLS and nobody is reached by UDP.
std::optional<Endpoint> tls_instead_of_udp(const nat::StreamDialer& dialer,
                                           const std::vector<MemberStatus>& members) {
  std::optional<Endpoint> out;
  for (const MemberStatus& m : members) {
    if (m.endpoint) return std::nullopt;
    if (m.stream && dialer.is_up(*m.stream)) out = m.stream;
  }
  return out;
}

}  // namespace

NetworkStatus Network::status(const Now& now) const {
  NetworkStatus out;
  out.name = name_;
  out.id = to_hex(set_->network().view());
  out.slot = slot_;
  out.up = up_;
  out.joining = state_ == State::Joining;
  out.interface = interface_.name;
  out.interface_problem = interface_.problem;
  out.interface_next = interface_.next;
  out.pool = pool();
  out.prefix6 = member::ipv6_prefix_of(set_->network());
  out.mtu = kInterfaceMtu;
  out.epoch = secrets_.empty() ? Epoch{} : secrets_.front().epoch;
  const member::Member* me = self();
  if (me != nullptr) {
    out.member = me->name;
    out.node = to_hex(me->node.view());
    out.v4 = me->v4;
    out.v6 = me->v6;
    out.admin = me->admin();
    out.may_invite = (me->rights & wire::kRightInvite) != 0;
  }
  for (const auto& [node, m] : membership_.members()) {
    if (me != nullptr && m.identity == me->identity) continue;
    MemberStatus member;
    member.name = m.name;
    member.tunnel_key = m.tunnel_key;
    member.node = to_hex(node.view());
    member.v4 = m.v4;
    member.v6 = m.v6;
    member.admin = m.admin();
    if (const Peer* known = peers_.look(node)) {
      const Peer& peer = *known;
      member.online = peer.was_online && is_reached(peer);
      if (member.online) {
        member.endpoint = peer.link->endpoint();
        if (peer.link->way()->is_stream()) member.stream = peer.link->way()->endpoint();
        member.via = relay_of(peer);
        member.rtt = peer.link->rtt();
        member.mtu = peer.link->mtu();
        member.suite = peer.link->sending()->suite() == crypto::Suite::Aes256Gcm
                           ? "aes-256-gcm"
                           : "chacha20-poly1305";
      }
      member.last_seen = peer.link->silence(now.at);
      member.last_handshake = peer.link->handshake_age(now.at);
      member.rx_bytes = peer.words->rx_bytes.load(std::memory_order_relaxed);
      member.tx_bytes = peer.words->tx_bytes.load(std::memory_order_relaxed);
    }
    out.members.push_back(std::move(member));
  }
  out.devices = device_status(now);
  for (const auto& [id, invite] : membership_.invites()) {
    if (!invite.open || invite.outdated || invite.redeem_until < now.wall) continue;
    InviteStatus s{to_hex(id.view()), invite.uses,  invite.used, invite.redeem_until,
                   invite.name,       std::nullopt, ""};
    const member::Member* issuer = membership_.by_identity(invite.issuer);
    if (issuer != nullptr) s.issuer = issuer->name;
    if (invite.v4.value != 0) s.v4 = invite.v4;
    out.invites.push_back(std::move(s));
  }
  if (!out_reason_.empty()) {
    out.health.push_back(
        {"not_a_member", name_ + ": " + out_reason_, "`ipop leave " + name_ + "` clears it away"});
  }
  if (!store_problem_.empty()) {
    out.health.push_back({"state_not_saved", name_ + ": " + store_problem_,
                          "make room on the disk, or look at the folder's permissions; saving is "
                          "tried again every 10 seconds"});
  }
  if (!interface_.problem.empty()) {
    const bool is_there = !interface_.name.empty();
    out.health.push_back({is_there ? "interface" : "interface_error",
                          name_ + (is_there ? ": " : " has no interface: ") + interface_.problem,
                          interface_.next});
  }
  if (const auto tls = tls_instead_of_udp(ctx_->dialer, out.members)) {
    out.health.push_back(
        {"udp_blocked", name_ + ": UDP is blocked here; reached by TLS on " + tls->to_string(),
         "nothing needs to be done; where this network's firewall is yours, let UDP out"});
  }
  if (me != nullptr && !has_committed_secret()) {
    out.health.push_back(
        {"secret_outdated",
         name_ + ": a member was kicked and the network's new secret is not here yet",
         "it comes with the next contact to a member that has it"});
  }
  if (me != nullptr && (!me->v4 || me->name.empty())) {
    out.health.push_back({"address_conflict",
                          name_ + ": another member holds this computer's name or address",
                          "the member that admitted it gives a new one when it is next online"});
  }
  return out;
}

void Network::add_to_snapshot(dataplane::Snapshot& snapshot) const {
  const member::Member* me = self();
  if (me != nullptr && up_ && state_ == State::Member) {
    dataplane::NetworkEntry entry;
    entry.slot = slot_;
    entry.self4 = me->v4;
    entry.self6 = me->v6;
    entry.pool = pool();
    entry.mtu = kInterfaceMtu;
    const std::size_t first = snapshot.peers.size();
    for (const auto& [node, handle] : peers_.by_node()) {
      const member::Member* m = membership_.find(node);
      if (m == nullptr) continue;
      const Peer* found = peers_.look(handle);
      if (found == nullptr) continue;
      const Peer& peer = *found;
      dataplane::PeerRoute route;
      route.peer = handle;
      route.network = slot_;
      if (peer.proven && is_reached(peer)) {
        route.send = peer.link->sending();
        route.way = peer.link->way();
      }
      route.mtu = peer.link->mtu();
      route.words = peer.words.get();
      const auto index = static_cast<std::uint32_t>(snapshot.peers.size());
      snapshot.peers.push_back(route);
      if (m->v4) entry.routes[*m->v4] = index;
      entry.routes[m->v6] = index;
    }
    add_relays_to_snapshot(snapshot, first);
    add_device_routes(entry, snapshot);
    snapshot.networks.push_back(std::move(entry));
  }
  peers_.look_at_each([&](const Peer& peer) {
    const member::Member* m = peer.node ? membership_.find(*peer.node) : nullptr;
    for (const auto& [index, pair] : peer.link->pairs()) {
      dataplane::SessionEntry entry;
      entry.keypair = pair.keypair.get();
      entry.peer = peer.handle;
      entry.network = slot_;
      const auto proof = peer.proofs.find(index);
      entry.proven = m != nullptr && proof != peer.proofs.end() && proof->second.theirs_accepted;
      if (m != nullptr) {
        entry.source4 = m->v4;
        entry.source6 = m->v6;
      }
      if (pair.usable) entry.way = peer.link->way();
      entry.words = peer.words.get();
      snapshot.sessions.emplace(index, entry);
    }
  });
}

}  // namespace ipop::engine
