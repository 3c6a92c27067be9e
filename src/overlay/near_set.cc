#include "overlay/near_set.h"

namespace ipop::overlay {
namespace {

/// Enough that dead ones among the candidates do not keep the living waiting.
constexpr std::size_t kCallsPerSide = 8;

struct Candidate {
  std::uint64_t distance;
  const NodeId* node;
  friend bool operator<(const Candidate& a, const Candidate& b) { return a.distance < b.distance; }
};

/// The nearest few, each position once.
class Nearest {
 public:
  explicit Nearest(std::size_t most) : most_(most) {}

  void add(const Candidate& candidate) {
    const auto at = std::lower_bound(all_.begin(), all_.end(), candidate);
    if (at != all_.end() && at->distance == candidate.distance) return;
    if (all_.size() == most_ && at == all_.end()) return;
    all_.insert(at, candidate);
    if (all_.size() > most_) all_.pop_back();
  }
  bool full() const { return all_.size() == most_; }
  std::uint64_t reach() const { return full() ? all_.back().distance : UINT64_MAX; }
  const std::vector<Candidate>& all() const { return all_; }

 private:
  std::size_t most_;
  std::vector<Candidate> all_;
};

void plan_side(const NearView& view, Side side, NearPlan& plan) {
  const RingId self = ring_id(view.self);
  Nearest live(view.per_side);
  for (const Link& link : view.links) { live.add({distance_on(side, self, link.id), &link.node}); }
  for (const Candidate& c : live.all()) plan.near.push_back(*c.node);
  plan.reach[static_cast<std::size_t>(side)] = live.reach();

  Nearest wanted(kCallsPerSide);
  const auto consider = [&](const NodeId* node) {
    if (node == nullptr || *node == view.self || view.links.find(*node) != nullptr) return;
    const std::uint64_t there = distance_on(side, self, ring_id(*node));
    if (there == 0 || there >= live.reach() || view.calls.resting(view.now, *node)) return;
    wanted.add({there, node});
  };
  for (const Link& link : view.links) {
    for (const wire::Neighbour& n : link.neighbours) {
      const std::uint64_t there = distance_on(side, self, n.id);
      if (there == 0 || there >= live.reach() || (wanted.full() && there >= wanted.reach())) {
        continue;
      }
      consider(view.directory.find(n.id));
    }
  }
  for (const Hints::Entry& hint : view.hints.entries()) {
    if (view.directory.contains(hint.node)) consider(&hint.node);
  }
  for (std::size_t n = 0; n < view.per_side; ++n) {
    const NodeId* node = view.directory.nearest(view.self, side, n);
    consider(node);
    if (node != nullptr && view.links.find(*node) == nullptr) plan.complete = false;
  }
  for (const Candidate& c : wanted.all()) plan.call.push_back(*c.node);
  const std::size_t others = view.directory.size() - (view.directory.contains(view.self) ? 1U : 0U);
  if (!live.full() && others > view.links.size()) plan.thin = true;
}

void make_set(std::vector<NodeId>& nodes) {
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
}

}  // namespace

void Hints::add(Instant now, const NodeId& node) {
  remove(node);
  if (entries_.size() == kMax) entries_.erase(entries_.begin());
  entries_.push_back({node, now + kLife});
}

void Hints::remove(const NodeId& node) {
  std::erase_if(entries_, [&](const Entry& e) { return e.node == node; });
}

void Hints::expire(Instant now) {
  std::erase_if(entries_, [&](const Entry& e) { return e.until <= now; });
}

NearPlan plan_near(const NearView& view) {
  NearPlan plan;
  plan_side(view, Side::After, plan);
  plan_side(view, Side::Before, plan);
  make_set(plan.near);
  return plan;
}

std::vector<NodeId> near_set_of(const NodeId& self, const LinkTable& links, std::size_t per_side) {
  std::vector<NodeId> out;
  for (const Side side : {Side::After, Side::Before}) {
    Nearest nearest(per_side);
    for (const Link& link : links) {
      if (link.near != NearState::Up) continue;
      nearest.add({distance_on(side, ring_id(self), link.id), &link.node});
    }
    for (const Candidate& c : nearest.all()) out.push_back(*c.node);
  }
  make_set(out);
  return out;
}

std::vector<NodeId> nearest_links(const NodeId& target, const LinkTable& links, std::size_t most) {
  Nearest nearest(most);
  for (const Link& link : links) {
    if (link.node != target && link.established()) {
      nearest.add({distance(ring_id(target), link.id), &link.node});
    }
  }
  std::vector<NodeId> out;
  for (const Candidate& c : nearest.all()) out.push_back(*c.node);
  make_set(out);
  return out;
}

}  // namespace ipop::overlay
