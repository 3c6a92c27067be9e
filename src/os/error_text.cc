#include "os/error_text.h"

#include <cerrno>
#include <mutex>
#include <set>
#include <system_error>

namespace ipop::os {
namespace {

struct KeptTexts {
  std::mutex mutex;  // errors are rare; any thread may have one
  std::set<std::string> texts;
};

/// Never destroyed: Errors may be looked at while static objects go away.
KeptTexts& kept_texts() {
  static KeptTexts& kept = *new KeptTexts;
  return kept;
}

std::string_view keep(const std::string& text, std::string_view fallback) {
  KeptTexts& kept = kept_texts();
  const std::lock_guard lock(kept.mutex);
  if (const auto found = kept.texts.find(text); found != kept.texts.end()) return *found;
  if (kept.texts.size() >= kErrorTextsMax) return fallback;
  return *kept.texts.insert(text).first;
}

}  // namespace

std::unexpected<Error> fail_text(Errc code, const std::string& text, int os,
                                 std::string_view fallback) {
  return fail(code, keep(text, fallback), os);
}

std::unexpected<Error> fail_errno(const std::string& text, int os) {
  Errc code = Errc::Os;
  if (os == EACCES || os == EPERM) code = Errc::Denied;
  if (os == ENOENT) code = Errc::NotFound;
  return fail_text(code, text + ": " + std::generic_category().message(os), os);
}

}  // namespace ipop::os
