#include "base/check.h"
#include "overlay/ring.h"
#include "overlay/size_estimate.h"

/// The near links of a Ring, and what it tells its links about them.
namespace ipop::overlay {
namespace {

constexpr Duration kAskAgain = std::chrono::seconds(2);
constexpr std::uint8_t kAsksMax = 3;
/// A displaced near link stays so long for the peer to find its nearer one.
constexpr Duration kDisplaced = std::chrono::seconds(30);
/// Who declined is asked again after this, doubled up to 64-fold: as a rule it did not know yet.
constexpr Duration kRefused = std::chrono::milliseconds(400);
/// Who said good-bye is not called before.
constexpr Duration kLeft = std::chrono::seconds(60);
/// NEIGHBOURS after a change of near links: at once, but not more often than this.
constexpr Duration kAnnounceNear = std::chrono::milliseconds(200);
/// ... and once more after this, since nobody acknowledges it.
constexpr Duration kAnnounceAgain = std::chrono::seconds(3);
/// ... after any other change.
constexpr Duration kAnnounceOther = std::chrono::seconds(25);
constexpr Duration kRttUnit = std::chrono::milliseconds(4);

class Digest {
 public:
  void add(std::uint64_t value) {
    // FNV-1a over words; it only has to notice our own changes.
    hash_ = (hash_ ^ value) * 0x100000001b3ULL;
    hash_ ^= hash_ >> 29U;
  }
  std::uint64_t sum() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

std::uint8_t rtt_code(Duration rtt) {
  if (rtt == Duration{}) return 255;
  return static_cast<std::uint8_t>(std::min<std::int64_t>(rtt / kRttUnit, 255));
}

}  // namespace

void Ring::update_near(Instant now) {
  near_stale_ = false;
  const NearPlan plan =
      plan_near({self_, options_.near_per_side, now, links_, calls_, hints_, *directory_});
  if (!links_.empty()) {
    for (const NodeId& node : plan.call) call(now, node);
  }
  near_reach_ = plan.reach;
  complete_ = plan.complete;
  bool negotiating = false;
  for (const NodeId& node : plan.near) {
    Link& link = *links_.find(node);
    if (link.near == NearState::Displaced ||
        (link.near == NearState::None && link.refused_until <= now)) {
      ask_near(now, link);
    }
    negotiating |= link.near == NearState::Asked && link.asks <= kAsksMax;
  }
  near_at_ = calls_.next(now);
  for (Link& link : links_) {
    const bool wanted = std::binary_search(plan.near.begin(), plan.near.end(), link.node);
    // A link is dropped only after its replacement is up.
    if (!wanted && !negotiating && (link.near == NearState::Up || link.near == NearState::Asked)) {
      displace(now, link);
    }
    if (link.refused_until > now) near_at_ = std::min(near_at_, link.refused_until);
  }
  if (plan.thin != thin_) {
    thin_ = plan.thin;
    thin_pause_ = {};
    if (check_at_ != Instant::max()) schedule_check(now);
  }
}

void Ring::ask_near(Instant now, Link& link) {
  link.near = NearState::Asked;
  link.asks = static_cast<std::uint8_t>(std::min(link.asks + 1, 100));
  link.near_deadline = now + kAskAgain;
  hold(link);
  send(link.node, wire::LinkRequest{wire::LinkRole::Near});
}

/// No silent displacement: the peer learns our near set, and keeps the link until it has replaced
/// it, at most kDisplaced.
void Ring::displace(Instant now, Link& link) {
  const bool agreed = link.released_by_peer;
  link.near = agreed ? NearState::None : NearState::Displaced;
  link.released_by_peer = false;
  link.near_deadline = now + kDisplaced;
  link.keep_until = now + kAskAgain;
  send(link.node,
       wire::Unlink{.near = true, .near_set = near_set_of(self_, links_, options_.near_per_side)});
}

void Ring::near_timeouts(Instant now) {
  for (Link& link : links_) {
    if (link.near_deadline > now) continue;
    if (link.near == NearState::Asked) {
      ask_near(now, link);
      near_stale_ |= link.asks == kAsksMax + 1;
    } else if (link.near == NearState::Displaced) {
      link.near = NearState::None;
    } else if (link.near == NearState::Up && link.released_by_peer) {
      // It dropped us though we know nobody nearer: perhaps it knows better by now.
      link.released_by_peer = false;
      link.near = NearState::None;
      near_stale_ = true;
    }
  }
}

void Ring::handle_neighbours(Instant now, Link& link, const wire::Neighbours& frame) {
  link.size_log2_256 = frame.size_log2_256;
  long_listed(now, link, frame);
  if (link.neighbours == frame.links) return;
  for (const wire::Neighbour& n : frame.links) {
    if (!matters(n.id)) continue;
    near_stale_ = true;
    const NodeId* node = link.lists(n.id) ? nullptr : directory_->find(n.id);
    if (node != nullptr) calls_.hasten(now, *node);
  }
  link.neighbours = frame.links;
}

/// Whether a member could be one of our near links, and is no link yet.
bool Ring::matters(RingId id) const {
  const bool near = clockwise(id_, id) < near_reach_[0] || clockwise(id, id_) < near_reach_[1];
  return near && id != id_ && links_.find(id) == nullptr;
}

void Ring::handle_link_request(Instant now, Link& link, const wire::LinkRequest& frame) {
  if (frame.role == wire::LinkRole::Long) return long_requested(now, link);
  const NearPlan plan =
      plan_near({self_, options_.near_per_side, now, links_, calls_, hints_, *directory_});
  const bool suits = std::binary_search(plan.near.begin(), plan.near.end(), link.node);
  if (!suits && link.near != NearState::Up) {
    link.refused_until = {};  // it would say yes
    return send(link.node, wire::LinkAnswer{.alternatives = nearest_links(link.node, links_,
                                                                          wire::kAlternativesMax)});
  }
  link.near = NearState::Up;
  link.asks = 0;
  link.released_by_peer = false;
  near_stale_ = true;
  hold(link);
  send(link.node, wire::LinkAnswer{.yes = true});
}

void Ring::handle_link_answer(Instant now, Link& link, const wire::LinkAnswer& frame) {
  if (frame.role == wire::LinkRole::Long) return long_answer(now, link, frame);
  near_stale_ = true;
  if (frame.yes) {
    if (link.near == NearState::None) {
      // We changed our mind meanwhile; it must not believe otherwise.
      return send(link.node, wire::Unlink{.near = true});
    }
    if (link.near == NearState::Asked) link.near = NearState::Up;
    link.asks = 0;
    return;
  }
  if (link.near == NearState::Asked) link.near = NearState::None;
  link.refused_until = now + kRefused * (1 << std::min<int>(link.asks, 6));
  take_hints(now, link.node, frame.alternatives);
}

void Ring::handle_unlink(Instant now, Link& link, const wire::Unlink& frame) {
  const NodeId node = link.node;
  take_hints(now, node, frame.near_set);
  near_stale_ = true;
  if (frame.leaving) {
    if (link.held) outputs_.emplace_back(Release{node});
    drop_link(now, node, false);
    calls_.fail(now, node, *rng_, kLeft);
    hints_.remove(node);
    return;
  }
  if (frame.distant) long_ended(link);
  if (!frame.near) return;
  if (link.near == NearState::Up) {
    link.released_by_peer = true;
    link.near_deadline = now + kDisplaced;
  } else {
    link.near = NearState::None;
    link.refused_until = now + kRefused;
  }
}

wire::Neighbours Ring::own_neighbours() const {
  wire::Neighbours out;
  out.size_log2_256 = own_size_log2_256(id_, links_, options_.near_per_side);
  for (const Link& link : links_) {
    if (!link.established() || out.links.size() == wire::kNeighboursMax) continue;
    // Ids that share a position are one to everybody else.
    if (!out.links.empty() && out.links.back().id == link.id) continue;
    const bool near = link.near == NearState::Up || link.near == NearState::Displaced;
    out.links.push_back(
        {link.id, near, link.long_out || link.long_in, !link.direct, rtt_code(link.rtt)});
  }
  return out;
}

/// Tells every link our list when it changed: near links at once, the rest when it must go anyway.
void Ring::announce(Instant now) {
  Digest near;
  Digest all;
  for (const Link& link : links_) {
    if (!link.established()) continue;
    const bool is_near = link.near == NearState::Up || link.near == NearState::Displaced;
    if (is_near) near.add(link.id.value);
    all.add(link.id.value);
    all.add((is_near ? 1U : 0U) | (link.long_out || link.long_in ? 2U : 0U) |
            (link.direct ? 0U : 4U));
  }
  const bool changed = near.sum() != announced_near_ || all.sum() != announced_all_;
  if (near.sum() != announced_near_) {
    announce_at_ = std::min(announce_at_, std::max(now, announced_ + kAnnounceNear));
  } else if (all.sum() != announced_all_) {
    announce_at_ = std::min(announce_at_, announced_ + kAnnounceOther);
  }
  if (now < announce_at_) return;
  if (near.sum() != announced_near_) near_changed_ = now;
  announced_near_ = near.sum();
  announced_all_ = all.sum();
  announced_ = now;
  announce_at_ = changed ? now + kAnnounceAgain : Instant::max();
  const wire::Neighbours frame = own_neighbours();
  for (const Link& link : links_) {
    if (link.has_role()) send(link.node, frame);
  }
}

}  // namespace ipop::overlay
