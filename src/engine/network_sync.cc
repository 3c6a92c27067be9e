// What proven members tell each other (PROTOCOL 22): statements by flood and reconciliation, the
// network secret, addresses, keepalives.

#include <algorithm>

#include "engine/network.h"
#include "engine/overload.h"
#include "member/reconcile.h"

namespace ipop::engine {
namespace {

/// A mismatch lasts while repairs are under way: no new round sooner than this.
constexpr Duration kReconInterval = std::chrono::seconds(1);

/// Of evaluations that one member's statements cause at once.
constexpr TokenBucket::Limit kUrgentLimit{.per_second = 2, .burst = 16};

/// What passes before both PROOFs are accepted; whoever sends anything else has accepted ours.
bool travels_on_any_pair(const wire::Frame& frame) {
  return std::holds_alternative<wire::Proof>(frame) ||
         std::holds_alternative<wire::StatementFrame>(frame) ||
         std::holds_alternative<wire::Bye>(frame) ||
         std::holds_alternative<wire::PathChallenge>(frame) ||
         std::holds_alternative<wire::PathResponse>(frame) ||
         std::holds_alternative<wire::Pong>(frame) || std::holds_alternative<wire::Part>(frame);
}

}  // namespace

void Network::handle_frame(const Now& now, PeerHandle handle, SessionIndex session, const Way& from,
                           Bytes plaintext) {
  Peer* peer = peers_.find(handle);
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
  if (accepted && !travels_on_any_pair(frame)) {
    // The peer would not send it, had it not accepted our PROOF, nor did it know that we accepted
    // its own: as good as the flag, which was lost, and no repetition of its PROOF is an open one.
    proof->second.answers_left = 0;
    if (!proof->second.ours_accepted) {
      proof->second.ours_accepted = true;
      proof->second.resend_at = Instant::max();
      peer.knows_our_chain = true;
      prove(now, peer, session);
    }
  }
  std::visit(Overload{
                 [&](const wire::Proof& f) { handle_proof(now, peer, session, f); },
                 [&](const wire::PathChallenge& f) {
                   peer.link->handle_path_challenge(now, session, from, f);
                 },
                 [&](const wire::PathResponse& f) {
                   if (!take_trial_answer(now, peer, f)) peer.link->handle_path_response(now, f);
                 },
                 [&](const wire::MtuProbe& f) {
                   if (accepted) peer.link->handle_mtu_probe(now, session, from, f);
                 },
                 [&](const wire::MtuResponse& f) {
                   if (accepted) peer.link->handle_mtu_response(now, f);
                 },
                 [&](const wire::Bye& f) { handle_bye(now, peer, f.reason); },
                 [&](const wire::Recon& f) {
                   if (accepted) handle_recon(now, peer, f);
                 },
                 [&](const wire::ReconRanges& f) {
                   if (accepted) handle_recon(now, peer, f);
                 },
                 [&](const wire::Ping& f) {
                   if (accepted) handle_ping(now, peer, session, f);
                 },
                 [&](const wire::Pong& f) {
                   if (accepted) handle_pong(now, peer, f);
                 },
                 [&](const wire::SecretFrame& f) {
                   if (accepted) handle_secret(now, peer, f);
                 },
                 [&](const wire::StatementFrame& f) {
                   if (accepted) handle_statements(now, std::array{f.statement}, peer);
                 },
                 [&](const wire::Observed& f) {
                   if (accepted) handle_observed(now, peer, from, f);
                 },
                 [&](const wire::Ports& f) {
                   if (accepted) handle_ports(now, peer, f);
                 },
                 [&](const wire::Spread& f) {
                   if (accepted) handle_spread(now, peer, f);
                 },
                 [&](const wire::Spreading& f) {
                   if (accepted) handle_spreading(now, peer, f);
                 },
                 [&](const wire::Peers& f) {
                   if (accepted) handle_peers(now, peer, f);
                 },
                 [&](const wire::Streams& f) {
                   if (accepted) handle_streams(now, peer, f);
                 },
                 [&](const wire::Diagnose& f) {
                   if (accepted) handle_diagnose(now, peer, f);
                 },
                 [&](const wire::Diagnosis& f) {
                   if (accepted) handle_diagnosis(now, peer, f);
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

/// Adds what is genuine; returns what was not there yet.
std::vector<wire::StatementId> Network::add_statements(std::span<const Bytes> statements) {
  std::vector<wire::StatementId> joined;
  for (const Bytes s : statements) static_cast<void>(set_->add(s, &joined));
  return joined;
}

/// Statements of others: passed on at once; evaluated and written when there is time, except that
/// nobody keeps what a REVOKE takes.
void Network::handle_statements(const Now& now, std::span<const Bytes> statements, Peer& from) {
  const auto joined = add_statements(statements);
  if (joined.empty()) return;
  const auto takes = [&](const wire::StatementId& id) { return may_lose_by(id); };
  // Anybody may sign a REVOKE that takes nothing, and send a thousand: those wait their turn.
  const bool urgent =
      std::ranges::any_of(joined, takes) && from.urgent_budget.take(now.at, kUrgentLimit);
  if (urgent || state_ == State::Joining) pace_.demand_evaluation();
  if (state_ != State::Joining) pace_.handle_joined(now.at);
  flood(joined, &from);
}

/// Whether somebody who counts by the present answer may not by the next one.
bool Network::may_lose_by(const wire::StatementId& joined) const {
  const wire::Statement& statement = set_->find(joined)->statement;
  if (const auto* revoke = std::get_if<wire::Revoke>(&statement.body)) {
    return membership_.may_lose_by(*set_, *revoke);
  }
  if (const auto* skey = std::get_if<wire::Skey>(&statement.body)) {
    const member::Member* holder = membership_.by_identity(skey->identity);
    return holder != nullptr && holder->tunnel_key != skey->tunnel_key;
  }
  return std::holds_alternative<wire::Roll>(statement.body);
}

/// Statements of our own: on disk first, then to everybody.
void Network::publish_statements(const Now& now, const std::vector<ByteVector>& statements) {
  const std::vector<Bytes> views(statements.begin(), statements.end());
  const auto joined = add_statements(views);
  if (joined.empty()) return;
  pace_.demand_evaluation();
  if (state_ == State::Member) store_statements(now);
  flood(joined, nullptr);
}

void Network::flood(const std::vector<wire::StatementId>& ids, const Peer* except) {
  peers_.change_if([&](const Peer& peer) { return &peer != except && peer.proven && !peer.doomed; },
                   [&](Peer& peer) {
                     for (const wire::StatementId& id : ids) send_statement(peer, id);
                   });
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

template <class ReconFrame>
void Network::handle_recon(const Now& now, Peer& peer, const ReconFrame& frame) {
  if (!peer.node) return;
  ReconBudget& budget = recon_budgets_[*peer.node];
  if (!budget.admit(now.at)) return;
  member::ReconAnswer answer = member::answer_recon(*set_, frame);
  answer.frames.resize(budget.take_frames(now.at, answer.frames.size()));
  for (const member::ReconFrame& f : answer.frames) {
    std::visit([&](const auto& written) { peer.link->send(written); }, f);
  }
  auto& wanted = answer.wanted_by_them;
  wanted.resize(budget.take_statements(now.at, wanted.size(), set_->size()));
  peer.outbox.add(now.at, *set_, wanted);
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
  tell_observed(now, peer);
  if (!peer.link->endpoint()) send_own_candidates(peer);  // lost once, it would stay relayed
  peer.link->send(next_ping(now, peer));
  peer.link->handle_ping_sent(now);
}

wire::Ping Network::next_ping(const Now& now, Peer& peer) const {
  peer.ping_sent_at = now.at;
  peer.ping_digest = set_->digest();
  return {++peer.ping_sequence, committed_epoch(), peer.ping_digest};
}

void Network::handle_ping(const Now& now, Peer& peer, SessionIndex session,
                          const wire::Ping& ping) {
  wire::Pong pong{ping.sequence, committed_epoch(), std::nullopt};
  if (ping.digest != set_->digest()) pong.digest = set_->digest();
  peer.link->send_on(session, pong);
  peer.link->handle_ping(now, session);
  compare_digest(now, peer, ping.digest, ping.epoch);
}

void Network::handle_pong(const Now& now, Peer& peer, const wire::Pong& pong) {
  const bool answers_last = pong.sequence == peer.ping_sequence;
  if (answers_last) peer.link->handle_pong(now, peer.ping_sent_at);
  for (Ping& ping : pings_) {
    if (!ping.outstanding || peer.node != ping.node || ping.wire_sequence != pong.sequence)
      continue;
    ping.outstanding = false;
    ping.next_at = ping.sent_at + ping.interval;
    if (--ping.remaining == 0) ping.next_at = now.at;
    ctx_->outputs.emplace_back(CommandUpdate{
        ping.command,
        PingResult{ping.sequence, true, now.at - ping.sent_at, leg_of(peer), relay_of(peer)},
        ping.remaining == 0});
  }
  std::erase_if(pings_, [](const Ping& p) { return p.remaining == 0; });
  // What it agreed with in an earlier PING is forgotten.
  if (pong.digest || answers_last) {
    compare_digest(now, peer, pong.digest.value_or(peer.ping_digest), pong.epoch);
  }
}

void Network::compare_digest(const Now& now, Peer& peer, const wire::Digest& digest, Epoch epoch) {
  if (digest == set_->digest()) {
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
  peer.link->send(next_ping(now, peer));
}

void Network::handle_secret(const Now& now, Peer& peer, const wire::SecretFrame& frame) {
  if (frame.epoch > membership_.secret().epoch) settle_membership(now);
  if (peer.doomed) return;
  auto secret = crypto::Secret<32>::from(frame.secret);
  const auto& commit = membership_.secret();
  // Only the secret that the winning REVOKE committed to counts, whoever brings it. One that comes
  // before its REVOKE is dropped; the next PING asks for it again.
  if (!secret || frame.epoch != commit.epoch || has_committed_secret() ||
      member::secret_commit_of(*secret) != commit.commit) {
    return;
  }
  adopt_secret(now, frame.epoch, std::move(*secret), &peer);
}

void Network::adopt_secret(const Now& now, Epoch epoch, crypto::Secret<32> secret,
                           const Peer* from) {
  std::erase_if(secrets_, [&](const StoredSecret& s) { return s.epoch == epoch; });
  secrets_.insert(secrets_.begin(), StoredSecret{epoch, std::move(secret)});
  if (secrets_.size() > session::kLiveEpochsMax) secrets_.resize(session::kLiveEpochsMax);
  set_epochs();
  if (pace_.is_store_owed()) store_statements(now);  // the REVOKE that it belongs to
  store_secrets();
  log(LogLevel::Info, "network secret is now of epoch " + std::to_string(epoch.value));
  peers_.change_if(
      [&](const Peer& other) { return &other != from && other.proven && !other.doomed; },
      [&](Peer& other) { send_secret(other); });
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
    Peer* peer = peers_.find(ping.node);
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
