#include "member/graph.h"

#include <algorithm>

namespace ipop::member {
namespace {

using wire::GrantKind;

template <class Body>
const Body* body_of(const StoredStatement& stored) {
  return std::get_if<Body>(&stored.statement.body);
}

/// An invite acts through the members it makes, one rank further down; it falls to whoever may
/// revoke those.
unsigned revocable_rank(const Graph::Node& node) {
  return node.is(GrantKind::Invite) ? node.rank + 1U : node.rank;
}

}  // namespace

wire::StatementId granted_id(const wire::Revoke& revoke) {
  wire::StatementId out;
  copy_bytes(out.bytes, revoke.target.view().first(out.bytes.size()));
  return out;
}

Graph::Graph(const StatementSet& set) : root_issuer_(root_issuer_of(set.network())) {
  if (set.genesis() == nullptr) return;
  genesis = body_of<wire::Genesis>(*set.genesis());
  add_roots(set);
  add_grants(set);
  add_rest(set);
  find_hits();
}

Graph::Index Graph::index_of(const wire::StatementId& id) const {
  const auto it = index_.find(id);
  return it == index_.end() ? kNone : it->second;
}

/// GENESIS' root, then every ROLL's; those on the line are found by walking it: of the ROLLs that
/// the current pair of keys signed for the next epoch, recovery beats root, then the lower id wins.
void Graph::add_roots(const StatementSet& set) {
  nodes.push_back({.id = root_issuer_, .subject = genesis->root, .is_root_of_line = true});
  index_.emplace(root_issuer_, 0);
  std::map<std::uint32_t, std::vector<const StoredStatement*>> by_epoch;
  for (const auto& [id, stored] : set.all()) {
    const auto* roll = body_of<wire::Roll>(stored);
    if (roll == nullptr) continue;
    index_.emplace(id, static_cast<Index>(nodes.size()));
    nodes.push_back({.id = id, .subject = roll->root, .root_epoch = roll->epoch});
    by_epoch[roll->epoch].push_back(&stored);
  }
  roots = nodes.size();
  current_root = 0;
  IdentityKey root = genesis->root;
  IdentityKey recovery = genesis->recovery;
  for (std::uint32_t epoch = 1;; ++epoch) {
    const StoredStatement* best = nullptr;
    bool best_by_recovery = false;
    if (const auto rivals = by_epoch.find(epoch); rivals != by_epoch.end()) {
      for (const StoredStatement* rival : rivals->second) {
        const bool by_recovery =
            body_of<wire::Roll>(*rival)->signer == wire::Roll::Signer::Recovery;
        if (rival->signer != (by_recovery ? recovery : root)) continue;
        if (best != nullptr && (best_by_recovery || !by_recovery)) continue;
        best = rival;
        best_by_recovery = by_recovery;
      }
    }
    if (best == nullptr) return;
    current_root = index_of(best->id);
    nodes[current_root].is_root_of_line = true;
    root = body_of<wire::Roll>(*best)->root;
    recovery = body_of<wire::Roll>(*best)->recovery;
  }
}

void Graph::add_grants(const StatementSet& set) {
  for (const auto& [id, stored] : set.all()) {
    const auto* grant = body_of<wire::Grant>(stored);
    if (grant == nullptr) continue;
    const auto index = static_cast<Index>(nodes.size());
    index_.emplace(id, index);
    by_subject[grant->subject].push_back(index);
    nodes.push_back({.id = id,
                     .subject = grant->subject,
                     .grant = grant,
                     .rank = grant->rank,
                     .rights = grant->rights});
  }
  std::unordered_map<Index, std::vector<Index>> issued;
  for (std::size_t i = roots; i < nodes.size(); ++i) {
    nodes[i].issuer = index_of(nodes[i].grant->issuer);
    // An invite's redemptions are bounded by its uses instead.
    if (!nodes[i].is(GrantKind::Redemption)) {
      issued[nodes[i].issuer].push_back(static_cast<Index>(i));
    }
  }
  for (auto& [issuer, list] : issued) {
    if (list.size() <= kLiveGrantsMax) continue;
    std::ranges::sort(list, {},
                      [&](Index i) { return std::pair(nodes[i].grant->not_before, nodes[i].id); });
    crowded.emplace(issuer, std::move(list));
  }
}

void Graph::add_rest(const StatementSet& set) {
  for (std::size_t i = roots; i < nodes.size(); ++i) {
    if (!nodes[i].is(GrantKind::Member) && !nodes[i].is(GrantKind::Device)) continue;
    events.push_back({nodes[i].grant->not_before, nodes[i].id, static_cast<Index>(i)});
  }
  for (const auto& [id, stored] : set.all()) {
    if (const auto* admit = body_of<wire::Admit>(stored)) {
      events.push_back(
          {admit->time, id, index_of(admit->redemption), index_of(admit->admitter), admit});
    } else if (const auto* revoke = body_of<wire::Revoke>(stored)) {
      revocations.push_back({.id = id, .revoke = revoke, .issuer = index_of(revoke->issuer)});
    } else if (const auto* skey = body_of<wire::Skey>(stored)) {
      skeys.push_back({id, skey});
    } else if (const auto* config = body_of<wire::Config>(stored)) {
      configs.push_back({id, config, index_of(config->issuer)});
    }
  }
  std::ranges::sort(events, [](const Event& a, const Event& b) { return a < b; });
}

bool Graph::descends(Index node, Index ancestor) const {
  // Ranks fall by one from each GRANT to its issuer, so this ends after at most 15 steps.
  for (Index i = nodes[node].issuer; i != kNone; i = nodes[i].issuer) {
    if (i == ancestor) return true;
  }
  return false;
}

/// Whether the issuer has power over the target: its own key, what descends from it, or, with the
/// right to kick, whatever stands further from the root. Nothing else, so a REVOKE can neither
/// rise nor reach an equal, and no statement added later takes the power away.
bool Graph::is_hit(const Revocation& revocation, Index target) const {
  const Node& issuer = nodes[revocation.issuer];
  const Node& node = nodes[target];
  if (node.subject == issuer.subject || descends(target, revocation.issuer)) return true;
  return (issuer.rights & wire::kRightKick) != 0 && issuer.rank < revocable_rank(node);
}

void Graph::find_hits() {
  const std::uint32_t newest = nodes[current_root].root_epoch;
  for (Revocation& r : revocations) {
    const Node& issuer = nodes[r.issuer];
    const bool of_key = r.revoke->kind == wire::Revoke::Target::Key;
    if (of_key) {
      if (const auto it = by_subject.find(r.revoke->target); it != by_subject.end()) {
        for (const Index i : it->second) {
          if (is_hit(r, i)) r.hits.push_back(i);
        }
      }
      // A root falls to its successors alone.
      for (Index i = 0; issuer.is_root_of_line && i < roots; ++i) {
        if (nodes[i].is_root_of_line && nodes[i].root_epoch < issuer.root_epoch &&
            nodes[i].subject == r.revoke->target) {
          r.hits.push_back(i);
        }
      }
    } else if (const Index i = index_of(granted_id(*r.revoke)); i != kNone && i >= roots) {
      if (is_hit(r, i)) r.hits.push_back(i);
    }
    r.of_oneself = issuer.grant != nullptr &&
                   (of_key ? r.revoke->target == issuer.subject
                           : !r.hits.empty() && nodes[r.hits.front()].subject == issuer.subject);
    const std::uint64_t age = issuer.grant == nullptr ? newest - issuer.root_epoch : 0;
    r.stage = (std::uint64_t{issuer.rank} << 33U) | ((age & 0xffffffffU) << 1U) |
              (r.of_oneself ? 0U : 1U);
  }
  std::ranges::sort(revocations, [](const Revocation& a, const Revocation& b) {
    return std::tie(a.stage, a.id) < std::tie(b.stage, b.id);
  });
}

}  // namespace ipop::member
