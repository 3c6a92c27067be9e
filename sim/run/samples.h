#pragma once

#include <cstddef>
#include <vector>

namespace ipop::sim {

/// Measured values of one kind.
class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  bool empty() const { return values_.empty(); }
  std::size_t size() const { return values_.size(); }
  /// All four: 0 without a value.
  double mean() const;
  /// The smallest value that `share` (0..1) of all do not exceed.
  double at(double share) const;
  double most() const { return at(1); }
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};

}  // namespace ipop::sim
