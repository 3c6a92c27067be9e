#include "overlay/address_book.h"

#include <algorithm>

#include "wire/handshake.h"

namespace ipop::overlay {

void AddressBook::keep_only(const std::vector<wire::NodeId>& members) {
  std::map<wire::NodeId, std::vector<Endpoint>> kept;
  for (const wire::NodeId& node : members) {
    const auto it = entries_.find(node);
    kept[node] = it == entries_.end() ? std::vector<Endpoint>{} : std::move(it->second);
  }
  entries_ = std::move(kept);
}

bool AddressBook::note(const wire::NodeId& node, const std::vector<Endpoint>& candidates) {
  const auto it = entries_.find(node);
  if (it == entries_.end()) return false;
  bool changed = false;
  std::vector<Endpoint> merged;
  const auto add = [&](const Endpoint& e) {
    if (merged.size() < wire::kCandidatesMax &&
        std::find(merged.begin(), merged.end(), e) == merged.end()) {
      merged.push_back(e);
    }
  };
  for (const Endpoint& e : candidates) {
    changed |= std::find(it->second.begin(), it->second.end(), e) == it->second.end();
    add(e);
  }
  for (const Endpoint& e : it->second) add(e);
  it->second = std::move(merged);
  return changed;
}

bool AddressBook::replace(const wire::NodeId& node, const std::vector<Endpoint>& candidates) {
  const auto it = entries_.find(node);
  if (it == entries_.end() || it->second == candidates) return false;
  it->second = candidates;
  it->second.resize(std::min(it->second.size(), wire::kCandidatesMax));
  return true;
}

std::span<const Endpoint> AddressBook::of(const wire::NodeId& node) const {
  const auto it = entries_.find(node);
  return it == entries_.end() ? std::span<const Endpoint>{} : it->second;
}

std::vector<wire::PeerHint> AddressBook::all() const {
  std::vector<wire::PeerHint> out;
  for (const auto& [node, candidates] : entries_) {
    if (!candidates.empty()) out.push_back({node, 0, candidates});
  }
  return out;
}

}  // namespace ipop::overlay
