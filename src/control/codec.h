#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "control/schema.h"

/// The control socket speaks newline-delimited JSON. The client sends one line
///
///   {"version":1,"verb":"invite","uses":1,…}
///
/// and the daemon answers with any number of {"event":{"kind":…,…}} and then one
/// {"verb":"invite","result":{"version":1,…}} or {"error":{"code","message","next"}}.
///
/// Decoders are strict about types and ranges and name the field that is wrong; fields they do not
/// know are ignored, so that a newer side can talk to an older one. None of them throws.
namespace ipop::control {

/// Longest request line, without its newline. An invite is the longest thing a request carries.
inline constexpr std::size_t kRequestLineMax = std::size_t{64} * 1024;
/// Longest line a client accepts: `status` of a network of some ten thousand members.
inline constexpr std::size_t kServerLineMax = std::size_t{16} * 1024 * 1024;

/// "create", …; the word on the command line and in JSON.
std::string_view verb_of(const Request& request);
std::string_view verb_of(const Reply& reply);

/// Encoders give one line with its newline. Text that is not UTF-8 goes out with U+FFFD in the bad
/// places.
std::string encode(const Request& request);
std::string encode(const Event& event);
std::string encode(const Reply& reply);
std::string encode(const ControlError& error);

/// Errors: Usage (not JSON, a field missing or of the wrong type), Unsupported (verb, version).
std::expected<Request, ControlError> decode_request(std::string_view line);

using ServerLine = std::variant<Event, Reply, ControlError>;
/// Nullopt for an event of a kind that this version does not know: it is to be skipped.
/// Errors: Internal (not what a daemon says), Unsupported (version).
std::expected<std::optional<ServerLine>, ControlError> decode_server_line(std::string_view line);

/// What `ipop --json` prints: the result alone, indented, with its final newline.
std::string document(const Reply& reply);
/// {"version":1,"error":{…}}, one line with its newline.
std::string document(const ControlError& error);

}  // namespace ipop::control
