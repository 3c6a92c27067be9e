#pragma once

namespace ipop::engine {

/// One visitor out of several lambdas.
template <class... F>
struct Overload : F... {
  using F::operator()...;
};

}  // namespace ipop::engine
