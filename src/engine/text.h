#pragma once

#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/output.h"

/// Failures in the user's words, each with its next step.
namespace ipop::engine {

/// What authoring a statement refused (member/author.h).
CommandError error_of(const Error& error);
/// What reading an invite refused.
CommandError invite_error(const Error& error);
/// Why an admission was refused, as the joiner hears it.
CommandError refusal_error(wire::ByeReason reason);
/// The same reason for a member that is one no longer.
std::string out_text(wire::ByeReason reason);
/// 64 hexadecimal digits in groups of eight.
std::string secret_text(Bytes secret);

}  // namespace ipop::engine
