#include "daemon/ops/file/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bk::ops::file {

absl::StatusOr<std::vector<std::string>> ListNames(int dir, const std::string& path) {
  int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoError(errno, StrCat("open ", path));
  DIR* stream = fdopendir(fd);
  if (stream == nullptr) {
    int error = errno;
    close(fd);
    return ErrnoError(error, StrCat("open ", path));
  }
  std::vector<std::string> names;
  errno = 0;
  while (dirent* entry = readdir(stream)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  int error = errno;
  closedir(stream);
  if (error != 0) return ErrnoError(error, StrCat("failed to read ", path));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace bk::ops::file
