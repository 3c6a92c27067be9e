#pragma once

#include "control/doctor.h"

namespace ipop::control {

/// The side's own system refuses to send. Some refusals prove nothing: a rule may bar private
/// addresses alone; so no test may have left the machine.
bool refuses_to_send(const DoctorSide& side);

/// What all the findings together mean: why the path is as it is, and what would make it direct (or
/// a path at all). Pure; looks at everything in `reply` but its verdict.
DoctorVerdict verdict_of(const DoctorReply& reply);

}  // namespace ipop::control
