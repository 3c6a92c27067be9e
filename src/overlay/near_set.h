#pragma once

#include "overlay/calls.h"
#include "overlay/directory.h"
#include "overlay/link_table.h"

namespace ipop::overlay {

/// Members that somebody named as near to us (FOUND, UNLINK, LINK_ANSWER), newest last.
class Hints {
 public:
  static constexpr std::size_t kMax = 32;
  static constexpr Duration kLife = std::chrono::seconds(60);

  void add(Instant now, const NodeId& node);
  void remove(const NodeId& node);
  void expire(Instant now);
  void clear() { entries_.clear(); }

  struct Entry {
    NodeId node;
    Instant until;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

/// What the near links should be, from everything that is known now.
struct NearPlan {
  /// The `per_side` nearest members with a session on each side: these should be near links.
  std::vector<NodeId> near;
  /// Members without a session that are nearer than those, nearest first: to be called.
  std::vector<NodeId> call;
  /// How far the per_side-th session is on each side (by Side): nobody farther matters.
  std::array<std::uint64_t, 2> reach{UINT64_MAX, UINT64_MAX};
  /// Fewer than `per_side` sessions on some side, though there are more members.
  bool thin = false;
  /// The `per_side` nearest by the directory all have a session: nobody is to be found.
  bool complete = true;
};

struct NearView {
  NodeId self;
  std::size_t per_side;
  Instant now;
  const LinkTable& links;
  const Calls& calls;
  const Hints& hints;
  const Directory& directory;
};
/// Candidates are who the links list, hints, and the nearest by the directory, online or not.
NearPlan plan_near(const NearView& view);

/// The nearest established near links on both sides, at most `per_side` each; ascending, for
/// frames.
std::vector<NodeId> near_set_of(const NodeId& self, const LinkTable& links, std::size_t per_side);
/// The links nearest to `target`, without itself; ascending, at most `most`.
std::vector<NodeId> nearest_links(const NodeId& target, const LinkTable& links, std::size_t most);

}  // namespace ipop::overlay
