// What a process shows as its memory and is none of its own: the mapped pages of its program and libraries.
#pragma once

#include "base/status.h"

namespace bk::os {

// Unmaps the pages of the program and its libraries that nobody can have written; whoever needs one maps it again (a fault
// without I/O while the file is cached). For a process that rests: the system can then use the memory without taking it
// from a running program. An error leaves some of them mapped. Any thread; libraries are not loaded or closed meanwhile.
absl::Status UnmapCleanPages();

}  // namespace bk::os
