#include "wire/invite.h"

namespace ipop::wire {
namespace {

constexpr std::string_view kPrefix = "IPOP1-";
/// RFC 4648, section 6. No digit 0, 1 or 8, so that a version digit cannot be mistaken for content.
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr unsigned kBitsPerCharacter = 5;
/// What kInviteSizeMax bytes need; the next character would complete a byte more.
constexpr std::size_t kCharactersMax =
    (kInviteSizeMax * 8 + kBitsPerCharacter - 1) / kBitsPerCharacter;

char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

/// What people, mail programs and terminals put between the characters.
bool is_separator(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '-'; }

std::string base32(Bytes bytes) {
  std::string out;
  unsigned bits = 0;
  unsigned count = 0;
  for (const std::byte b : bytes) {
    bits = (bits << 8U | std::to_integer<unsigned>(b)) & 0xffffU;
    count += 8;
    while (count >= kBitsPerCharacter) {
      count -= kBitsPerCharacter;
      out += kAlphabet[bits >> count & 31U];
    }
  }
  if (count > 0) out += kAlphabet[bits << (kBitsPerCharacter - count) & 31U];
  return out;
}

/// Decodes upper-case base32; the length and the unused bits of the last character must be what
/// base32() makes of whole bytes.
Result<ByteVector> from_base32(std::string_view text) {
  ByteVector out;
  unsigned bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return fail(Errc::BadValue, "the invite is damaged: it has a character that does not belong");
    }
    bits = (bits << kBitsPerCharacter | static_cast<unsigned>(digit)) & 0xfffU;
    count += kBitsPerCharacter;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<std::byte>(bits >> count & 0xffU));
    }
  }
  if (count >= kBitsPerCharacter || (bits & ((1U << count) - 1U)) != 0) {
    return fail(Errc::BadValue, "the invite is damaged: characters are missing or too many");
  }
  return out;
}

}  // namespace

std::string invite_text(Bytes layout, const InviteChecksum& checksum) {
  ByteVector all = to_vector(layout);
  append(all, checksum);
  return std::string(kPrefix) + base32(all);
}

Result<InviteText> parse_invite_text(std::string_view text) {
  constexpr std::string_view kName = "IPOP";
  std::string clean;
  for (const char c : text) {
    if (is_separator(c)) continue;
    clean += to_upper(c);
    if (clean.size() > kPrefix.size() + kCharactersMax) break;
  }
  const std::string_view all = clean;
  if (!all.starts_with(kName) || all.size() == kName.size() || all[4] < '0' || all[4] > '9') {
    return fail(Errc::BadValue, "this is not an ipop invite (one begins with IPOP1-)");
  }
  if (all[4] != '1') return fail(Errc::Unsupported, "this invite needs a newer ipop");
  const std::string_view content = all.substr(kName.size() + 1);
  if (content.size() > kCharactersMax) {
    return fail(Errc::BadValue, "the invite is damaged: it is too long");
  }
  auto bytes = from_base32(content);
  if (!bytes) return std::unexpected(bytes.error());
  InviteText out;
  if (bytes->size() <= out.checksum.size()) {
    return fail(Errc::BadValue, "the invite is damaged: its end is missing");
  }
  const std::size_t size = bytes->size() - out.checksum.size();
  copy_bytes(out.checksum, Bytes(*bytes).subspan(size));
  bytes->resize(size);
  out.layout = std::move(*bytes);
  return out;
}

}  // namespace ipop::wire
