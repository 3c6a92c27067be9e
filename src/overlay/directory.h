#pragma once

#include <vector>

#include "overlay/circle.h"

namespace ipop::overlay {

/// The members that exist, in ring order, whether online or not. Many nodes of one process may
/// share one, so it may contain the node that asks; read only.
class Directory {
 public:
  Directory() = default;
  explicit Directory(std::vector<NodeId> members);

  std::size_t size() const { return members_.size(); }
  /// Requires: index < size().
  const NodeId& at(std::size_t index) const { return members_[index]; }
  bool contains(const NodeId& node) const;
  /// The member at this position; null when there is none. The first if there are several.
  const NodeId* find(RingId id) const;
  /// The n-th nearest (from 0) other member on one side of `self`, which need not be a member; null
  /// when there are not so many others.
  const NodeId* nearest(const NodeId& self, Side side, std::size_t n) const;

 private:
  std::vector<NodeId> members_;  ///< ascending, each once
};

}  // namespace ipop::overlay
