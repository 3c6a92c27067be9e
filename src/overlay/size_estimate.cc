#include "overlay/size_estimate.h"

#include <bit>

namespace ipop::overlay {
namespace {

__extension__ using Wide = unsigned __int128;

/// The distances of the links on one side, ascending.
std::vector<std::uint64_t> distances(RingId self, const LinkTable& links, Side side) {
  std::vector<std::uint64_t> out;
  for (const Link& link : links) out.push_back(distance_on(side, self, link.id));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::uint32_t log2_256(std::uint64_t value) {
  if (value == 0) return 0;
  const auto whole = static_cast<std::uint32_t>(std::bit_width(value) - 1);
  // The fraction bit by bit: squaring a number in [1, 2) doubles its logarithm.
  std::uint64_t x = value << (63U - whole);
  std::uint32_t fraction = 0;
  for (int i = 0; i < 8; ++i) {
    const Wide square = static_cast<Wide>(x) * x;
    fraction <<= 1U;
    if ((square >> 127U) != 0) {
      fraction |= 1U;
      x = static_cast<std::uint64_t>(square >> 64U);
    } else {
      x = static_cast<std::uint64_t>(square >> 63U);
    }
  }
  return whole * 256 + fraction;
}

std::uint64_t exp2_256(std::uint32_t log) {
  if (log >= 64 * 256) return UINT64_MAX;
  // 2^(2^-i) for i = 1..8, as fractions of 2^63.
  static constexpr std::array<std::uint64_t, 8> kRoots = {
      0xb504f333f9de6484, 0x9837f0518db8a96f, 0x8b95c1e3ea8bd6e7, 0x85aac367cc487b15,
      0x82cd8698ac2ba1d7, 0x8164d1f3bc030773, 0x80b1ed4fd999ab6c, 0x8058d7d2d5e5f6b1};
  std::uint64_t x = 1ULL << 63U;
  for (std::uint32_t i = 0; i < 8; ++i) {
    if ((log & (128U >> i)) != 0) {
      x = static_cast<std::uint64_t>(static_cast<Wide>(x) * kRoots[i] >> 63U);
    }
  }
  return x >> (63U - log / 256);
}

std::uint16_t own_size_log2_256(RingId self, const LinkTable& links, std::size_t per_side) {
  if (links.empty()) return 0;
  const auto after = distances(self, links, Side::After);
  const auto before = distances(self, links, Side::Before);
  const std::size_t n = std::min(per_side, links.size());
  // Where the two spans overlap, the links are everybody there is.
  const Wide span = static_cast<Wide>(after[n - 1]) + before[n - 1];
  if ((span >> 64U) != 0 || span == 0 || links.size() < 2 * per_side) {
    return static_cast<std::uint16_t>(log2_256(links.size() + 1));
  }
  // 2n members in a span of `span` parts of 2^64.
  const std::uint32_t density = 64 * 256 - log2_256(static_cast<std::uint64_t>(span));
  return static_cast<std::uint16_t>(log2_256(2 * n) + density);
}

std::uint16_t network_size_log2_256(std::uint16_t own, const LinkTable& links) {
  std::vector<std::uint16_t> all = {own};
  for (const Link& link : links) {
    if (link.size_log2_256 != 0 && link.established()) all.push_back(link.size_log2_256);
  }
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

}  // namespace ipop::overlay
