#include "nat/public_address.h"

#include <algorithm>

namespace ipop::nat {
namespace {

constexpr Prefix4 kShared{Ipv4{0x64400000}, 10};
/// RFC 1918, 6598 (shared), 1122 (this network, loopback, reserved), 3927 (link-local), 5771
/// (multicast).
constexpr Prefix4 kNobodysV4[] = {
    {Ipv4{0x00000000}, 8},  {Ipv4{0x0a000000}, 8},  kShared,
    {Ipv4{0x7f000000}, 8},  {Ipv4{0xa9fe0000}, 16}, {Ipv4{0xac100000}, 12},
    {Ipv4{0xc0a80000}, 16}, {Ipv4{0xe0000000}, 4},  {Ipv4{0xf0000000}, 4}};

}  // namespace

bool is_public(const IpAddress& address) {
  if (address.is_unspecified() || address.is_multicast() || address.is_loopback() ||
      address.is_link_local()) {
    return false;
  }
  if (address.is_v6()) return (address.v6().bytes[0] & std::byte{0xfe}) != std::byte{0xfc};
  return std::ranges::none_of(kNobodysV4,
                              [&](const Prefix4& p) { return p.contains(address.v4()); });
}

bool is_shared(const IpAddress& address) {
  return !address.is_v6() && kShared.contains(address.v4());
}

}  // namespace ipop::nat
