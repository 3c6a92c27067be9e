#pragma once

#include "engine/context.h"

namespace ipop::engine {

/// Whether an initiation whose mac1 is right may cost a Diffie-Hellman; what may not is dropped or
/// got a cookie reply (its Transmit is in the outputs). `own` is the key that it was addressed to.
bool may_enter(Context& context, const Now& now, const session::Profile& profile,
               const TunnelKey& own, const wire::Initiation& message, const Endpoint& from);

}  // namespace ipop::engine
