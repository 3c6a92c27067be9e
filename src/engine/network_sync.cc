// What proven members tell each other (PROTOCOL 22): statements by flood and reconciliation, the
// network secret, addresses, keepalives.

#include <algorithm>

#include "engine/network.h"
#include "engine/overload.h"
#include "engine/text.h"
#include "member/reconcile.h"

namespace ipop::engine {
namespace {

/// A mismatch lasts while repairs are under way: no new round sooner than this.
constexpr Duration kReconInterval = std::chrono::seconds(1);

constexpr Duration kMendInterval = std::chrono::seconds(30);

/// What passes before both PROOFs are accepted; whoever sends anything else has accepted ours.
bool travels_on_any_pair(const wire::Frame& frame) {
  return std::holds_alternative<wire::Proof>(frame) ||
         std::holds_alternative<wire::StatementFrame>(frame) ||
         std::holds_alternative<wire::Bye>(frame) ||
         std::holds_alternative<wire::PathChallenge>(frame) ||
         std::holds_alternative<wire::PathResponse>(frame) ||
         std::holds_alternative<wire::Pong>(frame) || std::holds_alternative<wire::Part>(frame);
}

Instant instant_of(std::uint64_t ns) { return Instant(Duration(static_cast<std::int64_t>(ns))); }

std::uint64_t stamp_of(Instant at) {
  return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

}  // namespace

void Network::handle_frame(const Now& now, PeerHandle handle, SessionIndex session, const Way& from,
                           Bytes plaintext) {
  Peer* peer = find_peer(handle);
  if (peer == nullptr || peer->doomed) return;
  if (!plaintext.empty()) {
    const auto frame = wire::parse_frame(plaintext);
    if (!frame) return;
    if (const auto* part = std::get_if<wire::Part>(&*frame)) {
      if (const auto whole = peer->parts.add(*part)) {
        const auto message = wire::parse_frame(*whole);
        if (message && !std::holds_alternative<wire::Part>(*message)) {
          dispatch(now, *peer, session, from, *message);
        }
      }
    } else {
      dispatch(now, *peer, session, from, *frame);
    }
  }
  pump(now);
}

void Network::dispatch(const Now& now, Peer& peer, SessionIndex session, const Way& from,
                       const wire::Frame& frame) {
  const auto proof = peer.proofs.find(session);
  const bool accepted = proof != peer.proofs.end() && proof->second.theirs_accepted;
  if (accepted && !travels_on_any_pair(frame) && !proof->second.ours_accepted) {
    // The peer would not send it, had it not accepted our PROOF: as good as the flag, which was
    // lost.
    proof->second.ours_accepted = true;
    proof->second.resend_at = Instant::max();
    peer.knows_our_chain = true;
    peer.link->prove(now, session);
  }
  std::visit(
      Overload{
          [&](const wire::Proof& f) { handle_proof(now, peer, session, f); },
          [&](const wire::PathChallenge& f) {
            peer.link->handle_path_challenge(now, session, from, f);
          },
          [&](const wire::PathResponse& f) { peer.link->handle_path_response(now, f); },
          [&](const wire::MtuProbe& f) {
            if (accepted) peer.link->handle_mtu_probe(now, session, from, f);
          },
          [&](const wire::MtuResponse& f) {
            if (accepted) peer.link->handle_mtu_response(now, f);
          },
          [&](const wire::Bye& f) { handle_bye(now, peer, f.reason); },
          [&](const wire::Recon& f) {
            if (accepted) handle_recon(now, peer, member::answer_recon(*set_, f));
          },
          [&](const wire::ReconRanges& f) {
            if (accepted) handle_recon(now, peer, member::answer_recon(*set_, f));
          },
          [&](const wire::Ping& f) {
            if (!accepted) return;
            peer.link->send_on(session, wire::Pong{f.sequence, f.time, digest_, committed_epoch()});
            compare_digest(now, peer, f.digest, f.epoch);
          },
          [&](const wire::Pong& f) {
            if (accepted) handle_pong(now, peer, f);
          },
          [&](const wire::SecretFrame& f) {
            if (accepted) handle_secret(now, peer, f);
          },
          [&](const wire::StatementFrame& f) {
            if (accepted) handle_statements(now, std::array{f.statement}, &peer);
          },
          [&](const wire::Observed& f) {
            if (!accepted || !is_acceptable(f.endpoint)) return;
            if (std::find(observed_.begin(), observed_.end(), f.endpoint) != observed_.end()) {
              return;
            }
            observed_.insert(observed_.begin(), f.endpoint);
            if (observed_.size() > 3) observed_.pop_back();
            refresh_local_side();
          },
          [&](const wire::Peers& f) {
            if (!accepted) return;
            for (const wire::PeerHint& hint : f.peers) {
              if (peer.node == hint.node) note_candidates(now, peer, hint.candidates);
            }
          },
          [](const wire::Part&) {},
          [&](const auto& f) {
            if (!accepted || !peer.node) return;
            if constexpr (std::is_constructible_v<wire::RelayFrame, decltype(f)>) {
              relays_.handle_frame(now.at, *peer.node, wire::RelayFrame(f));
            } else if (ring_) {
              ring_->handle_frame(now.at, *peer.node, frame);
            }
          },
      },
      frame);
}

/// Adds what is genuine, stores it, passes on what is new.
void Network::handle_statements(const Now& now, std::span<const Bytes> statements,
                                const Peer* from) {
  std::vector<wire::StatementId> joined;
  for (const Bytes s : statements) static_cast<void>(set_->add(s, &joined));
  if (joined.empty()) return;
  membership_stale_ = true;
  if (state_ == State::Member) store_statements();
  flood(joined, from);
  static_cast<void>(now);
}

/// Statements of our own: on disk first, then to everybody.
void Network::publish_statements(const Now& now, const std::vector<ByteVector>& statements) {
  std::vector<Bytes> views(statements.begin(), statements.end());
  handle_statements(now, views, nullptr);
}

void Network::flood(const std::vector<wire::StatementId>& ids, const Peer* except) {
  for (auto& [handle, peer] : peers_) {
    if (peer.get() == except || !peer->proven || peer->doomed) continue;
    for (const wire::StatementId& id : ids) send_statement(*peer, id);
  }
}

void Network::send_statement(Peer& peer, const wire::StatementId& id) {
  if (const member::StoredStatement* s = set_->find(id)) {
    peer.link->send(wire::StatementFrame{s->bytes});
  }
}

void Network::begin_recon(const Now& now, Peer& peer) {
  peer.recon_at = now.at;
  std::visit([&](const auto& frame) { peer.link->send(frame); },
             member::begin_reconciliation(*set_));
}

void Network::handle_recon(const Now& now, Peer& peer, const member::ReconAnswer& answer) {
  for (const member::ReconFrame& frame : answer.frames) {
    std::visit([&](const auto& f) { peer.link->send(f); }, frame);
  }
  peer.outbox.add(now.at, *set_, answer.wanted_by_them);
  send_owed_statements(now, peer);
}

void Network::send_owed_statements(const Now& now, Peer& peer) {
  for (const wire::StatementId& id : peer.outbox.take_due(now.at)) send_statement(peer, id);
}

void Network::handle_bye(const Now& now, Peer& peer, wire::ByeReason reason) {
  if (state_ == State::Joining && join_) {
    // Only the invite's hosts are heard while joining, each under its key.
    if (reason != wire::ByeReason::Shutdown && reason != wire::ByeReason::Leaving) {
      handle_refusal(now, peer, reason);
    }
    return;
  }
  switch (reason) {
    case wire::ByeReason::Shutdown:
    case wire::ByeReason::Leaving:
    case wire::ByeReason::Idle:
      peer.link->reset(now);
      break;
    case wire::ByeReason::NotMember:
    case wire::ByeReason::InviteExpired:
    case wire::ByeReason::InviteUsed:
    case wire::ByeReason::NameTaken:
    case wire::ByeReason::PoolExhausted:
    case wire::ByeReason::Revoked:
    case wire::ByeReason::Superseded:
    case wire::ByeReason::TooDeep:
    case wire::ByeReason::InviteRevoked:
      // It does not take us for a member. Statements decide that, not its word, and they travel
      // beside it: the session stays to receive them, and ends when its keepalives are not
      // answered.
      break;
  }
}

void Network::send_ping(const Now& now, Peer& peer) {
  peer.link->send(wire::Ping{++peer.ping_sequence, stamp_of(now.at), digest_, committed_epoch()});
  peer.link->handle_ping_sent(now);
}

void Network::handle_pong(const Now& now, Peer& peer, const wire::Pong& pong) {
  peer.link->handle_pong(now, instant_of(pong.time));
  for (Ping& ping : pings_) {
    if (!ping.outstanding || peer.node != ping.node || ping.wire_sequence != pong.sequence)
      continue;
    ping.outstanding = false;
    ping.next_at = ping.sent_at + ping.interval;
    if (--ping.remaining == 0) ping.next_at = now.at;
    ctx_->outputs.emplace_back(CommandUpdate{ping.command,
                                             PingResult{ping.sequence, true, now.at - ping.sent_at,
                                                        peer.link->endpoint(), relay_of(peer)},
                                             ping.remaining == 0});
  }
  std::erase_if(pings_, [](const Ping& p) { return p.remaining == 0; });
  compare_digest(now, peer, pong.digest, pong.epoch);
}

void Network::compare_digest(const Now& now, Peer& peer, const wire::Digest& digest, Epoch epoch) {
  if (digest == digest_) {
    peer.recheck_at = Instant::max();
    peer.rechecks = 0;
  } else {
    if (peer.recon_at + kReconInterval <= now.at) begin_recon(now, peer);
    if (peer.recheck_at == Instant::max()) peer.recheck_at = now.at + kReconInterval;
  }
  if (epoch < committed_epoch()) send_secret(peer);
}

bool Network::has_committed_secret() const {
  const auto& commit = membership_.secret();
  return !secrets_.empty() && secrets_.front().epoch == commit.epoch &&
         member::secret_commit_of(secrets_.front().secret) == commit.commit;
}

/// The newest epoch whose secret we hold as committed; one less asks the others for it.
Epoch Network::committed_epoch() const {
  const Epoch wanted = membership_.secret().epoch;
  if (has_committed_secret()) return wanted;
  return Epoch{wanted.value == 0 ? 0 : wanted.value - 1};
}

void Network::send_secret(Peer& peer) {
  if (!has_committed_secret() || !peer.node || membership_.find(*peer.node) == nullptr) return;
  peer.link->send(wire::SecretFrame{secrets_.front().epoch, secrets_.front().secret.reveal()});
}

/// Compares digests again, after 1, 2, 4, … s, until they agree: what repaired them may be lost
/// too.
void Network::recheck_digest(const Now& now, Peer& peer) {
  if (peer.recheck_at > now.at) return;
  peer.rechecks = std::min(peer.rechecks + 1, 4);
  peer.recheck_at = now.at + kReconInterval * (1 << peer.rechecks);
  peer.link->send(wire::Ping{++peer.ping_sequence, stamp_of(now.at), digest_, committed_epoch()});
}

void Network::handle_secret(const Now& now, Peer& peer, const wire::SecretFrame& frame) {
  static_cast<void>(now);
  auto secret = crypto::Secret<32>::from(frame.secret);
  const auto& commit = membership_.secret();
  // Only the secret that the winning REVOKE committed to counts, whoever brings it. One that comes
  // before its REVOKE is dropped; the next PING asks for it again.
  if (!secret || frame.epoch != commit.epoch || has_committed_secret() ||
      member::secret_commit_of(*secret) != commit.commit) {
    return;
  }
  adopt_secret(frame.epoch, std::move(*secret), &peer);
}

void Network::adopt_secret(Epoch epoch, crypto::Secret<32> secret, const Peer* from) {
  std::erase_if(secrets_, [&](const StoredSecret& s) { return s.epoch == epoch; });
  secrets_.insert(secrets_.begin(), StoredSecret{epoch, std::move(secret)});
  if (secrets_.size() > session::kLiveEpochsMax) secrets_.resize(session::kLiveEpochsMax);
  set_epochs();
  store_secrets();
  log(LogLevel::Info, "network secret is now of epoch " + std::to_string(epoch.value));
  for (auto& [handle, other] : peers_) {
    if (other.get() != from && other->proven && !other->doomed) send_secret(*other);
  }
}

/// Evaluates the set again if it or the time changed, and draws the consequences.
void Network::refresh_membership(const Now& now) {
  if (!membership_stale_) return;
  membership_stale_ = false;
  const member::Member* before = self();
  const bool was_member = before != nullptr;
  const std::optional<Ipv4> old_v4 = before ? before->v4 : std::nullopt;
  const UnixTime at = wall(now);
  membership_ = member::Membership::evaluate(*set_, at);
  digest_ = set_->digest();
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
    peer.node = node;
    by_node_[node] = peer.handle;
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
  for (auto& [handle, peer] : peers_) {
    if (!peer->node || peer->doomed) continue;
    const member::Member* m = membership_.find(*peer->node);
    if (m != nullptr && m->tunnel_key == peer->link->remote()) continue;
    if (m == nullptr) {
      const auto reason = membership_.refusal(peer->grant);
      show_why_cut(*peer);
      peer->link->send_unproven(wire::Bye{reason ? *reason : wire::ByeReason::Revoked});
      log(LogLevel::Info, "cut off a member that is one no longer");
    }
    peer->doomed = true;
  }
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

/// PROTOCOL 3: whoever admitted a member that lost its name or address to another signs a new
/// ADMIT. Others may sign one for the same address at the same moment, so it is tried again; once
/// in a while only, since a repair that does not help must not be repeated for ever.
void Network::mend_conflicts(const Now& now) {
  mend_at_ = Instant::max();
  std::vector<ByteVector> mended;
  for (const auto& [node, m] : membership_.members()) {
    if ((m.v4 && !m.name.empty()) || !admitted_by_us(m)) continue;
    const auto [last, first_time] = mended_at_.try_emplace(node, now.at);
    if (first_time || last->second + kMendInterval <= now.at) {
      last->second = now.at;
      auto statement =
          member::mend(membership_, *set_, {&*identity_, grant_}, node, wall(now), *ctx_->rng);
      if (statement) mended.push_back(std::move(*statement));
    }
    mend_at_ = std::min(mend_at_, last->second + kMendInterval);
  }
  if (!mended.empty()) publish_statements(now, mended);
}

void Network::ping_timeouts(const Now& now) {
  for (Ping& ping : pings_) {
    if (ping.next_at > now.at) continue;
    if (ping.outstanding) {
      ping.outstanding = false;
      --ping.remaining;
      ctx_->outputs.emplace_back(CommandUpdate{
          ping.command, PingResult{ping.sequence, false, {}, std::nullopt, std::nullopt},
          ping.remaining == 0});
      ping.next_at = std::max(now.at, ping.sent_at + ping.interval);
      if (ping.remaining == 0 || ping.next_at > now.at) continue;
    }
    ++ping.sequence;
    ping.sent_at = now.at;
    ping.outstanding = true;
    ping.sent = false;
    ping.next_at = now.at + ping.timeout;
  }
  std::erase_if(pings_, [](const Ping& p) { return p.remaining == 0; });
  send_pings(now);
}

/// Sends what is due to peers that are reachable; the others are called, and their PING goes out
/// when (and if) they answer within its time.
void Network::send_pings(const Now& now) {
  for (Ping& ping : pings_) {
    if (!ping.outstanding || ping.sent) continue;
    Peer* peer = find_peer(ping.node);
    if (peer != nullptr && peer->link->online()) {
      ping.sent = true;
      ping.wire_sequence = static_cast<std::uint16_t>(peer->ping_sequence + 1);
      send_ping(now, *peer);
    } else {
      if (peer != nullptr) want(now, *peer);
    }
  }
}

}  // namespace ipop::engine
