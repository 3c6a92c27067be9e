#include "os/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace ipop::os {

void KernelRng::fill(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0) {
      // A long read may be interrupted; anything else means there is no randomness, and going on
      // without would be worse than stopping.
      check(errno == EINTR);
      continue;
    }
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace ipop::os
