#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace ipop {

/// An IPv4 address in host byte order, so that it orders and counts naturally.
struct Ipv4 {
  std::uint32_t value = 0;

  /// Dotted quad, four decimal numbers without leading zeros; nullopt for anything else.
  static std::optional<Ipv4> parse(std::string_view text);
  static Ipv4 from_bytes(std::array<std::byte, 4> network_order);
  std::array<std::byte, 4> to_bytes() const;
  std::string to_string() const;
  friend constexpr auto operator<=>(Ipv4, Ipv4) = default;
};

/// An IPv6 address in network byte order.
struct Ipv6 {
  std::array<std::byte, 16> bytes{};

  /// RFC 4291 text forms without a zone; nullopt for anything else.
  static std::optional<Ipv6> parse(std::string_view text);
  /// RFC 5952 canonical text.
  std::string to_string() const;
  friend constexpr auto operator<=>(const Ipv6&, const Ipv6&) = default;
  /// As two numbers: g++ compares an array of std::byte one by one, and a packet's way through the
  /// daemon has half a dozen such comparisons.
  friend constexpr bool operator==(const Ipv6& a, const Ipv6& b) {
    using Halves = std::array<std::uint64_t, 2>;
    return std::bit_cast<Halves>(a.bytes) == std::bit_cast<Halves>(b.bytes);
  }
};

/// Either family. The default is IPv4 0.0.0.0.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  constexpr IpAddress(Ipv4 v4) : v4_(v4) {}  // NOLINT(google-explicit-constructor)
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr IpAddress(const Ipv6& v6) : is_v6_(true), v6_(v6) {}

  static std::optional<IpAddress> parse(std::string_view text);
  constexpr bool is_v6() const { return is_v6_; }
  /// Requires: !is_v6().
  constexpr Ipv4 v4() const { return v4_; }
  /// Requires: is_v6().
  constexpr const Ipv6& v6() const { return v6_; }
  std::string to_string() const;
  /// 0.0.0.0 or ::.
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_multicast() const;
  /// 169.254/16 or fe80::/10.
  bool is_link_local() const;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool is_v6_ = false;
  Ipv4 v4_;
  Ipv6 v6_;
};

/// An outer UDP address. IPv4-mapped IPv6 never appears: os/ converts it.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "192.0.2.1:7" or "[2001:db8::1]:7".
  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// An IPv4 prefix; the host bits of `base` are zero.
struct Prefix4 {
  Ipv4 base;
  std::uint8_t length = 0;

  /// "10.1.0.0/16"; nullopt for bad text, length > 32, or host bits that are set.
  static std::optional<Prefix4> parse(std::string_view text);
  std::string to_string() const;
  constexpr std::uint32_t mask() const {
    return length == 0 ? 0 : ~std::uint32_t{0} << (32U - length);
  }
  constexpr bool contains(Ipv4 a) const { return (a.value & mask()) == base.value; }
  constexpr bool overlaps(const Prefix4& o) const {
    const std::uint32_t m = mask() & o.mask();
    return (base.value & m) == (o.base.value & m);
  }
  /// The directed broadcast address.
  constexpr Ipv4 last() const { return {base.value | ~mask()}; }
  friend constexpr auto operator<=>(const Prefix4&, const Prefix4&) = default;
};

}  // namespace ipop

template <>
struct std::hash<ipop::IpAddress> {
  std::size_t operator()(const ipop::IpAddress& a) const noexcept;
};
template <>
struct std::hash<ipop::Endpoint> {
  std::size_t operator()(const ipop::Endpoint& e) const noexcept;
};
