#pragma once

#include <string>
#include <vector>

#include "control/schema.h"

namespace ipop::cli {

/// The devices of `status` and `device list`, indented by two.
std::string devices_table(const std::vector<control::DeviceStatus>& devices);

}  // namespace ipop::cli
