#include "base/address.h"

#include <algorithm>
#include <charconv>

namespace ipop {
namespace {

/// Reads a decimal number without sign or leading zeros; nullopt when it is above `max`.
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t max) {
  if (text.empty() || text.size() > 10 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > max) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::optional<std::uint16_t> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Parses colon-separated groups, the last of which may be a dotted quad, into `out`; returns how
/// many 16-bit words there are.
std::optional<std::size_t> parse_groups(std::string_view text, std::array<std::uint16_t, 8>& out) {
  std::size_t n = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    if (colon == std::string_view::npos && part.find('.') != std::string_view::npos) {
      const auto quad = Ipv4::parse(part);
      if (!quad || n + 2 > out.size()) return std::nullopt;
      out[n++] = static_cast<std::uint16_t>(quad->value >> 16U);
      out[n++] = static_cast<std::uint16_t>(quad->value & 0xffffU);
      return n;
    }
    const auto group = parse_group(part);
    if (!group || n == out.size()) return std::nullopt;
    out[n++] = *group;
    if (colon == std::string_view::npos) return n;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;
  }
  return n;
}

std::size_t hash_bytes(Bytes bytes) { return std::hash<std::string_view>{}(as_text(bytes)); }

}  // namespace

std::optional<Ipv4> Ipv4::parse(std::string_view text) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const std::size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
    const auto part = parse_decimal(text.substr(0, dot), 255);
    if (!part) return std::nullopt;
    value = value << 8U | *part;
    if (i < 3) text.remove_prefix(dot + 1);
  }
  return Ipv4{value};
}

Ipv4 Ipv4::from_bytes(std::array<std::byte, 4> b) {
  std::uint32_t value = 0;
  for (const std::byte x : b) value = value << 8U | std::to_integer<std::uint32_t>(x);
  return {value};
}

std::array<std::byte, 4> Ipv4::to_bytes() const {
  return {std::byte(value >> 24U), std::byte(value >> 16U), std::byte(value >> 8U),
          std::byte(value)};
}

std::string Ipv4::to_string() const {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += std::to_string(value >> static_cast<unsigned>(shift) & 255U);
    if (shift != 0) out += '.';
  }
  return out;
}

std::optional<Ipv6> Ipv6::parse(std::string_view text) {
  std::array<std::uint16_t, 8> words{};
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (parse_groups(text, words) != 8U) return std::nullopt;
  } else {
    std::array<std::uint16_t, 8> tail{};
    const std::string_view after = text.substr(gap + 2);
    if (text.substr(0, gap).find('.') != std::string_view::npos) return std::nullopt;
    const auto head_count = parse_groups(text.substr(0, gap), words);
    const auto tail_count = parse_groups(after, tail);
    if (!head_count || !tail_count || *head_count + *tail_count > 7) return std::nullopt;
    std::copy_n(tail.begin(), *tail_count, words.end() - static_cast<std::ptrdiff_t>(*tail_count));
  }
  Ipv6 out;
  for (std::size_t i = 0; i < 8; ++i) {
    out.bytes[2 * i] = std::byte(words[i] >> 8U);
    out.bytes[2 * i + 1] = std::byte(words[i] & 255U);
  }
  return out;
}

std::string Ipv6::to_string() const {
  std::array<unsigned, 8> words{};
  for (std::size_t i = 0; i < 8; ++i) {
    words[i] =
        std::to_integer<unsigned>(bytes[2 * i]) << 8U | std::to_integer<unsigned>(bytes[2 * i + 1]);
  }
  // RFC 5952 4.2: shorten the longest run of two or more zero words, the first one on a tie.
  std::size_t best = 8;
  std::size_t best_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t n = 0;
    while (i + n < 8 && words[i + n] == 0) ++n;
    if (n > best_length) {
      best = i;
      best_length = n;
    }
    i += n + 1;
  }
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    std::array<char, 4> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), words[i], 16).ptr;
    out.append(digits.data(), end);
  }
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (const auto v4 = Ipv4::parse(text)) return IpAddress(*v4);
  if (const auto v6 = Ipv6::parse(text)) return IpAddress(*v6);
  return std::nullopt;
}

std::string IpAddress::to_string() const { return is_v6_ ? v6_.to_string() : v4_.to_string(); }

bool IpAddress::is_unspecified() const { return is_v6_ ? v6_ == Ipv6{} : v4_.value == 0; }

bool IpAddress::is_loopback() const {
  if (!is_v6_) return v4_.value >> 24U == 127;
  Ipv6 one;
  one.bytes[15] = std::byte{1};
  return v6_ == one;
}

bool IpAddress::is_multicast() const {
  return is_v6_ ? v6_.bytes[0] == std::byte{0xff} : v4_.value >> 28U == 14;
}

bool IpAddress::is_link_local() const {
  if (!is_v6_) return v4_.value >> 16U == 0xa9fe;
  return v6_.bytes[0] == std::byte{0xfe} && (v6_.bytes[1] & std::byte{0xc0}) == std::byte{0x80};
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    const auto v6 = Ipv6::parse(host.substr(1, host.size() - 2));
    if (!v6) return std::nullopt;
    return Endpoint{*v6, static_cast<std::uint16_t>(*port)};
  }
  const auto v4 = Ipv4::parse(host);
  if (!v4) return std::nullopt;
  return Endpoint{*v4, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Prefix4> Prefix4::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = Ipv4::parse(text.substr(0, slash));
  const auto length = parse_decimal(text.substr(slash + 1), 32);
  if (!base || !length) return std::nullopt;
  const Prefix4 out{*base, static_cast<std::uint8_t>(*length)};
  if (!out.contains(*base)) return std::nullopt;
  return out;
}

std::string Prefix4::to_string() const { return base.to_string() + "/" + std::to_string(length); }

}  // namespace ipop

std::size_t std::hash<ipop::IpAddress>::operator()(const ipop::IpAddress& a) const noexcept {
  return a.is_v6() ? ipop::hash_bytes(a.v6().bytes) : std::hash<std::uint32_t>{}(a.v4().value);
}

std::size_t std::hash<ipop::Endpoint>::operator()(const ipop::Endpoint& e) const noexcept {
  return std::hash<ipop::IpAddress>{}(e.address) * 31 + e.port;
}
