#pragma once

#include "base/random.h"

namespace ipop::os {

/// The kernel's generator. Nothing is buffered: a buffer would be shared after fork and would lie
/// in memory after use, and the control thread draws a few hundred bytes per handshake. Blocks
/// only during the first seconds of a boot, until the kernel has entropy. Any thread.
class KernelRng final : public Rng {
 public:
  void fill(MutableBytes out) override;
};

}  // namespace ipop::os
