#pragma once

#include "control/doctor.h"
#include "engine/diagnosis.h"
#include "os/nft_ruleset.h"

/// What the engine found out about the path to a member, in the control socket's words.
namespace ipop::daemon {

/// Fills in everything but who asked whom, the firewall's rules and the verdict.
void fill_in(control::DoctorReply& reply, const engine::Diagnosed& found);
/// What this machine's packet filter does with what comes to our port. After fill_in(): rules that
/// seem to drop everything are not believed where something came in all the same.
void note_firewall(control::DoctorReply& reply, const os::NftRuleset& rules);

}  // namespace ipop::daemon
