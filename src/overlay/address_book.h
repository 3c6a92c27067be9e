#pragma once

#include <map>
#include <span>
#include <vector>

#include "base/address.h"
#include "wire/frames.h"

namespace ipop::overlay {

/// Where members were last known to be: from a session, from their own word, from an invite or from
/// before a restart. Hints only. Bounded by the members that it is told to keep.
class AddressBook {
 public:
  /// Forgets everybody else.
  void keep_only(const std::vector<wire::NodeId>& members);
  /// Puts these in front of what is known of the member, at most wire::kCandidatesMax in all; true
  /// when one of them is new. A node that is not kept is not noted.
  bool note(const wire::NodeId& node, const std::vector<Endpoint>& candidates);
  /// Forgets what was known of the member for these; true when that changes anything. A node that
  /// is not kept is not noted.
  bool replace(const wire::NodeId& node, const std::vector<Endpoint>& candidates);
  /// Newest first; empty: nothing is known. Until the next change.
  std::span<const Endpoint> of(const wire::NodeId& node) const;
  /// Everything, to remember on disk.
  std::vector<wire::PeerHint> all() const;

 private:
  std::map<wire::NodeId, std::vector<Endpoint>> entries_;
};

}  // namespace ipop::overlay
