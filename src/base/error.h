#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

namespace ipop {

/// What kind of failure it is, for code that reacts to it. The text is for people.
enum class Errc : std::uint8_t {
  Truncated,    ///< fewer bytes than the layout needs
  BadValue,     ///< a field has a value that the layout forbids
  NotFound,     ///< no such thing here
  Denied,       ///< authentication or authorisation failed
  Busy,         ///< a limit is reached; later may work
  Unsupported,  ///< valid, but not for this version or machine
  Os,           ///< a system call failed; `os` is its errno
};

/// A failure that the caller must handle. Trivially copyable: building one never allocates, so a
/// flood of bad packets costs nothing. `what` points at a string literal.
struct [[nodiscard]] Error {
  Errc code{};
  std::string_view what;
  int os = 0;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for `return fail(Errc::Truncated, "data header");`
constexpr std::unexpected<Error> fail(Errc code, std::string_view what, int os = 0) {
  return std::unexpected(Error{code, what, os});
}

}  // namespace ipop
