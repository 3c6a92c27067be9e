#pragma once

#include <string>

#include "sim/run/report.h"

namespace ipop::sim {

/// Pictures of one run into an existing or new folder: ring.svg, degree.svg, hops.svg, join.svg,
/// convergence.svg; those of which there is nothing to show are left out. False: cannot write.
bool write_plots(const Report& report, const std::string& folder);

}  // namespace ipop::sim
