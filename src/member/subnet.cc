#include "member/subnet.h"

#include <algorithm>
#include <array>

namespace ipop::member {
namespace {

constexpr std::uint8_t kLengthMin = 8;
constexpr std::uint8_t kLengthMax = 30;

constexpr std::array kReserved{
    Prefix4{{0}, 8},             // 0.0.0.0/8
    Prefix4{{127U << 24U}, 8},   // 127.0.0.0/8
    Prefix4{{0xa9fe0000U}, 16},  // 169.254.0.0/16
    Prefix4{{0xe0000000U}, 4},   // 224.0.0.0/4
    Prefix4{{0xf0000000U}, 4},   // 240.0.0.0/4
};

}  // namespace

Authored<void> check_subnet(const Prefix4& subnet) {
  if (subnet.length < kLengthMin || subnet.length > kLengthMax || !subnet.contains(subnet.base)) {
    return refuse(Refusal::SubnetSize);
  }
  if (std::ranges::any_of(kReserved, [&](const Prefix4& r) { return r.overlaps(subnet); })) {
    return refuse(Refusal::SubnetReserved);
  }
  return {};
}

}  // namespace ipop::member
