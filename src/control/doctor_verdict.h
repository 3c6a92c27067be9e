#pragma once

#include "control/doctor.h"

namespace ipop::control {

/// What all the findings together mean: why the path is as it is, and what would make it direct (or
/// a path at all). Pure; looks at everything in `reply` but its verdict.
DoctorVerdict verdict_of(const DoctorReply& reply);

}  // namespace ipop::control
