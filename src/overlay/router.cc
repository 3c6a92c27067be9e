#include "overlay/router.h"

#include <tuple>

namespace ipop::overlay {
namespace {

bool among(std::span<const RingId> ids, RingId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// How far a member is from being the one that the mode asks for.
std::uint64_t metric(wire::ForwardMode mode, RingId target, RingId id) {
  switch (mode) {
    case wire::ForwardMode::Exact:
    case wire::ForwardMode::Closest:
      return distance(target, id);
    case wire::ForwardMode::Successor:
      return clockwise(target, id) - 1;
    case wire::ForwardMode::Predecessor:
      return clockwise(id, target) - 1;
  }
  return UINT64_MAX;
}

class Choice {
 public:
  Choice(const RouteQuery& query, const LinkTable& links)
      : query_(query),
        links_(links),
        find_(query.mode != wire::ForwardMode::Exact),
        self_(ring_id(query.self)),
        source_(ring_id(query.source)),
        target_(ring_id(query.destination)) {
    // Whoever asks is never its own answer.
    own_ = find_ && query.source == query.self ? UINT64_MAX : of(self_);
    any_established_ =
        std::any_of(links.begin(), links.end(), [](const Link& l) { return l.established(); });
  }

  Hop make() const {
    if (!find_) {
      const Link* link = links_.find(query_.destination);
      if (link != nullptr && !among(query_.tried, link->id)) return {link, true};
    }
    const Link* ahead = best(true, own_);
    if (ahead != nullptr) return {ahead, of(ahead->id) < own_};
    if (find_) return {way_back(), false};
    if (query_.visited.size() >= kDetoursMax) return {};
    return {best(false, UINT64_MAX), false};
  }

 private:
  std::uint64_t of(RingId id) const { return metric(query_.mode, target_, id); }

  bool usable(const Link& link) const {
    if (among(query_.visited, link.id) || among(query_.tried, link.id)) return false;
    if (link.id == source_) return false;
    // A session without a role may be a member's that is still joining and knows nobody else.
    return link.established() || !any_established_;
  }

  std::uint64_t score(const Link& link) const {
    std::uint64_t lowest = of(link.id);
    if (link.unanswered >= kUnansweredMax || !link.established()) return lowest;
    for (const wire::Neighbour& n : link.neighbours) {
      const std::uint64_t there = of(n.id);
      if (there >= lowest || n.id == self_ || among(query_.visited, n.id) ||
          (find_ && n.id == source_)) {
        continue;
      }
      lowest = there;
    }
    return lowest;
  }

  /// The best usable link with a score below `limit` (or any).
  const Link* best(bool limited, std::uint64_t limit) const {
    const Link* chosen = nullptr;
    std::tuple<bool, std::uint64_t, bool, bool, Duration> rank;
    for (const Link& link : links_) {
      if (!usable(link)) continue;
      const std::uint64_t s = score(link);
      if (limited && s >= limit) continue;
      // The member itself before those that say they link it.
      const auto mine = std::tuple(link.suspect, s, of(link.id) != s, !link.direct, link.rtt);
      if (chosen == nullptr || mine < rank) {
        chosen = &link;
        rank = mine;
      }
    }
    return chosen;
  }

  /// A visited member that was nearer than we are: what it heard of its neighbour, us, was stale.
  const Link* way_back() const {
    const Link* chosen = nullptr;
    std::uint64_t lowest = own_;
    for (const RingId id : query_.visited) {
      const Link* link = links_.find(id);
      if (link == nullptr || of(id) >= lowest || among(query_.tried, id) || id == source_) continue;
      chosen = link;
      lowest = of(id);
    }
    return chosen;
  }

  const RouteQuery& query_;
  const LinkTable& links_;
  bool find_;
  RingId self_;
  RingId source_;
  RingId target_;
  std::uint64_t own_ = 0;
  bool any_established_ = false;
};

}  // namespace

Hop next_hop(const RouteQuery& query, const LinkTable& links) {
  return Choice(query, links).make();
}

}  // namespace ipop::overlay
