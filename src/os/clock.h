#pragma once

#include "base/time.h"

namespace ipop::os {

/// Both clocks at this moment: CLOCK_BOOTTIME, which goes on while the machine sleeps (a session
/// that slept past its lifetime must know it), and CLOCK_REALTIME. Any thread.
Now now();

}  // namespace ipop::os
