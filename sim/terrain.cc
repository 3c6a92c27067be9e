#include "sim/terrain.h"

#include <algorithm>
#include <cmath>

namespace ipop::sim {
namespace {

constexpr double kNearestMs = 5;
/// Of the unit square: the mean of distance^1.5 is 0.407, the diagonal's 1.682.
constexpr double kBend = 1.5;
constexpr double kMsPerUnit = 86;

/// splitmix64's finaliser.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

/// In [0, 1), the same for the same numbers.
double drawn(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
  return static_cast<double>(mixed(mixed(mixed(seed) + a) + b) >> 11U) * 0x1p-53;
}

}  // namespace

Duration Terrain::delay(std::size_t a, std::size_t b) const {
  const double dx = drawn(options_.seed, a, 1) - drawn(options_.seed, b, 1);
  const double dy = drawn(options_.seed, a, 2) - drawn(options_.seed, b, 2);
  const double ms = kNearestMs + kMsPerUnit * std::pow(std::hypot(dx, dy), kBend);
  return Duration(static_cast<std::int64_t>(ms * 1e6));
}

bool Terrain::is_blocked(std::size_t a, std::size_t b) const {
  const auto [low, high] = std::minmax(a, b);
  return low >= options_.open && drawn(~options_.seed, low, high) < options_.unlinkable;
}

}  // namespace ipop::sim
