#include "overlay/directory.h"

namespace ipop::overlay {

Directory::Directory(std::vector<NodeId> members) : members_(std::move(members)) {
  std::sort(members_.begin(), members_.end());
  members_.erase(std::unique(members_.begin(), members_.end()), members_.end());
}

bool Directory::contains(const NodeId& node) const {
  return std::binary_search(members_.begin(), members_.end(), node);
}

const NodeId* Directory::find(RingId id) const {
  const auto it = std::lower_bound(members_.begin(), members_.end(), id,
                                   [](const NodeId& m, RingId i) { return ring_id(m) < i; });
  return it != members_.end() && ring_id(*it) == id ? &*it : nullptr;
}

const NodeId* Directory::nearest(const NodeId& self, Side side, std::size_t n) const {
  const auto it = std::lower_bound(members_.begin(), members_.end(), self);
  const bool inside = it != members_.end() && *it == self;
  const std::size_t others = members_.size() - (inside ? 1U : 0U);
  if (n >= others) return nullptr;
  const auto at = static_cast<std::size_t>(it - members_.begin());
  const std::size_t steps =
      side == Side::After ? at + n + (inside ? 1U : 0U) : at + members_.size() - 1 - n;
  return &members_[steps % members_.size()];
}

}  // namespace ipop::overlay
