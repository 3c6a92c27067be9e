#pragma once

#include <string_view>

namespace ipop::control {

/// "0.1.0", of this build.
std::string_view version();

}  // namespace ipop::control
