// Who is a member by the statements that are here, and what follows from that for everybody else.

#include <algorithm>

#include "engine/network.h"
#include "engine/text.h"

namespace ipop::engine {

/// Whoever is judged now is judged by everything that is here.
void Network::settle_membership(const Now& now) {
  if (pace_.is_evaluation_owed()) pace_.demand_evaluation();
  refresh_membership(now);
}

/// Evaluates the set again when that is due, and draws the consequences.
void Network::refresh_membership(const Now& now) {
  if (!pace_.is_evaluation_due(now.at)) return;
  pace_.handle_evaluated(now.at, set_->size());
  const member::Member* before = self();
  const bool was_member = before != nullptr;
  const std::optional<Ipv4> old_v4 = before ? before->v4 : std::nullopt;
  const UnixTime at = wall(now);
  membership_ = member::Membership::evaluate(*set_, at);
  const UnixTime change = membership_.next_change();
  membership_at_ = Instant::max();
  if (change > at && change.seconds - at.seconds < 86400ULL * 365) {
    membership_at_ = now.at + std::chrono::seconds(change.seconds - at.seconds + 1);
  }
  ctx_->snapshot_stale = true;
  if (state_ == State::Joining) return;
  if (state_ == State::Out && self() != nullptr) {
    state_ = State::Member;
    out_reason_.clear();
    if (up_) want_interface();
  }
  if (state_ != State::Member) return;

  if (self() == nullptr) {
    const auto reason = membership_.refusal(grant_);
    out_reason_ = out_text(reason ? *reason : wire::ByeReason::Revoked);
    if (was_member) log(LogLevel::Warning, out_reason_);
    state_ = State::Out;
    devices_.stop(now);
    stop_links(now, wire::ByeReason::Leaving);
    ctx_->outputs.emplace_back(InterfaceDown{slot_});
    return;
  }
  if (was_member && old_v4 != self()->v4 && up_) want_interface();
  cut_invalid_peers(now);
  std::erase_if(recon_budgets_,
                [&](const auto& entry) { return membership_.find(entry.first) == nullptr; });
  refresh_devices(now);
  std::vector<wire::NodeId> others;
  for (const auto& [node, m] : membership_.members()) {
    if (m.identity == identity_->public_key()) continue;
    others.push_back(node);
    if (!up_) continue;
    // Its packets have somewhere to wait. A host of our invite was called before it had a name.
    Peer& peer = peer_for(now, m.tunnel_key);
    // Whoever stands there under another key of the member's is on its way out.
    if (peer.node) continue;
    peers_.set_node(peer, node);
  }
  relays_.set_members(now.at, self()->node, up_ ? others : std::vector<wire::NodeId>{});
  start_ring();
  refresh_directory(now, std::move(others));
  mend_conflicts(now);
  claim_tunnel_key(now);
}

/// In a GRANT our tunnel key has the signature of its issuer only. Ours under it, once, keeps
/// anybody who may issue GRANTs from naming another key for us.
void Network::claim_tunnel_key(const Now& now) {
  local_.skey_epoch = self()->skey_epoch;
  if (local_.skey_epoch != 0) return;
  publish_statements(now, {member::claim_tunnel_key(membership_.network(), *identity_,
                                                    local_.keys.public_key, wall(now))});
}

/// A peer that is no member (any more) hears why, and is gone: no session, no relay, no record.
void Network::cut_invalid_peers(const Now& now) {
  const auto is_invalid = [&](const Peer& peer) {
    if (!peer.node || peer.doomed) return false;
    const member::Member* m = membership_.find(*peer.node);
    return m == nullptr || m->tunnel_key != peer.link->remote();
  };
  peers_.change_if(is_invalid, [&](Peer& peer) {
    if (membership_.find(*peer.node) == nullptr) {
      const auto reason = membership_.refusal(peer.grant);
      show_why_cut(peer);
      peer.link->send_unproven(wire::Bye{reason ? *reason : wire::ByeReason::Revoked});
      log(LogLevel::Info, "cut off a member that is one no longer");
    }
    peer.doomed = true;
  });
  static_cast<void>(now);
}

/// Shows a former member the statements that put it out, with what proves them, so that it need not
/// take our word: every REVOKE, and the redemptions of its invite that came before its own.
void Network::show_why_cut(Peer& peer) {
  std::vector<wire::StatementId> shown;
  const auto show = [&](const wire::StatementId& id) {
    if (std::find(shown.begin(), shown.end(), id) == shown.end()) shown.push_back(id);
  };
  const auto show_chain = [&](const wire::StatementId& grant) {
    for (const wire::StatementId& id : set_->chain_of(grant)) show(id);
  };
  const auto same_invite = [&](const member::Member& m) {
    const member::StoredStatement* theirs = set_->find(m.grant);
    const auto* grant = theirs ? std::get_if<wire::Grant>(&theirs->statement.body) : nullptr;
    const member::StoredStatement* lost = set_->find(peer.grant);
    const auto* own = lost ? std::get_if<wire::Grant>(&lost->statement.body) : nullptr;
    return grant != nullptr && own != nullptr && grant->issuer == own->issuer;
  };
  for (const auto& [node, m] : membership_.members()) {
    if (same_invite(m)) show_chain(m.grant);
  }
  for (const auto& [id, stored] : set_->all()) {
    const auto* revoke = std::get_if<wire::Revoke>(&stored.statement.body);
    if (revoke == nullptr) continue;
    show_chain(revoke->issuer);
    show(id);
  }
  for (const wire::StatementId& id : shown) {
    peer.link->send_unproven(wire::StatementFrame{set_->find(id)->bytes});
  }
}

/// True where we signed the ADMIT by which it got in.
bool Network::admitted_by_us(const member::Member& m) const {
  const auto admits = set_->admits_of(m.grant);
  return std::any_of(admits.begin(), admits.end(), [&](const wire::StatementId& id) {
    const auto* admit = std::get_if<wire::Admit>(&set_->find(id)->statement.body);
    return admit != nullptr && admit->admitter == grant_;
  });
}

/// PROTOCOL 3: a member that lost its name or address to another gets a new ADMIT, from the one who
/// admitted it or, should that one be away for good, from others (MendTurns).
void Network::mend_conflicts(const Now& now) {
  std::vector<MendTurns::Lost> lost;
  for (const auto& [node, m] : membership_.members()) {
    if ((m.v4 && !m.name.empty()) || node == self()->node) continue;
    const std::size_t others = membership_.members().size() - 1;
    lost.push_back({node, admitted_by_us(m) ? 0 : MendTurns::place_of(self()->node, node, others)});
  }
  std::vector<ByteVector> mended;
  for (const wire::NodeId& node : mend_turns_.take_due(now.at, lost)) {
    auto statement =
        member::mend(membership_, *set_, {&*identity_, grant_}, node, wall(now), *ctx_->rng);
    if (statement) mended.push_back(std::move(*statement));
  }
  if (!mended.empty()) publish_statements(now, mended);
}

}  // namespace ipop::engine
