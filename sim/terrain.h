#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

/// Where nodes are on the map, and which pairs cannot talk. Nothing is drawn twice: what a pair is
/// like follows from the seed and its two numbers.
namespace ipop::sim {

class Terrain {
 public:
  struct Options {
    std::uint64_t seed = 1;
    double unlinkable = 0;  ///< share of pairs between which no datagram passes, 0..1
    std::size_t open = 1;   ///< so many first nodes reach everybody all the same
  };
  explicit Terrain(const Options& options) : options_(options) {}

  /// One way between two nodes: 5 ms and what follows from the distance of two random points of a
  /// square. Over all pairs 40 ms on the average, 150 at most.
  Duration delay(std::size_t a, std::size_t b) const;
  /// Whether this pair is one of the unlinkable ones.
  bool is_blocked(std::size_t a, std::size_t b) const;

 private:
  Options options_;
};

}  // namespace ipop::sim
