#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "base/time.h"
#include "wire/ids.h"

namespace ipop::engine {

/// Which of the members without a name or an address are ours to give another ADMIT (decision 027):
/// whoever admitted one signs at once, the others one after the other should that member be away
/// for good. Each knows its turn by itself, the number of those who have had theirs doubles with
/// every kTurn, and more than one ADMIT does no harm.
class MendTurns {
 public:
  static constexpr Duration kTurn = std::chrono::seconds(30);

  struct Lost {
    wire::NodeId node;
    std::size_t place = 0;  ///< 0: we admitted it; see place_of()
  };
  /// About how many of `members` come before us, at least 1: by the distance on the ring, which
  /// differs for each that is lost.
  static std::size_t place_of(const wire::NodeId& self, const wire::NodeId& lost,
                              std::size_t members);

  /// Those whose turn with us it is; again after another kTurn, since others may have signed for
  /// the same name at the same moment. `lost` is everybody without; who is not in it is mended.
  std::vector<wire::NodeId> take_due(Instant now, std::span<const Lost> lost);
  /// When to ask again.
  Instant deadline() const;

 private:
  std::map<wire::NodeId, Instant> at_;  ///< when its next turn with us is
};

}  // namespace ipop::engine
