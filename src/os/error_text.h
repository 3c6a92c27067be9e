#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace ipop::os {

/// A failure whose text names a file, an interface or a process. Error holds only a view, so the
/// text is kept for the life of the process; equal texts are kept once. What can be named is
/// bounded by what the operator configured, and past kErrorTextsMax texts (somebody is feeding us
/// names) only `fallback` is returned. Any thread.
std::unexpected<Error> fail_text(Errc code, const std::string& text, int os = 0,
                                 std::string_view fallback = "operating system error");

/// The same with ": " and the system's text for `os` behind; code Os unless errno says something
/// more useful (EACCES, EPERM: Denied; ENOENT: NotFound).
std::unexpected<Error> fail_errno(const std::string& text, int os);

inline constexpr std::size_t kErrorTextsMax = 4096;

}  // namespace ipop::os
