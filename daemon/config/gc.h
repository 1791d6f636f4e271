// Garbage collection: what the defaults are on a disk, and the short form that the flag has.
#pragma once

#include <string>

#include "daemon/config/config.h"

namespace bk::config {

// "Reserved[,Free[,Maximum]]" in 10^6 bytes, into the worker's three sizes.
absl::Status SetGcFromFlag(const std::string& text, OciWorker& worker);
// The same form of what is in force; parts of zero at the end are left out. A reserved share is counted without the disk's
// size, as the reference's help page shows it.
std::string GcFlagText(const OciWorker& worker, int64_t disk_total_bytes);

}  // namespace bk::config
