#include "os/error_text.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace ipop::os {
namespace {

TEST(ErrorText, LivesLongerThanTheStringItCameFrom) {
  Error kept;
  {
    std::string text = "a text that is too long for the small string " + std::to_string(1);
    kept = fail_text(Errc::Busy, text, 7).error();
    text.assign(text.size(), 'x');
  }
  EXPECT_EQ(kept.what, "a text that is too long for the small string 1");
  EXPECT_EQ(kept.code, Errc::Busy);
  EXPECT_EQ(kept.os, 7);
}

TEST(ErrorText, EqualTextsAreKeptOnce) {
  const Error a = fail_text(Errc::Busy, "the same text twice").error();
  const Error b = fail_text(Errc::Denied, "the same text twice").error();
  EXPECT_EQ(a.what.data(), b.what.data());
}

TEST(ErrorText, ErrnoBecomesACodeAndWords) {
  struct Case {
    int os;
    Errc code;
    std::string_view words;
  };
  for (const Case& c : {Case{EACCES, Errc::Denied, "f: Permission denied"},
                        Case{EPERM, Errc::Denied, "f: Operation not permitted"},
                        Case{ENOENT, Errc::NotFound, "f: No such file or directory"},
                        Case{EIO, Errc::Os, "f: Input/output error"}}) {
    const Error e = fail_errno("f", c.os).error();
    EXPECT_EQ(e.code, c.code);
    EXPECT_EQ(e.what, c.words);
    EXPECT_EQ(e.os, c.os);
  }
}

/// In a child: what it fills stays full for the life of a process.
bool flood_ends_in_the_fallback() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < kErrorTextsMax + 10; ++i) {
    const Error e = fail_text(Errc::Os, "flood " + std::to_string(i), 0, "fallback").error();
    if (e.what != "fallback") ++kept;
  }
  return kept <= kErrorTextsMax &&
         fail_text(Errc::Os, "one more", 0, "fallback").error().what == "fallback" &&
         fail_text(Errc::Os, "flood 0", 0, "fallback").error().what == "flood 0";
}

TEST(ErrorText, AFloodOfTextsEndsInTheFallback) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(flood_ends_in_the_fallback() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ipop::os
