#include "overlay/ring.h"

#include "base/check.h"
#include "overlay/shrink.h"
#include "overlay/size_estimate.h"

namespace ipop::overlay {
namespace {

constexpr std::size_t kBootCalls = 4;
/// A session without a role is kept so long for one to be agreed.
constexpr Duration kKeep = std::chrono::seconds(10);
constexpr std::size_t kOutputsKept = 16;

}  // namespace

Ring::Ring(Rng& rng, const NodeId& self, const Options& options)
    : rng_(&rng), self_(self), id_(ring_id(self)), options_(options), directory_(&nobody_) {}

void Ring::set_directory(Instant now, const Directory& directory) {
  if (left_) return;
  directory_ = &directory;
  std::vector<NodeId> gone;
  for (const Link& link : links_) {
    if (!directory.contains(link.node)) gone.push_back(link.node);
  }
  for (const NodeId& node : gone) {
    outputs_.emplace_back(Release{node});
    drop_link(now, node, false);
  }
  for (const NodeId& node : calls_.retain([&](const NodeId& n) { return directory.contains(n); })) {
    outputs_.emplace_back(Release{node});
    long_gone(now, node);
  }
  boot_at_ = now;
  boot_cursor_ = 0;
  near_stale_ = true;
  draw_soon(now);
  settle(now);
}

void Ring::handle_up(Instant now, const NodeId& node, const LinkQuality& quality) {
  if (left_ || node == self_ || !directory_->contains(node)) return;
  if (Link* known = links_.find(node)) {
    near_stale_ |= known->direct != quality.direct;
    known->direct = quality.direct;
    if (quality.rtt && known->rtt == Duration{}) known->note_rtt(*quality.rtt);
    return settle(now);
  }
  const bool first = links_.empty();
  const bool failed_before = calls_.failed_before(node);
  Link& link = links_.add(node);
  link.direct = quality.direct;
  if (quality.rtt) link.note_rtt(*quality.rtt);
  link.held = calls_.calling(node);
  link.since = now;
  link.keep_until = now + kKeep;
  link.refilled = now;
  calls_.forget(node);
  hints_.remove(node);
  boot_pause_ = {};
  boot_cursor_ = 0;
  near_stale_ = true;
  send(node, own_neighbours());
  long_up(now, link);
  if (first) {
    self_check(now, &link, Purpose::Check, 0);
    probe_split_soon(now);
  }
  if (witness_ == node) {
    witness_ = {};
    self_check(now, &link, Purpose::Merge, witness_epoch_);
  } else if (split_probe_ == node || failed_before) {
    suspect_split(now, link);
  }
  if (split_probe_ == node) split_probe_ = {};
  settle(now);
}

void Ring::handle_down(Instant now, const NodeId& node) {
  const Link* link = left_ ? nullptr : links_.find(node);
  if (link == nullptr) return;
  if (link->held) outputs_.emplace_back(Release{node});
  drop_link(now, node, true);
  settle(now);
}

void Ring::handle_unreachable(Instant now, const NodeId& node) {
  if (left_ || links_.find(node) != nullptr) return;
  if (calls_.fail(now, node, *rng_)) call_failed(now, node);
  settle(now);
}

void Ring::handle_frame(Instant now, const NodeId& from, const wire::Frame& frame) {
  if (left_) return;
  Link* link = links_.find(from);
  if (link == nullptr) return;
  link->suspect = false;
  link->reported = false;
  if (const auto* f = std::get_if<wire::Neighbours>(&frame)) handle_neighbours(now, *link, *f);
  if (const auto* f = std::get_if<wire::LinkRequest>(&frame)) handle_link_request(now, *link, *f);
  if (const auto* f = std::get_if<wire::LinkAnswer>(&frame)) handle_link_answer(now, *link, *f);
  if (const auto* f = std::get_if<wire::Unlink>(&frame)) handle_unlink(now, *link, *f);
  if (const auto* f = std::get_if<wire::Forward>(&frame)) handle_forward(now, *link, *f);
  if (const auto* f = std::get_if<wire::ForwardAck>(&frame)) handle_forward_ack(now, *link, *f);
  if (const auto* f = std::get_if<wire::ForwardReply>(&frame)) {
    handle_forward_reply(now, *link, *f);
  }
  if (const auto* f = std::get_if<wire::Gone>(&frame)) handle_gone(now, *link, *f);
  if (const auto* f = std::get_if<wire::ProbeRequest>(&frame)) {
    handle_probe_request(now, *link, *f);
  }
  if (const auto* f = std::get_if<wire::ProbeResult>(&frame)) handle_probe_result(now, *link, *f);
  if (const auto* f = std::get_if<wire::Merge>(&frame)) handle_merge(now, *f);
  settle(now);
}

void Ring::handle_network_change(Instant now) {
  if (left_) return;
  calls_.wake(now);
  boot_at_ = now;
  boot_pause_ = {};
  near_stale_ = true;
  settle(now);
}

void Ring::leave(Instant now) {
  if (left_) return;
  const auto near_set = near_set_of(self_, links_, options_.near_per_side);
  for (const Link& link : links_) {
    send(link.node, wire::Unlink{true, true, true, near_set});
    if (link.held) outputs_.emplace_back(Release{link.node});
  }
  for (const NodeId& node : calls_.retain([](const NodeId&) { return false; })) {
    outputs_.emplace_back(Release{node});
  }
  links_ = {};
  slots_.clear();
  now_ = now;
  left_ = true;
}

void Ring::handle_timeout(Instant now) {
  if (left_) return;
  hints_.expire(now);
  expire_seen(now);
  for (const NodeId& node : calls_.expire(now, *rng_)) call_failed(now, node);
  repeat_pending(now);
  find_timeouts(now);
  near_timeouts(now);
  long_timeouts(now);
  suspicion_timeouts(now);
  if (!links_.empty() && check_at_ <= now) self_check(now, nullptr, Purpose::Check, 0);
  if (split_at_ <= now) probe_split(now);
  if (near_at_ <= now) near_stale_ = true;
  settle(now);
}

Ring::Output Ring::poll_output() {
  if (output_next_ < outputs_.size()) return std::move(outputs_[output_next_++]);
  output_next_ = 0;
  outputs_.clear();
  if (outputs_.capacity() > kOutputsKept) shrink(outputs_);
  return WaitUntil{left_ ? Instant::max() : next_deadline()};
}

bool Ring::in_ring() const {
  const bool near = std::any_of(links_.begin(), links_.end(),
                                [](const Link& l) { return l.near == NearState::Up; });
  return near || !knows_others();
}

std::uint16_t Ring::size_log2_256() const {
  return network_size_log2_256(own_size_log2_256(id_, links_, options_.near_per_side), links_);
}

bool Ring::knows_others() const {
  return directory_->size() > (directory_->contains(self_) ? 1U : 0U);
}

/// What follows from any change, in the order in which one thing leads to another.
void Ring::settle(Instant now) {
  now_ = now;
  if (near_stale_) update_near(now);
  if (links_.empty()) boot(now);
  update_long(now);
  release_unneeded(now);
  announce(now);
}

void Ring::call(Instant now, const NodeId& node) {
  if (links_.find(node) == nullptr && calls_.start(now, node)) {
    outputs_.emplace_back(Connect{node});
  }
}

void Ring::call_failed(Instant now, const NodeId& node) {
  outputs_.emplace_back(Release{node});
  hints_.remove(node);
  long_gone(now, node);
  if (split_probe_ == node) split_probe_ = {};
  if (witness_ == node) witness_ = {};
  near_stale_ = true;
}

void Ring::hold(Link& link) {
  if (link.held) return;
  link.held = true;
  outputs_.emplace_back(Connect{link.node});
}

/// Without any link: the nearest members by the directory first, then ever farther ones, and as
/// many others, a few at a time; a pause after all of them.
void Ring::boot(Instant now) {
  const std::size_t others = directory_->size() - (directory_->contains(self_) ? 1U : 0U);
  while (boot_at_ <= now && calls_.calls() < kBootCalls && others > 0) {
    if (boot_cursor_ >= 2 * others) {
      boot_cursor_ = 0;
      boot_pause_ = std::clamp(2 * boot_pause_, Calls::kPauseMin, Calls::kPauseMax);
      boot_at_ = now + boot_pause_ + up_to(boot_pause_ / 5);
      return;
    }
    // Every second one is drawn: where many start at once, neighbours that call only each other
    // would be rings of their own.
    const std::size_t step = boot_cursor_++;
    if (step % 2 != 0) {
      const NodeId& drawn = directory_->at(rng_->below(directory_->size()));
      if (drawn != self_) call(now, drawn);
      continue;
    }
    const Side side = step % 4 == 0 ? Side::After : Side::Before;
    call(now, *directory_->nearest(self_, side, step / 4));
  }
}

void Ring::release_unneeded(Instant now) {
  if (!in_ring()) return;
  for (Link& link : links_) {
    if (!link.held || link.has_role() || now < link.keep_until) continue;
    link.held = false;
    outputs_.emplace_back(Release{link.node});
  }
}

/// A link is gone: whoever lists it is told, if `tell`; its roles are filled anew.
void Ring::drop_link(Instant now, const NodeId& node, bool tell) {
  const Link* link = links_.find(node);
  check(link != nullptr);
  const RingId id = link->id;
  const bool had_role = link->established();
  pending_.hurry(node, now);
  links_.remove(node);
  for (Link& other : links_) {
    if (!other.lists(id)) continue;
    if (tell && had_role) send(other.node, wire::Gone{id});
    // What it says of that member may be as old as what we thought.
    std::erase_if(other.neighbours, [&](const wire::Neighbour& n) { return n.id == id; });
  }
  long_gone(now, node);
  near_stale_ = true;
  if (had_role && check_at_ != Instant::max()) {
    thin_pause_ = {};
    near_changed_ = now;
  }
}

Instant Ring::next_deadline() const {
  Instant at = std::min({pending_.next(), calls_.next(now_), announce_at_, split_at_, near_at_});
  for (const Find& request : finds_) at = std::min(at, request.deadline);
  const bool member = in_ring();
  for (const Link& link : links_) {
    if (link.near == NearState::Asked || link.near == NearState::Displaced ||
        (link.near == NearState::Up && link.released_by_peer)) {
      at = std::min(at, link.near_deadline);
    }
    if (link.suspect && !link.reported) at = std::min(at, link.suspect_deadline);
    if (link.long_in) at = std::min(at, link.long_in_until);
    at = std::min(at, link.unlink_at);
    if (member && link.held && !link.has_role()) at = std::min(at, link.keep_until);
  }
  if (links_.empty()) {
    if (knows_others() && calls_.calls() < kBootCalls) at = std::min(at, boot_at_);
  } else {
    at = std::min(at, check_at_);
    for (const Slot& slot : slots_) {
      if (member && slot.state != Slot::State::Finding && slot.state != Slot::State::Calling) {
        at = std::min(at, slot.next);
      }
    }
  }
  // Never at once: a mistake in one of these times must not keep a thread busy.
  return at == Instant::max() ? at : std::max(at, now_ + std::chrono::milliseconds(1));
}

}  // namespace ipop::overlay
