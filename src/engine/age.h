#pragma once

#include <algorithm>
#include <optional>

#include "base/time.h"

namespace ipop::engine {

/// How long ago that was; nullopt: never (Instant::min()).
inline std::optional<Duration> age_of(Instant then, Instant now) {
  if (then == Instant::min()) return std::nullopt;
  return std::max(Duration(0), now - then);
}

}  // namespace ipop::engine
