#include "overlay/ring.h"
#include "overlay/size_estimate.h"

/// The long links of a Ring: slot j of k draws its peer from the j-th part of the distances between
/// the near links and half the circle, on a logarithmic scale (Symphony's harmonic distribution,
/// stratified).
///
/// The role is agreed on by frames that get lost, so it is soft at both ends: who asks repeats its
/// LINK_REQUEST until there is an answer, then every kReview, and its UNLINK until that is
/// acknowledged by a LINK_ANSWER no; who accepted lets go of what was not asked for again in time.
namespace ipop::overlay {
namespace {

constexpr std::size_t kSlotsMin = 2;
constexpr std::size_t kSlotsMax = 16;
/// Slots that look for a peer at one time: long links are no hurry.
constexpr std::ptrdiff_t kBusyMax = 3;
constexpr std::uint8_t kTriesMax = 3;
constexpr Duration kFirstDraw = std::chrono::seconds(1);
constexpr Duration kDrawAgain = std::chrono::seconds(5);
constexpr Duration kAskAgain = std::chrono::seconds(1);
constexpr std::uint8_t kAsksMax = 4;
constexpr std::uint8_t kUnlinksMax = 6;
/// An answer to an earlier request may have been taken for this one's, so once more when nothing is
/// under way.
constexpr Duration kConfirm = std::chrono::seconds(5);
constexpr Duration kReview = std::chrono::minutes(10);
/// Two LINK_REQUESTs in a row may be lost.
constexpr Duration kAccepted = 3 * kReview + std::chrono::minutes(5);

}  // namespace

void Ring::update_long(Instant now) {
  if (links_.empty() || !in_ring()) return;
  if (resize_at_ <= now) {
    resize_at_ = now + kFirstDraw;
    resize_slots(now);
  }
  auto busy = std::count_if(slots_.begin(), slots_.end(), [](const Slot& s) {
    return s.state == Slot::State::Finding || s.state == Slot::State::Calling ||
           s.state == Slot::State::Asked;
  });
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (now < slot.next) continue;
    switch (slot.state) {
      case Slot::State::Empty:
        slot.next = now + kFirstDraw;
        if (busy++ < kBusyMax) draw(now, i);
        break;
      case Slot::State::Asked:
        if (slot.asks < kAsksMax) {
          ask_long(now, slot);
          break;
        }
        end_long(now, *links_.find(slot.node));
        slot.state = Slot::State::Empty;
        choose(now, i);
        break;
      case Slot::State::Up:
        ask_long(now, slot);
        break;
      case Slot::State::Borrowed:
        empty_slot(now, slot);
        break;
      case Slot::State::Finding:
      case Slot::State::Calling:
        break;
    }
  }
}

/// k = max(2, round(log2(N)/2)); it changes only when that moved by more than one.
void Ring::resize_slots(Instant now) {
  const std::size_t half_log = size_log2_256() / 2U;
  const std::size_t k = slots_.size();
  const std::size_t wanted = std::clamp((half_log + 128) / 256, kSlotsMin, kSlotsMax);
  const bool grow = k < kSlotsMin || half_log > k * 256 + 192;
  const bool shrink = k > kSlotsMin && half_log + 256 < k * 256;
  if ((!grow || wanted <= k) && (!shrink || wanted >= k)) return;
  while (slots_.size() > wanted) {
    Slot& slot = slots_.back();
    if (slot.state == Slot::State::Up || slot.state == Slot::State::Asked) {
      end_long(now, *links_.find(slot.node));
    } else if (slot.state == Slot::State::Calling && calls_.calling(slot.node)) {
      calls_.forget(slot.node);
      outputs_.emplace_back(Release{slot.node});
      near_stale_ = true;
    }
    slots_.pop_back();
  }
  while (slots_.size() < wanted) {
    Slot slot;
    slot.next = now + kFirstDraw + up_to(kFirstDraw);
    slots_.push_back(slot);
  }
}

void Ring::draw(Instant now, std::size_t index) {
  const std::uint32_t far = 63 * 256;
  const std::uint32_t size = size_log2_256();
  // Nearer than the near links nothing needs to be linked.
  const std::uint32_t dense = 64 * 256 - size + log2_256(options_.near_per_side);
  const std::uint32_t near = std::min(dense, far - 256);
  const auto part = static_cast<std::uint32_t>(rng_->below(1024));
  const auto k = static_cast<std::uint32_t>(slots_.size());
  const std::uint32_t log =
      near + (far - near) * (static_cast<std::uint32_t>(index) * 1024 + part) / (k * 1024);
  const std::uint64_t reach = exp2_256(log);
  const std::uint64_t at = rng_->below(2) == 0 ? id_.value + reach : id_.value - reach;

  Slot& slot = slots_[index];
  slot.state = Slot::State::Finding;
  slot.tries = 0;
  slot.others.clear();
  Find request;
  request.purpose = Purpose::Long;
  request.mode = wire::ForwardMode::Closest;
  for (std::size_t i = 0; i < 8; ++i) {
    request.destination.bytes[i] = static_cast<std::byte>(at >> (56 - 8 * i));
  }
  request.context = index;
  find(now, request, nullptr);
}

void Ring::long_found(Instant now, std::size_t index, const wire::Found& found) {
  if (index >= slots_.size() || slots_[index].state != Slot::State::Finding) return;
  Slot& slot = slots_[index];
  slot.others = found.near_set;
  // The one that was found comes first, then the others in any order: the stratum is wide.
  std::erase(slot.others, found.node);
  for (std::size_t i = slot.others.size(); i > 1; --i) {
    std::swap(slot.others[i - 1], slot.others[rng_->below(i)]);
  }
  slot.others.insert(slot.others.begin(), found.node);
  slot.state = Slot::State::Empty;
  choose(now, index);
}

/// The next candidate of a slot: to be called, or to be asked where a session exists.
void Ring::choose(Instant now, std::size_t index) {
  Slot& slot = slots_[index];
  const Link* borrowed = nullptr;
  bool others_rest = false;
  while (!slot.others.empty() && slot.tries < kTriesMax) {
    const NodeId node = slot.others.front();
    slot.others.erase(slot.others.begin());
    const bool taken = std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) {
      return &s != &slot && s.node == node && s.state != Slot::State::Empty;
    });
    others_rest |= calls_.resting(now, node);
    if (node == self_ || taken || !directory_->contains(node) || calls_.resting(now, node)) {
      continue;
    }
    Link* link = links_.find(node);
    if (link != nullptr && link->established()) {
      borrowed = link;
      continue;
    }
    ++slot.tries;
    slot.node = node;
    if (link != nullptr) return ask_long(now, slot);
    call(now, node);
    if (!calls_.calling(node)) continue;
    slot.state = Slot::State::Calling;
    return;
  }
  if (borrowed == nullptr && slot.tries == 0 && !others_rest) {
    // Nobody is there but those that the other slots have: a small network.
    slot.state = Slot::State::Empty;
    slot.next = now + kReview + up_to(kReview);
    return;
  }
  if (borrowed == nullptr || slot.tries > 0) return empty_slot(now, slot);
  slot.node = borrowed->node;
  slot.state = Slot::State::Borrowed;
  slot.misses = 0;
  slot.next = now + kReview + up_to(kReview);
}

/// A session came about: a slot that waited for it asks for the role. Else we do without, which the
/// peer has to be told where it is the old session to it.
void Ring::long_up(Instant now, Link& link) {
  for (Slot& slot : slots_) {
    if (slot.node == link.node && slot.state == Slot::State::Calling) return ask_long(now, slot);
  }
  end_long(now, link);
}

/// What a peer says of its links may show that it has not the role which we got from it: then it is
/// asked as at first.
void Ring::long_listed(Instant now, const Link& link, const wire::Neighbours& frame) {
  const auto ours = std::ranges::find(frame.links, id_, &wire::Neighbour::id);
  if (!link.long_out || (ours != frame.links.end() && ours->distant)) return;
  for (Slot& slot : slots_) {
    if (slot.node != link.node || slot.state != Slot::State::Up) continue;
    slot.state = Slot::State::Asked;
    slot.asks = 0;
    slot.next = std::min(slot.next, now + kConfirm);
  }
}

/// Asks the slot's member for the role, for the first time or again. Requires: it is a link.
void Ring::ask_long(Instant now, Slot& slot) {
  const bool agreed = slot.state == Slot::State::Up;
  if (!agreed && slot.state != Slot::State::Asked) {
    slot.state = Slot::State::Asked;
    slot.asks = 0;
  }
  ++slot.asks;
  slot.next = now + (agreed ? kReview : kAskAgain);
  links_.find(slot.node)->unlink_at = Instant::max();
  send(slot.node, wire::LinkRequest{wire::LinkRole::Long});
}

/// We do without the role that we have or asked for.
void Ring::end_long(Instant now, Link& link) {
  link.long_out = false;
  link.unlinks = 0;
  send_unlink_long(now, link);
}

void Ring::send_unlink_long(Instant now, Link& link) {
  link.unlink_at =
      link.unlinks < kUnlinksMax ? now + kAskAgain * (1 << link.unlinks) : Instant::max();
  ++link.unlinks;
  send(link.node, wire::Unlink{.distant = true});
}

void Ring::long_timeouts(Instant now) {
  for (Link& link : links_) {
    if (link.unlink_at <= now) send_unlink_long(now, link);
    if (link.long_in && link.long_in_until <= now) link.long_in = false;
  }
}

/// The peer asks for the role, for the first time or again.
void Ring::long_requested(Instant now, Link& link) {
  const auto accepted = static_cast<std::size_t>(
      std::count_if(links_.begin(), links_.end(), [](const Link& l) { return l.long_in; }));
  wire::LinkAnswer answer{.role = wire::LinkRole::Long};
  answer.yes = link.long_in || accepted < options_.long_in_max;
  if (answer.yes) {
    link.long_in = true;
    link.long_in_until = now + kAccepted;
    hold(link);
  } else {
    answer.alternatives = nearest_links(self_, links_, wire::kAlternativesMax);
  }
  send(link.node, answer);
}

/// The peer does without the role that it had from us, or may have had; this is acknowledged.
void Ring::long_ended(Link& link) {
  link.long_in = false;
  send(link.node, wire::LinkAnswer{.role = wire::LinkRole::Long});
}

void Ring::long_gone(Instant now, const NodeId& node) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.node != node || slot.state == Slot::State::Empty ||
        slot.state == Slot::State::Finding) {
      continue;
    }
    const bool trying = slot.state == Slot::State::Calling || slot.state == Slot::State::Asked;
    slot.node = {};
    empty_slot(now, slot);
    if (trying) {
      choose(now, i);
    } else {
      slot.next = now + up_to(kFirstDraw);
    }
  }
}

void Ring::long_answer(Instant now, Link& link, const wire::LinkAnswer& frame) {
  const auto at = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) {
    return s.node == link.node && (s.state == Slot::State::Asked || s.state == Slot::State::Up);
  });
  if (at == slots_.end()) {
    if (!frame.yes) {
      link.unlink_at = Instant::max();  // it knows
    } else {
      // The slot gave up waiting, and the peer must not believe otherwise. An UNLINK that is on its
      // way already may have overtaken the request.
      end_long(now, link);
    }
    return;
  }
  Slot& slot = *at;
  if (frame.yes) {
    if (slot.state == Slot::State::Up) return;
    link.long_out = true;
    hold(link);
    slot.state = Slot::State::Up;
    slot.misses = 0;
    slot.next = now + kConfirm;
    slot.others = std::vector<NodeId>();
    return;
  }
  // An answer to what we said earlier, perhaps, and the peer believes that it said yes.
  end_long(now, link);
  slot.others.insert(slot.others.begin(), frame.alternatives.begin(), frame.alternatives.end());
  slot.state = Slot::State::Empty;
  choose(now, static_cast<std::size_t>(at - slots_.begin()));
}

/// There may be somebody new for a slot that found nobody.
void Ring::draw_soon(Instant now) {
  for (Slot& slot : slots_) {
    if (slot.state == Slot::State::Empty) {
      slot.next = std::min(slot.next, now + kDrawAgain + up_to(kDrawAgain));
    }
  }
}

void Ring::empty_slot(Instant now, Slot& slot) {
  slot.state = Slot::State::Empty;
  // A slot that finds nobody new, as in a small network, must not ask for ever.
  const Duration pause = kDrawAgain * (1 << std::min<int>(slot.misses, 7));
  slot.misses = static_cast<std::uint8_t>(std::min(slot.misses + 1, 100));
  slot.next = now + pause + up_to(pause);
}

}  // namespace ipop::overlay
