// --copy-up=DIR: a writable directory in the place of a read-only one.
//
// A tmpfs is mounted on DIR; each entry of the original becomes a link into a hidden mount of it (".ro…"), so entries can
// be replaced but not changed. Links are copied as links.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace bk::rootlesskit {

// In order. InvalidArgument for / and /tmp; on failure the mounts made so far stay (the namespace goes with the process).
absl::Status CopyUp(const std::vector<std::string>& dirs);
// Whether one of them is /etc.
bool CopiesEtc(const std::vector<std::string>& dirs);

}  // namespace bk::rootlesskit
