// Takes away all mounts in a directory, whoever made them: what a process that crashed left behind.
#pragma once

#include <string>

namespace bk::os {

// Unmounts everything below `path` and on it. False when something stands there still.
bool UnmountBelow(const std::string& path);

}  // namespace bk::os
