// The daemon's command line as the flag parser takes it.
#pragma once

#include "base/flags.h"
#include "daemon/config/config.h"

namespace bk::config {

flags::Command CommandLine(const Surroundings& here, int64_t disk_total_bytes);

}  // namespace bk::config
