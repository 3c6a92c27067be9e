#include "session/session.h"

namespace ipop::session {

// Drawn at random rather than counted, so that an index tells an observer neither how many sessions
// a daemon has had nor which of them belong together.
SessionIndex IndexTable::allocate(PeerHandle owner) {
  while (true) {
    const SessionIndex index{static_cast<std::uint32_t>(rng_->next_u64())};
    if (owners_.try_emplace(index, owner).second) return index;
  }
}

void IndexTable::release(SessionIndex index) { owners_.erase(index); }

std::optional<PeerHandle> IndexTable::find(SessionIndex index) const {
  const auto it = owners_.find(index);
  if (it == owners_.end()) return std::nullopt;
  return it->second;
}

}  // namespace ipop::session
