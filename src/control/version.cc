#include "control/version.h"

namespace ipop::control {

std::string_view version() { return IPOP_VERSION; }

}  // namespace ipop::control
