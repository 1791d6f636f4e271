#include "snapshotter/diff/open_dirs.h"

#include <fcntl.h>

#include <algorithm>
#include <climits>

namespace bk::diff {
namespace {

constexpr size_t kMostOpen = 64;

}  // namespace

int OpenDirs::Find(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.size() >= PATH_MAX) return -1;
  if (open_.size() >= kMostOpen) open_.clear();
  // The longest beginning that is open already, then one component after another.
  int fd = root_.fd();
  size_t end = path.size();
  while (end > 0) {
    if (auto known = open_.find(std::string(path.substr(0, end))); known != open_.end()) {
      fd = known->second.get();
      break;
    }
    size_t slash = path.rfind('/', end - 1);
    end = slash == std::string_view::npos ? 0 : slash;
  }
  while (end < path.size()) {
    size_t begin = end == 0 ? 0 : end + 1;
    end = std::min(path.find('/', begin), path.size());
    std::string name(path.substr(begin, end - begin));
    if (name.empty() || name == "." || name == "..") return -1;
    os::UniqueFd below(openat(fd, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below) return -1;
    fd = below.get();
    open_.insert_or_assign(std::string(path.substr(0, end)), std::move(below));
  }
  return fd;
}

}  // namespace bk::diff
