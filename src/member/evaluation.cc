#include "member/evaluation.h"

#include <algorithm>

namespace ipop::member {
namespace {

using wire::ByeReason;
using wire::GrantKind;

/// `kept` becomes what both lists hold; absent means everything. Both are ascending.
void intersect(std::optional<std::vector<wire::StatementId>>& kept,
               const std::vector<wire::StatementId>& other) {
  if (!kept) {
    kept = other;
    return;
  }
  std::vector<wire::StatementId> both;
  std::ranges::set_intersection(*kept, other, std::back_inserter(both));
  *kept = std::move(both);
}

bool holds(const std::vector<wire::StatementId>& ids, const wire::StatementId& id) {
  return std::ranges::binary_search(ids, id);
}

}  // namespace

Evaluation::Evaluation(const Graph& graph, UnixTime at)
    : graph_(&graph),
      at_(at),
      states_(graph.nodes.size()),
      downs_(graph.nodes.size()),
      in_excess_(graph.nodes.size()),
      has_redemption_(graph.nodes.size()),
      accepted_(graph.revocations.size()) {
  for (const Graph::Node& node : graph.nodes) {
    if (node.is(GrantKind::Redemption)) has_redemption_[node.issuer] = true;
  }
  accept_revocations();
  pass();
}

bool Evaluation::is_valid(Index node) const {
  return states_[node].stands && !downs_[node].revoked && is_before_end(node, at_);
}

bool Evaluation::invite_stands(Index invite) const {
  return !in_excess_[invite] && acts(graph_->nodes[invite].issuer, graph_->nodes[invite].id);
}

void Evaluation::accept_revocations() {
  const auto& revocations = graph_->revocations;
  bool stale = true;
  for (std::size_t begin = 0; begin < revocations.size();) {
    if (stale) pass();
    stale = false;
    std::size_t end = begin;
    for (; end < revocations.size() && revocations[end].stage == revocations[begin].stage; ++end) {
      const Graph::Revocation& r = revocations[end];
      accepted_[end] = acts(r.issuer, r.id) && is_before_end(r.issuer, r.revoke->time);
    }
    // Judged together, since neither may depend on the other's id; taken together afterwards.
    for (; begin < end; ++begin) {
      if (!accepted_[begin]) continue;
      accept(revocations[begin]);
      stale = true;
    }
  }
}

void Evaluation::accept(const Graph::Revocation& revocation) {
  const wire::Revoke& revoke = *revocation.revoke;
  for (const Index node : revocation.hits) {
    Down& down = downs_[node];
    down.revoked = true;
    down.by_key = down.by_key || revoke.kind == wire::Revoke::Target::Key;
    if (revocation.of_oneself) {
      intersect(down.kept_by_itself, revoke.keep);
      down.left_at = std::min(down.left_at, revoke.time);
    } else {
      intersect(down.kept_by_others, revoke.keep);
    }
  }
}

void Evaluation::pass() {
  std::ranges::fill(states_, State{});
  counted_.clear();
  for (std::size_t i = 0; i < graph_->roots; ++i) {
    states_[i].stands = graph_->nodes[i].is_root_of_line;
  }
  find_excess();
  const UnixTime latest = at_.plus(kTimeTolerance);
  for (const Graph::Event& event : graph_->events) {
    if (event.time > latest) break;
    apply(event);
  }
}

/// Marks the GRANTs beyond the first kLiveGrantsMax live ones of an issuer. One that does not
/// survive its issuer's revocation takes no place, or back-dated ones would push out those that do.
void Evaluation::find_excess() {
  for (const auto& [issuer, grants] : graph_->crowded) {
    std::size_t live = 0;
    for (const Index grant : grants) {
      const bool counts = is_live(grant) && lets_pass(issuer, graph_->nodes[grant].id);
      in_excess_[grant] = counts && ++live > kLiveGrantsMax;
    }
  }
}

bool Evaluation::is_live(Index grant) const {
  if (downs_[grant].revoked || !is_before_end(grant, at_)) return false;
  const wire::Grant& body = *graph_->nodes[grant].grant;
  return body.kind != GrantKind::Invite || has_redemption_[grant] ||
         at_ <= body.redeem_until.plus(kTimeTolerance);
}

void Evaluation::apply(const Graph::Event& event) {
  State& state = states_[event.node];
  if (event.admit == nullptr) {
    const Graph::Node& node = graph_->nodes[event.node];
    if (in_excess_[event.node] || !acts(node.issuer, node.id)) return;
  } else if (!admit_counts(event)) {
    return;
  }
  counted_.push_back({&event, !state.stands});
  if (state.stands) return;
  state.stands = true;
  state.since = event.time;
  if (event.admit != nullptr) ++states_[graph_->nodes[event.node].issuer].used;
}

/// The rules of an ADMIT at its place in the order. Why a redemption was turned away is noted only
/// when a member of good standing admitted it: anything else is no admission at all.
bool Evaluation::admit_counts(const Graph::Event& event) {
  const UnixTime time = event.time;
  if (!acts(event.admitter, event.id, &time) || !is_before_end(event.admitter, time)) return false;
  State& state = states_[event.node];
  if (state.stands) return true;
  const Graph::Node& redemption = graph_->nodes[event.node];
  const Graph::Node& invite = graph_->nodes[redemption.issuer];
  const auto refuse = [&](ByeReason reason) {
    if (!state.refusal) state.refusal = reason;
    return false;
  };
  const UnixTime begin = std::max(redemption.grant->not_before, invite.grant->not_before);
  if (time.plus(kTimeTolerance) < begin) return refuse(ByeReason::NotMember);
  if (!invite_stands(redemption.issuer) || !lets_pass(redemption.issuer, redemption.id)) {
    return false;
  }
  if (!is_before_end(event.node, time) || time > invite.grant->redeem_until.plus(kTimeTolerance)) {
    return refuse(ByeReason::InviteExpired);
  }
  if (states_[redemption.issuer].used >= invite.grant->uses) return refuse(ByeReason::Superseded);
  return true;
}

bool Evaluation::acts(Index node, const wire::StatementId& id, const UnixTime* admit_time) const {
  return states_[node].stands && (!downs_[node].revoked || is_kept(downs_[node], id, admit_time));
}

bool Evaluation::lets_pass(Index node, const wire::StatementId& id) const {
  return !downs_[node].revoked || is_kept(downs_[node], id, nullptr);
}

/// Everybody who revoked must have kept it. Who leaves cannot take back the admissions made before:
/// that would be a way to expel people without the right to.
bool Evaluation::is_kept(const Down& down, const wire::StatementId& id,
                         const UnixTime* admit_time) const {
  if (down.kept_by_others && !holds(*down.kept_by_others, id)) return false;
  if (!down.kept_by_itself || holds(*down.kept_by_itself, id)) return true;
  return admit_time != nullptr && *admit_time <= down.left_at.plus(kTimeTolerance);
}

bool Evaluation::is_before_end(Index node, UnixTime time) const {
  const wire::Grant* grant = graph_->nodes[node].grant;
  return grant == nullptr || time <= grant->not_after.plus(kTimeTolerance);
}

}  // namespace ipop::member
