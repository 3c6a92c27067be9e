#include "overlay/calls.h"

namespace ipop::overlay {

bool Calls::start(Instant now, const NodeId& node) {
  Entry* entry = find(node);
  if (entry == nullptr) entry = add(node);
  if (entry == nullptr || entry->calling || now < entry->next) return false;
  entry->calling = true;
  entry->next = now + kAttempt;
  return true;
}

bool Calls::calling(const NodeId& node) const {
  const Entry* entry = find(node);
  return entry != nullptr && entry->calling;
}

bool Calls::resting(Instant now, const NodeId& node) const {
  const Entry* entry = find(node);
  return entry != nullptr && !entry->calling && now < entry->next;
}

bool Calls::failed_before(const NodeId& node) const {
  const Entry* entry = find(node);
  return entry != nullptr && entry->pause != Duration{};
}

std::size_t Calls::calls() const {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.calling; }));
}

bool Calls::fail(Instant now, const NodeId& node, Rng& rng, Duration pause) {
  Entry* entry = find(node);
  if (entry == nullptr) entry = add(node);
  if (entry == nullptr) return false;
  const bool was_calling = entry->calling;
  entry->calling = false;
  entry->ended = now;
  entry->pause = std::clamp(std::max(2 * entry->pause, pause), kPauseMin, kPauseMax);
  // Up to a fifth more, so that members that lost each other do not call in step for ever.
  const auto spread = static_cast<std::uint64_t>(entry->pause.count() / 5) + 1;
  entry->next = now + entry->pause + Duration(static_cast<std::int64_t>(rng.below(spread)));
  return was_calling;
}

void Calls::forget(const NodeId& node) {
  std::erase_if(entries_, [&](const Entry& e) { return e.node == node; });
}

std::vector<NodeId> Calls::expire(Instant now, Rng& rng) {
  std::vector<NodeId> ended;
  for (const Entry& entry : entries_) {
    if (entry.calling && entry.next <= now) ended.push_back(entry.node);
  }
  for (const NodeId& node : ended) fail(now, node, rng);
  return ended;
}

void Calls::wake(Instant now) {
  for (Entry& entry : entries_) {
    if (entry.calling) continue;
    entry.next = std::min(entry.next, now);
    entry.pause = std::min(entry.pause, kPauseMin);
  }
}

void Calls::hasten(Instant now, const NodeId& node) {
  Entry* entry = find(node);
  if (entry == nullptr || entry->calling || entry->next <= now) return;
  entry->next = std::min(entry->next, std::max(now, entry->ended + kPauseMin));
}

Instant Calls::next(Instant now) const {
  Instant at = Instant::max();
  for (const Entry& entry : entries_) {
    if (entry.calling || now < entry.next) at = std::min(at, entry.next);
  }
  return at;
}

Calls::Entry* Calls::find(const NodeId& node) {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& e) { return e.node == node; });
  return it == entries_.end() ? nullptr : &*it;
}

const Calls::Entry* Calls::find(const NodeId& node) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& e) { return e.node == node; });
  return it == entries_.end() ? nullptr : &*it;
}

Calls::Entry* Calls::add(const NodeId& node) {
  if (entries_.size() == kEntriesMax) {
    const auto oldest =
        std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
          return std::pair(a.calling, a.next) < std::pair(b.calling, b.next);
        });
    if (oldest->calling) return nullptr;
    entries_.erase(oldest);
  }
  Entry entry;
  entry.node = node;
  return &entries_.emplace_back(entry);
}

}  // namespace ipop::overlay
