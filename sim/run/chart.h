#pragma once

#include <string>
#include <vector>

#include "sim/run/report.h"

/// Charts as whole SVG files.
namespace ipop::sim {

/// How often there is each whole number.
std::string histogram(const std::string& title, const std::string& unit, const Samples& samples);
/// Which share of all is at most so large.
std::string distribution(const std::string& title, const std::string& unit, const Samples& samples);
/// How many members are on, rightly linked, and aware of all, over time.
std::string course(const std::string& title, const std::vector<Report::Moment>& moments);

}  // namespace ipop::sim
