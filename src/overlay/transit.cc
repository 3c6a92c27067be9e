#include "overlay/transit.h"

#include "overlay/shrink.h"

namespace ipop::overlay {

Seen* SeenTable::find(std::uint64_t message) {
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if (it->message == message) return &*it;
  }
  return nullptr;
}

Seen& SeenTable::add(Instant now, const Seen& seen) {
  if (entries_.size() == kMax) entries_.erase(entries_.begin());
  entries_.push_back(seen);
  entries_.back().until = now + kLife;
  return entries_.back();
}

std::vector<RingId> SeenTable::expire(Instant now) {
  std::vector<RingId> silent;
  std::size_t old = 0;
  while (old < entries_.size() && entries_[old].until <= now) {
    const Seen& seen = entries_[old];
    if (seen.find && !seen.answered && seen.next.value != 0) silent.push_back(seen.next);
    ++old;
  }
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(old));
  shrink(entries_);
  return silent;
}

void PendingTable::add(Pending pending) {
  if (entries_.size() < kMax) entries_.push_back(std::move(pending));
}

bool PendingTable::take(std::uint64_t message, bool of_reply, const NodeId& from, Pending& out) {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const Pending& p) {
    return p.message == message && p.of_reply == of_reply && p.to == from;
  });
  if (it == entries_.end()) return false;
  out = std::move(*it);
  entries_.erase(it);
  shrink(entries_);
  return true;
}

std::vector<Pending> PendingTable::take_due(Instant now) {
  std::vector<Pending> due;
  for (std::size_t i = 0; i < entries_.size();) {
    if (entries_[i].deadline <= now) {
      due.push_back(std::move(entries_[i]));
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return due;
}

void PendingTable::hurry(const NodeId& to, Instant now) {
  for (Pending& pending : entries_) {
    if (pending.to == to) pending.deadline = now;
  }
}

Instant PendingTable::next() const {
  Instant at = Instant::max();
  for (const Pending& pending : entries_) at = std::min(at, pending.deadline);
  return at;
}

}  // namespace ipop::overlay
