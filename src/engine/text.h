#pragma once

#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/output.h"
#include "member/refusal.h"

/// Failures in the user's words, each with its next step.
namespace ipop::engine {

/// What authoring a statement refused (member/author.h).
CommandError error_of(const member::Refused& refused);
/// What reading an invite refused.
CommandError invite_error(const Error& error);
/// Why an admission was refused, as the joiner hears it.
CommandError refusal_error(wire::ByeReason reason);
/// What to do about a network whose files could not be restored.
std::string held_advice(const std::string& network);
/// What to do about a network without an interface.
std::string interface_advice(const std::string& network);
/// Another program has an interface of the name that was asked for.
std::string taken_interface_advice(const std::string& network);
/// The same reason for a member that is one no longer.
std::string out_text(wire::ByeReason reason);
/// 64 hexadecimal digits in groups of eight.
std::string secret_text(Bytes secret);

}  // namespace ipop::engine
