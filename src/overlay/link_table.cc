#include "overlay/link_table.h"

#include <utility>

#include "base/check.h"

namespace ipop::overlay {
namespace {

constexpr Duration kTimeoutMin = std::chrono::milliseconds(250);
constexpr Duration kTimeoutUnmeasured = std::chrono::milliseconds(500);

}  // namespace

bool Link::lists(RingId other) const {
  const auto it = std::lower_bound(neighbours.begin(), neighbours.end(), other,
                                   [](const wire::Neighbour& n, RingId i) { return n.id < i; });
  return it != neighbours.end() && it->id == other;
}

void Link::note_rtt(Duration sample) {
  if (rtt == Duration{}) {
    rtt = sample;
    rtt_variation = sample / 2;
    return;
  }
  const Duration error = sample > rtt ? sample - rtt : rtt - sample;
  rtt_variation += (error - rtt_variation) / 4;
  rtt += (sample - rtt) / 8;
}

Duration Link::timeout() const {
  if (rtt == Duration{}) return kTimeoutUnmeasured;
  return std::max(kTimeoutMin, rtt + 4 * rtt_variation);
}

Link& LinkTable::add(const NodeId& node) {
  const auto it = std::lower_bound(links_.begin(), links_.end(), node,
                                   [](const Link& l, const NodeId& n) { return l.node < n; });
  check(it == links_.end() || it->node != node);
  Link link;
  link.node = node;
  link.id = ring_id(node);
  return *links_.insert(it, std::move(link));
}

bool LinkTable::remove(const NodeId& node) {
  const Link* link = find(node);
  if (link == nullptr) return false;
  links_.erase(links_.begin() + (link - links_.data()));
  return true;
}

const Link* LinkTable::find(const NodeId& node) const {
  const RingId id = ring_id(node);
  auto it = lower_bound(id);
  while (it != links_.end() && it->id == id && it->node != node) ++it;
  return it != links_.end() && it->node == node ? &*it : nullptr;
}

Link* LinkTable::find(const NodeId& node) {
  const Link* link = std::as_const(*this).find(node);
  return link == nullptr ? nullptr : &links_[static_cast<std::size_t>(link - links_.data())];
}

const Link* LinkTable::find(RingId id) const {
  const auto it = lower_bound(id);
  return it != links_.end() && it->id == id ? &*it : nullptr;
}

Link* LinkTable::find(RingId id) {
  const Link* link = std::as_const(*this).find(id);
  return link == nullptr ? nullptr : &links_[static_cast<std::size_t>(link - links_.data())];
}

std::vector<Link>::const_iterator LinkTable::lower_bound(RingId id) const {
  return std::lower_bound(links_.begin(), links_.end(), id,
                          [](const Link& l, RingId i) { return l.id < i; });
}

}  // namespace ipop::overlay
