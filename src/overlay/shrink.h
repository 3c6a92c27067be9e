#pragma once

#include <iterator>
#include <vector>

namespace ipop::overlay {

/// Gives back what a burst made a vector reserve, once it holds less than a quarter of it: idle
/// rings are many in a simulation. vector::shrink_to_fit() does nothing in libstdc++ without
/// exceptions.
template <class T>
void shrink(std::vector<T>& v) {
  if (v.capacity() <= 4 * v.size() + 4) return;
  std::vector<T> tight(std::make_move_iterator(v.begin()), std::make_move_iterator(v.end()));
  v.swap(tight);
}

}  // namespace ipop::overlay
