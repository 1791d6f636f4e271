#include "base/os/xattr.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

#include "base/status.h"

namespace bk::os {
namespace {

#ifdef SYS_listxattrat
constexpr long kListXattrAt = SYS_listxattrat;
#else
constexpr long kListXattrAt = 465;  // the same on all architectures but Alpha
#endif

}  // namespace

ssize_t ListXattrsAt(int dir_fd, const char* name, char* names, size_t size) {
  static std::atomic<bool> missing = false;
  if (!missing.load(std::memory_order_relaxed)) {
    long n = syscall(kListXattrAt, dir_fd, name, AT_SYMLINK_NOFOLLOW, names, size);
    // EPERM: also what filters of system calls say to those that they do not know.
    if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
    missing.store(true, std::memory_order_relaxed);
  }
  return llistxattr(StrCat("/proc/self/fd/", dir_fd, "/", std::string_view(name)).c_str(), names, size);
}

}  // namespace bk::os
