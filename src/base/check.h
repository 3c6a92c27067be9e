#pragma once

#include <cstdlib>
#include <source_location>

namespace ipop {

/// Reports a broken invariant on stderr-free terms (the core cannot print) and stops the process.
[[noreturn]] inline void check_failed(const std::source_location&) { std::abort(); }

/// Stops the process if an invariant of our own is broken; on in release builds. Never called on
/// what a peer, a file or a user controls.
constexpr void check(bool ok, std::source_location at = std::source_location::current()) {
  if (!ok) check_failed(at);
}

}  // namespace ipop
