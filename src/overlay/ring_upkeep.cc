#include "base/check.h"
#include "overlay/ring.h"
#include "overlay/shrink.h"

/// What keeps a Ring whole: look-ups of its own neighbourhood, doubts about links, merging.
namespace ipop::overlay {
namespace {

constexpr std::size_t kFindsMax = 16;
constexpr std::uint8_t kFindTries = 3;
constexpr Duration kFindTime = std::chrono::milliseconds(1500);

constexpr Duration kCheckSoon = std::chrono::seconds(3);
constexpr Duration kCheck = std::chrono::seconds(120);
constexpr Duration kCheckStable = std::chrono::seconds(300);
constexpr Duration kStable = std::chrono::hours(1);
constexpr Duration kThinMin = std::chrono::seconds(1);

constexpr Duration kSuspicion = std::chrono::seconds(1);
constexpr Duration kProbeLife = std::chrono::seconds(5);
constexpr std::size_t kProbeAsksMax = 16;
constexpr std::size_t kIndirectProbes = 2;

constexpr Duration kSplitProbeMin = std::chrono::seconds(2);
constexpr Duration kSplitProbe = std::chrono::seconds(120);
/// How often one node suspects another ring by itself, and takes part in a MERGE: bounds what one
/// member can make the others do.
constexpr Duration kSuspectQuiet = std::chrono::seconds(2);
constexpr Duration kMergeQuiet = std::chrono::seconds(10);
/// A session this new may have come about by the same meeting of two rings.
constexpr Duration kFreshLink = std::chrono::seconds(3);
constexpr std::size_t kMergeFanOut = 2;

}  // namespace

void Ring::find(Instant now, const Find& request, const Link* via) {
  if (finds_.size() == kFindsMax) return give_up(now, request);
  Find started = request;
  started.message = rng_->next_u64();
  started.deadline = now + kFindTime;
  ++started.tries;
  wire::Forward frame;
  frame.mode = request.mode;
  frame.message = started.message;
  frame.source = self_;
  frame.destination = request.destination;
  expire_seen(now);
  seen_.add(now, {.message = frame.message, .own = true, .find = true});
  finds_.push_back(started);
  if (via != nullptr) {
    step(now, frame, *via, true, {}, 1);
  } else {
    route(now, frame, {}, 1);
  }
}

/// No answer to this one: over another link, a few times.
void Ring::find_failed(Instant now, std::uint64_t message) {
  const auto at = std::find_if(finds_.begin(), finds_.end(),
                               [&](const Find& f) { return f.message == message; });
  if (at == finds_.end()) return;
  const Find request = *at;
  finds_.erase(at);
  shrink(finds_);
  const Link* via = links_.empty() ? nullptr : random_link(false, request.first_hop);
  if (request.tries < kFindTries && via != nullptr && request.purpose != Purpose::Merge) {
    Find again = request;
    again.first_hop = via->id;
    return find(now, again, via);
  }
  give_up(now, request);
}

void Ring::give_up(Instant now, const Find& request) {
  if (request.purpose == Purpose::Long && request.context < slots_.size() &&
      slots_[request.context].state == Slot::State::Finding) {
    empty_slot(now, slots_[request.context]);
  }
  if (request.purpose == Purpose::Check) check_at_ = std::min(check_at_, now + kCheckSoon);
}

void Ring::find_timeouts(Instant now) {
  std::vector<std::uint64_t> due;
  for (const Find& request : finds_) {
    if (request.deadline <= now) due.push_back(request.message);
  }
  for (const std::uint64_t message : due) find_failed(now, message);
}

void Ring::handle_found(Instant now, std::uint64_t message, const wire::Found& found) {
  const auto at = std::find_if(finds_.begin(), finds_.end(),
                               [&](const Find& f) { return f.message == message; });
  if (at == finds_.end()) return;
  const Find request = *at;
  finds_.erase(at);
  shrink(finds_);
  if (request.purpose == Purpose::Long) return long_found(now, request.context, found);
  const bool news = take_hints(now, found.node, found.near_set);
  if (!news) return;
  check_at_ = std::min(check_at_, now + kCheckSoon);
  // Nearer members than ours, and our ring did not lead there: it is another one.
  if (request.purpose == Purpose::Merge) spread_merge(now, request.context, found.node);
}

/// Notes who is said to be near; true when one of them suits us and was no link a moment ago.
bool Ring::take_hints(Instant now, const NodeId& node, const std::vector<NodeId>& near_set) {
  std::vector<NodeId> fresh;
  const auto note = [&](const NodeId& n) {
    if (n == self_ || !directory_->contains(n)) return;
    const Link* link = links_.find(n);
    if (link == nullptr) hints_.add(now, n);
    calls_.hasten(now, n);
    if (link == nullptr || link->since + kFreshLink > now) fresh.push_back(n);
  };
  note(node);
  for (const NodeId& n : near_set) note(n);
  if (fresh.empty()) return false;
  near_stale_ = true;
  const NearPlan plan =
      plan_near({self_, options_.near_per_side, now, links_, calls_, hints_, *directory_});
  return std::any_of(fresh.begin(), fresh.end(), [&](const NodeId& n) {
    return std::find(plan.call.begin(), plan.call.end(), n) != plan.call.end() ||
           std::binary_search(plan.near.begin(), plan.near.end(), n);
  });
}

/// Looks up our own two neighbours, in both directions: a look-up of the id itself would not see a
/// gap on the other side. A regular check is left out where the directory's nearest are linked.
void Ring::self_check(Instant now, const Link* via, Purpose purpose, std::uint64_t context) {
  if (links_.empty()) return;
  if (purpose == Purpose::Check) {
    check_at_ = Instant::max();
    schedule_check(now);
    if (complete_ && via == nullptr) return;
  }
  const RingId node = via == nullptr ? RingId{} : via->id;
  for (const auto mode : {wire::ForwardMode::Successor, wire::ForwardMode::Predecessor}) {
    const Link* first = via == nullptr ? random_link(true, {}) : links_.find(node);
    if (first == nullptr) return;
    Find request;
    request.purpose = purpose;
    request.mode = mode;
    request.destination = self_;
    request.context = context;
    request.first_hop = first->id;
    find(now, request, first);
  }
}

void Ring::schedule_check(Instant now) {
  Duration pause = now - near_changed_ >= kStable ? kCheckStable : kCheck;
  if (thin_) {
    thin_pause_ = std::clamp(2 * thin_pause_, kThinMin, kCheck);
    pause = std::min(pause, thin_pause_);
  }
  check_at_ = std::min(check_at_, now + pause + up_to(pause / 5));
}

/// Any link but `except`; an established one if there is one, and of these a long one if
/// `prefer_long`. Null when there is none.
const Link* Ring::random_link(bool prefer_long, RingId except) {
  const auto grade = [&](const Link& l) {
    if (l.id == except || l.suspect) return 0;
    if (!l.established()) return 1;
    return prefer_long && (l.long_out || l.long_in) && l.near == NearState::None ? 3 : 2;
  };
  int best = 0;
  std::size_t count = 0;
  for (const Link& link : links_) {
    const int g = grade(link);
    if (g > best) count = 0;
    best = std::max(best, g);
    if (g == best) ++count;
  }
  if (best == 0) return links_.empty() ? nullptr : links_.find(except);
  std::size_t nth = rng_->below(count);
  for (const Link& link : links_) {
    if (grade(link) == best && nth-- == 0) return &link;
  }
  return nullptr;
}

/// A frame was not acknowledged: the member is asked directly and through others.
void Ring::suspect(Instant now, Link& link) {
  if (link.suspect) return;
  link.suspect = true;
  link.reported = false;
  link.suspect_deadline = now + kSuspicion;
  send(link.node, wire::ProbeRequest{link.id});
  std::size_t asked = 0;
  for (const Link& other : links_) {
    if (asked == kIndirectProbes) break;
    if (other.node == link.node || other.suspect || !other.lists(link.id)) continue;
    send(other.node, wire::ProbeRequest{link.id});
    ++asked;
  }
}

void Ring::suspicion_timeouts(Instant now) {
  for (Link& link : links_) {
    if (!link.suspect || link.reported || now < link.suspect_deadline) continue;
    link.reported = true;
    outputs_.emplace_back(Suspect{link.node});
  }
}

void Ring::handle_gone(Instant now, Link& link, const wire::Gone& frame) {
  if (frame.id == link.id || frame.id == id_) return;
  const auto listed =
      std::erase_if(link.neighbours, [&](const wire::Neighbour& n) { return n.id == frame.id; });
  near_stale_ |= listed != 0;
  // Verified, not believed.
  Link* other = links_.find(frame.id);
  if (other != nullptr && take_token(now, link)) suspect(now, *other);
}

void Ring::handle_probe_request(Instant now, Link& link, const wire::ProbeRequest& frame) {
  if (frame.id == id_) return send(link.node, wire::ProbeResult{id_, true});
  const Link* other = links_.find(frame.id);
  if (other == nullptr) return send(link.node, wire::ProbeResult{frame.id, false});
  if (other->id == link.id || !take_token(now, link)) return;
  std::erase_if(probe_asks_, [&](const ProbeAsk& a) { return a.until <= now; });
  if (probe_asks_.size() == kProbeAsksMax) return;
  probe_asks_.push_back({frame.id, link.node, now + kProbeLife});
  send(other->node, wire::ProbeRequest{frame.id});
}

void Ring::handle_probe_result(Instant now, Link& link, const wire::ProbeResult& frame) {
  if (link.id != frame.id) {
    // Somebody else hears it: the path between us may be gone, but it lives. Once more time.
    Link* other = links_.find(frame.id);
    if (frame.heard && other != nullptr && other->suspect && !other->reported) {
      other->suspect_deadline =
          std::min(other->suspect_deadline + kSuspicion, now + 2 * kSuspicion);
    }
    return;
  }
  if (!frame.heard) return;
  for (const ProbeAsk& ask : probe_asks_) {
    if (ask.id == frame.id && links_.find(ask.asker) != nullptr) send(ask.asker, frame);
  }
  std::erase_if(probe_asks_, [&](const ProbeAsk& a) { return a.id == frame.id; });
}

/// One random member without a link, now and then: the only way in which two rings that do not know
/// of each other's life can meet. Who has the directory's nearest for neighbours parts from nobody.
void Ring::probe_split(Instant now) {
  split_pause_ = std::min(2 * split_pause_, kSplitProbe);
  split_at_ = now + split_pause_ + up_to(split_pause_ / 5);
  if (links_.empty() || directory_->size() == 0 || complete_) return;
  const NodeId& node = directory_->at(rng_->below(directory_->size()));
  if (node == self_ || links_.find(node) != nullptr || calls_.calling(node)) return;
  split_probe_ = node;
  call(now, node);
  if (!calls_.calling(node)) split_probe_ = {};
}

/// After a start or a merge the ring may be an island still: probes begin often, and get rarer.
void Ring::probe_split_soon(Instant now) {
  split_pause_ = kSplitProbeMin;
  split_at_ = now + split_pause_ / 2 + up_to(split_pause_);
}

/// A session with a member that our ring did not lead to: its side is asked for our neighbours.
void Ring::suspect_split(Instant now, const Link& link) {
  if (now < suspect_quiet_until_) return;
  suspect_quiet_until_ = now + kSuspectQuiet;
  self_check(now, &link, Purpose::Merge, rng_->next_u64() | 1U);
}

/// Members of another ring are near us: everybody is to look, each epoch once.
void Ring::spread_merge(Instant now, std::uint64_t epoch, const NodeId& witness) {
  if (std::find(epochs_.begin(), epochs_.end(), epoch) != epochs_.end()) return;
  epochs_[epoch_count_++ % epochs_.size()] = epoch;
  // Whoever could not be reached before may be reachable now.
  calls_.wake(now);
  near_stale_ = true;
  RingId last{};
  for (std::size_t i = 0; i < kMergeFanOut; ++i) {
    const Link* link = random_link(true, last);
    if (link == nullptr) return;
    last = link->id;
    if (link->node != witness) send(link->node, wire::Merge{epoch, witness});
  }
}

void Ring::handle_merge(Instant now, const wire::Merge& frame) {
  if (frame.epoch == 0 || frame.witness == self_ || now < merge_quiet_until_ ||
      !directory_->contains(frame.witness)) {
    return;
  }
  merge_quiet_until_ = now + kMergeQuiet;
  spread_merge(now, frame.epoch, frame.witness);
  if (const Link* known = links_.find(frame.witness)) {
    return self_check(now, known, Purpose::Merge, frame.epoch);
  }
  witness_ = frame.witness;
  witness_epoch_ = frame.epoch;
  call(now, frame.witness);
}

}  // namespace ipop::overlay
