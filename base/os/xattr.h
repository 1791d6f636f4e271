// Extended attributes by open directory and name.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace bk::os {

// llistxattr(2) of an entry of the directory, which is not followed. listxattrat is of Linux 6.13; before, the way through
// /proc costs more than everything else that is asked about a file. -1 with errno, ERANGE if `size` is too small.
ssize_t ListXattrsAt(int dir_fd, const char* name, char* names, size_t size);

}  // namespace bk::os
