// The text of an invite: one text for one content, once case and separators are gone.
#include "base/check.h"
#include "wire/invite.h"

using namespace ipop;  // NOLINT(google-build-using-namespace)

namespace {

std::string without_separators(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '-') continue;
    out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  const auto text = wire::parse_invite_text(as_text(input));
  if (text) {
    check(text->layout.size() + text->checksum.size() <= wire::kInviteSizeMax);
    const std::string again = wire::invite_text(text->layout, text->checksum);
    check(without_separators(again) == without_separators(as_text(input)));
  } else {
    check(!text.error().what.empty());
  }
  // The other direction: any bytes of a size that is allowed have a text.
  const wire::InviteChecksum checksum{};
  if (input.empty() || input.size() + checksum.size() > wire::kInviteSizeMax) return 0;
  const auto back = wire::parse_invite_text(wire::invite_text(input, checksum));
  check(back.has_value() && equal_bytes(back->layout, input) && back->checksum == checksum);
  return 0;
}
