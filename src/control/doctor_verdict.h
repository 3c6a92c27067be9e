#pragma once

#include "control/doctor.h"

namespace ipop::control {

/// The side's own system refuses to send. Some refusals prove nothing: a rule may bar private
/// addresses alone; so no test may have left the machine.
bool refuses_to_send(const DoctorSide& side);

/// Something of the other side's came in during the test, by the family that `firewall.incoming` is
/// of (IPv4 where there is it), or by one that is not known: then its rules do not drop everything,
/// however they read.
bool is_heard(const DoctorReply& reply);

/// What all the findings together mean: why the path is as it is, and what would make it direct (or
/// a path at all). Pure; looks at everything in `reply` but its verdict.
DoctorVerdict verdict_of(const DoctorReply& reply);

}  // namespace ipop::control
