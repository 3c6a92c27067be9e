#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ipop {

/// Borrowed input, valid during the call only unless said otherwise.
using Bytes = std::span<const std::byte>;
/// Borrowed output, filled or changed in place.
using MutableBytes = std::span<std::byte>;
/// Owned bytes of any length.
using ByteVector = std::vector<std::byte>;

/// Fixed-length bytes that are not secret, compared bytewise. Tag keeps kinds apart.
template <class Tag, std::size_t N>
struct FixedBytes {
  static constexpr std::size_t kSize = N;
  std::array<std::byte, N> bytes{};

  /// Copies exactly N bytes; nullopt when `from` has another length.
  static constexpr std::optional<FixedBytes> from(Bytes from) {
    if (from.size() != N) return std::nullopt;
    FixedBytes out;
    std::copy(from.begin(), from.end(), out.bytes.begin());
    return out;
  }
  constexpr Bytes view() const { return bytes; }
  constexpr bool is_zero() const {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  }
  friend constexpr auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
};

/// Views for C interfaces; the only casts between byte types in the project besides os/.
inline const unsigned char* as_uchar(Bytes b) {
  return reinterpret_cast<const unsigned char*>(b.data());
}
inline unsigned char* as_uchar(MutableBytes b) {
  return reinterpret_cast<unsigned char*>(b.data());
}
inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string_view as_text(Bytes b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// Copies `from` to the start of `to`. Requires: to.size() >= from.size(), no overlap.
void copy_bytes(MutableBytes to, Bytes from);
/// True when both have the same length and content. Not constant-time: never for secrets or tags.
bool equal_bytes(Bytes a, Bytes b);
/// Appends `from` to `to`.
inline void append(ByteVector& to, Bytes from) { to.insert(to.end(), from.begin(), from.end()); }
inline ByteVector to_vector(Bytes from) { return {from.begin(), from.end()}; }

/// Lower-case hexadecimal.
std::string to_hex(Bytes bytes);
/// Base64 with padding (RFC 4648 section 4).
std::string to_base64(Bytes bytes);
/// Reads hexadecimal of either case; nullopt for odd length or another character.
std::optional<ByteVector> from_hex(std::string_view text);

}  // namespace ipop

template <class Tag, std::size_t N>
struct std::hash<ipop::FixedBytes<Tag, N>> {
  /// For keys that are themselves hashes or public keys; the table's owner bounds its size.
  std::size_t operator()(const ipop::FixedBytes<Tag, N>& v) const noexcept {
    static_assert(N >= sizeof(std::size_t));
    std::size_t h = 0;
    std::memcpy(&h, v.bytes.data(), sizeof h);
    return h;
  }
};
