// PROOF (PROTOCOL 10) and the admission of newcomers (PROTOCOL 3): until both sides have accepted
// each other's membership, nothing but these passes.

#include <algorithm>
#include <array>

#include "engine/network.h"
#include "engine/text.h"

namespace ipop::engine {
namespace {

constexpr int kFlaggedSends = 3;

constexpr Duration kResendFirst = std::chrono::milliseconds(250);
constexpr Duration kAskInterval = std::chrono::milliseconds(1500);
constexpr Duration kRefusalWait = std::chrono::seconds(4);
constexpr Duration kAnswerInterval = std::chrono::milliseconds(200);
/// Within it the pairs of one beginning are made, where both ends began at once.
constexpr Duration kBeginning = std::chrono::seconds(1);
/// Statements taken from one PROOF: a chain of rank 15 with its admitters fits the first, a
/// joiner's chain the second. Strangers hold an invite at best, so they get the smaller purse.
constexpr std::size_t kProofStatementsMax = 512;
constexpr std::size_t kStrangerStatementsMax = 80;

}  // namespace

/// A joiner asks one host at a time, the next one a second later: two that admit the same
/// redemption at once would give it two addresses. True when this one may be asked now.
bool Network::may_ask(const Now& now, SessionIndex session, Peer& peer) {
  PairProof& state = peer.proofs.at(session);
  if (state.sends > 0) return true;
  if (now.at < join_->ask_next_at) {
    state.resend_at = join_->ask_next_at;
    return false;
  }
  join_->ask_next_at = now.at + kAskInterval;
  return true;
}

/// One host will not let us in. Another one may know more (the invite's GRANT may not have reached
/// the first), so this is final only when no other is left, or none answers soon.
void Network::handle_refusal(const Now& now, Peer& peer, wire::ByeReason reason) {
  join_->refusal = reason;
  join_->ask_next_at = now.at;
  peer.doomed = true;
  bool others = false;
  peers_.change_if([](const Peer& other) { return !other.doomed; },
                   [&](Peer& other) {
                     others = true;
                     for (auto& [session, proof] : other.proofs) {
                       if (proof.sends == 0) proof.resend_at = now.at;
                     }
                   });
  join_->deadline = std::min(join_->deadline, others ? now.at + kRefusalWait : now.at);
}

void Network::send_proof(const Now& now, Peer& peer, SessionIndex session) {
  const auto it = peer.proofs.find(session);
  if (it == peer.proofs.end()) return;
  PairProof& state = it->second;
  if (state_ == State::Joining && join_ && !may_ask(now, session, peer)) return;
  wire::Proof proof;
  proof.accepted_yours = state.theirs_accepted;
  // The last two are for those who have an older ipop, which takes no flag but the first.
  proof.begins_anew = state.ours_anew && state.sends < kFlaggedSends;
  proof.grant = grant_;
  if (const member::Member* me = self()) proof.skey = me->skey;

  std::vector<Bytes> statements;
  if (state_ == State::Joining && join_) {
    for (const ByteVector& s : join_->proof) statements.emplace_back(s);
  } else if (!(peer.knows_our_chain && state.sends == 0)) {
    std::vector<wire::StatementId> ids = set_->chain_of(grant_);
    // A newcomer learns with the same message that, and by whom, it was admitted.
    if (const member::Member* them = peer.node ? membership_.find(*peer.node) : nullptr) {
      for (const wire::StatementId& id : set_->chain_of(them->grant)) {
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
      }
    }
    std::size_t size = 0;
    for (const wire::StatementId& id : ids) {
      const member::StoredStatement* s = set_->find(id);
      if (s == nullptr || size + s->bytes.size() + 2 > wire::kMessageSizeMax - 64) continue;
      size += s->bytes.size() + 2;
      statements.emplace_back(s->bytes);
    }
  }
  proof.statements = std::move(statements);
  peer.link->send_on(session, proof);
  state.resend_at = state.ours_accepted ? Instant::max()
                                        : now.at + kResendFirst * (1 << std::min(state.sends, 4));
  ++state.sends;
}

void Network::handle_proof(const Now& now, Peer& peer, SessionIndex session,
                           const wire::Proof& proof) {
  const auto it = peer.proofs.find(session);
  if (it == peer.proofs.end()) return;
  const PairProof& state = it->second;
  if (proof.statements.size() > (peer.proven ? kProofStatementsMax : kStrangerStatementsMax))
    return;
  handle_statements(now, proof.statements, peer);
  if (!state.theirs_accepted) settle_membership(now);
  if (peer.doomed) return;
  if (!state.theirs_accepted && !evaluate_proof(now, peer, session, proof)) return;
  take_proof(now, peer, session,
             {.accepted_ours = proof.accepted_yours, .begins_anew = proof.begins_anew});
}

/// What follows from a PROOF of a peer that is accepted.
void Network::take_proof(const Now& now, Peer& peer, SessionIndex session, ProofFlags flags) {
  PairProof& state = peer.proofs.at(session);
  const bool was_complete = state.theirs_accepted && state.ours_accepted;
  const bool news = !state.theirs_accepted;
  if (news) {
    state.theirs_accepted = true;
    state.theirs_anew = flags.begins_anew;
  }
  if (flags.accepted_ours) {
    state.ours_accepted = true;
    peer.knows_our_chain = true;
    state.resend_at = Instant::max();
  }
  // Whoever repeats its PROOF has missed ours. Only a complete side answers repetitions. It cannot
  // tell them from answers to its own, so it answers no more of them than there may be: two
  // complete sides would go on for ever otherwise, where the round trip is longer than the
  // interval.
  const bool repeat =
      was_complete && state.answers_left > 0 && state.answered_at + kAnswerInterval <= now.at;
  if (repeat) --state.answers_left;
  if (news || repeat) {
    state.answered_at = now.at;
    send_proof(now, peer, session);
  }
  if (state.theirs_accepted && state.ours_accepted && !was_complete) { prove(now, peer, session); }
}

/// Whether a session is about to begin, rather than to get another pair.
bool Network::begins_anew(const Peer& peer) {
  return !peer.link->online() && std::ranges::none_of(peer.proofs, [](const auto& entry) {
    return entry.second.theirs_accepted;
  });
}

/// Both PROOFs on the pair are accepted: it carries everything from now on.
void Network::prove(const Now& now, Peer& peer, SessionIndex session) {
  const PairProof& proof = peer.proofs.at(session);
  const auto pair = peer.link->pairs().find(session);
  // Of two pairs with which both ends began at once, the second is no new beginning.
  const bool had_session = peer.was_online && pair != peer.link->pairs().end() &&
                           peer.online_since + kBeginning < pair->second.made;
  if (proof.theirs_anew && had_session) forget_session(now, peer);
  peer.link->prove(now, session);
}

/// The peer has lost the session that we still have (as a rule it was started again), and with it
/// whatever we agreed on: its part in the ring, circuits, what we told it once.
void Network::forget_session(const Now& now, Peer& peer) {
  if (peer.node) {
    relays_.handle_down(now.at, *peer.node);
    if (ring_) ring_->handle_down(now.at, *peer.node);
  }
  note_no_longer_direct(peer);
  peer.routed_until = Instant::max();
  peer.was_online = false;  // what it hears at the beginning of a session, it hears again
}

/// Accepts the peer if what is known by now makes it a member with this tunnel key.
bool Network::evaluate_proof(const Now& now, Peer& peer, SessionIndex session,
                             const wire::Proof& proof) {
  if (state_ == State::Joining && set_->genesis() == nullptr) return false;
  const member::StoredStatement* stored = set_->find(proof.grant);
  const auto* grant = stored ? std::get_if<wire::Grant>(&stored->statement.body) : nullptr;
  if (grant == nullptr) {
    // A short PROOF of a chain that we do not hold (any more): ours, unaccepting, asks for the
    // rest.
    if (state_ == State::Member) send_proof(now, peer, session);
    return false;
  }
  const auto is_theirs = [&](const member::Member* m) {
    return m != nullptr && m->identity == grant->subject && m->tunnel_key == peer.link->remote();
  };
  if (const member::Member* m = membership_.by_identity(grant->subject); is_theirs(m)) {
    accept_peer(now, peer, *m);
    return true;
  }
  if (state_ != State::Member) return false;
  peer.grant = proof.grant;
  if (const auto reason = membership_.refusal(proof.grant)) {
    refuse(now, peer, session, *reason);
    return false;
  }
  if (grant->kind == wire::GrantKind::Redemption && grant->tunnel_key == peer.link->remote() &&
      !membership_.is_revoked(grant->subject)) {
    admit_redemption(now, peer, session, proof);
    return false;  // settle_admissions() goes on
  }
  refuse(now, peer, session,
         membership_.is_revoked(grant->subject) ? wire::ByeReason::Revoked
                                                : wire::ByeReason::NotMember);
  return false;
}

/// PROTOCOL 3: countersign, store, and only then answer.
void Network::admit_redemption(const Now& now, Peer& peer, SessionIndex session,
                               const wire::Proof& proof) {
  const wire::StatementId redemption = proof.grant;
  const auto is_it = [&](const Admission& a) { return a.redemption == redemption; };
  if (std::ranges::any_of(admissions_, is_it)) return;
  const member::Author author{&*identity_, grant_};
  auto admitted = member::admit(membership_, *set_, author, redemption, wall(now), *ctx_->rng);
  if (!admitted) { return refuse(now, peer, session, admitted.error()); }
  admissions_.push_back({.redemption = redemption,
                         .admit = std::move(*admitted),
                         .peer = peer.handle,
                         .session = session,
                         .accepted_ours = proof.accepted_yours,
                         .begins_anew = proof.begins_anew});
  admissions_.back().ticket = store_statements(now);
}

/// The ADMITs under this ticket are on the disk: everybody may see them. Otherwise nobody does, and
/// the joiner, which repeats its PROOF, gets another chance.
void Network::settle_admissions(const Now& now, Ticket ticket, bool ok) {
  std::vector<Admission> settled;
  for (Admission& a : admissions_) {
    if (a.ticket == ticket) settled.push_back(std::move(a));
  }
  std::erase_if(admissions_, [&](const Admission& a) { return a.ticket == ticket; });
  if (settled.empty()) return;
  for (const Admission& a : settled) {
    if (ok) answer_admission(now, a);
  }
  if (!ok) log(LogLevel::Warning, "nobody is admitted that could not be saved");
  pump(now);
}

void Network::answer_admission(const Now& now, const Admission& admission) {
  flood(add_statements(std::array{Bytes(admission.admit)}), nullptr);
  pace_.demand_evaluation();
  refresh_membership(now);
  Peer* peer = peers_.find(admission.peer);
  if (state_ != State::Member || peer == nullptr || peer->doomed) return;
  const auto& grant = std::get<wire::Grant>(set_->find(admission.redemption)->statement.body);
  const member::Member* m = membership_.by_identity(grant.subject);
  if (m == nullptr) {
    const auto reason = membership_.refusal(admission.redemption);
    refuse(now, *peer, admission.session, reason ? *reason : wire::ByeReason::NotMember);
    return;
  }
  log(LogLevel::Info, "admitted " + m->name);
  accept_peer(now, *peer, *m);
  if (!peer->proofs.contains(admission.session)) return;
  take_proof(now, *peer, admission.session,
             {.accepted_ours = admission.accepted_ours, .begins_anew = admission.begins_anew});
}

void Network::accept_peer(const Now& now, Peer& peer, const member::Member& member) {
  peer.proven = true;
  peer.grant = member.grant;
  // One member, one peer: an older object with another tunnel key of the same member goes.
  if (Peer* old = peers_.find(member.node); old != nullptr && old->handle != peer.handle) {
    old->doomed = true;
  }
  peers_.set_node(peer, member.node);
  ctx_->snapshot_stale = true;
  static_cast<void>(now);
  if (state_ == State::Joining && join_ && join_->found.empty()) {
    join_->found = member.name;
    join_->path = leg_of(peer);
    if (join_->has_command && join_->path) {
      ctx_->outputs.emplace_back(
          CommandUpdate{join_->command, JoinFound{member.name, join_->path->endpoint()}, false});
    }
  }
}

void Network::refuse(const Now& now, Peer& peer, SessionIndex session, wire::ByeReason reason) {
  static_cast<void>(now);
  log(LogLevel::Info, "refused a redemption or a former member");
  show_why_cut(peer);
  peer.link->send_on(session, wire::Bye{reason});
  peer.doomed = true;
}

/// Whoever called and was not heard of again, under a key that is nobody's, is forgotten then.
Instant Network::stranger_until(const Peer& peer) const {
  const bool waits = state_ != State::Joining && !peer.node && peer.proofs.empty() && !peer.doomed;
  return waits ? peer.since + kProofTime : Instant::max();
}

void Network::proof_timeouts(const Now& now, Peer& peer) {
  for (auto& [session, proof] : peer.proofs) {
    if (proof.resend_at > now.at) continue;
    if (proof.sends == 0 || now.at - proof.since < kProofTime) {
      send_proof(now, peer, session);
      continue;
    }
    // Nothing came of it: a stranger is forgotten, a member called again in its time.
    proof.resend_at = Instant::max();
    if (peer.link->sending() != nullptr) continue;
    if (state_ == State::Joining) {
      peer.link->reset(now);
      peer.link->connect(now);
    } else if (peer.node) {
      peer.link->reset(now);
    } else {
      peer.doomed = true;
    }
    return;
  }
}

}  // namespace ipop::engine
