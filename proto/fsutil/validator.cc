#include "proto/fsutil/validator.h"

#include "base/path.h"

namespace bk::fsutil {
namespace {

std::string Join(const std::string& directory, const std::string& name) { return directory.empty() ? name : name.empty() ? directory : StrCat(directory, "/", name); }

}  // namespace

absl::Status EntryValidator::CheckPath(const std::string& path) const {
  auto refuse = [&](const char* what) { return InvalidArgument(what, " ", path, ": invalid argument"); };
  if (path != CleanPath(path) || path.find('\0') != std::string::npos) return refuse("unclean path");
  if (path[0] == '/') return refuse("absolute path");
  if (path == ".." || path.starts_with("../")) return refuse("escape check");
  return absl::OkStatus();
}

absl::Status EntryValidator::CheckOrder(const Stat& stat) {
  const std::string& path = stat.path();
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  while (levels_.size() > 1 && ComparePaths(levels_.back().directory, directory) > 0) levels_.pop_back();
  Level& level = levels_.back();
  if (level.directory != directory || level.last >= name) {
    return InvalidArgument("changes out of order: ", Quote(path), " ", Quote(Join(level.directory, level.last)));
  }
  level.last = name;
  if (stat.mode() & kModeDir) levels_.push_back({path, ""});
  return absl::OkStatus();
}

absl::Status EntryValidator::Check(const Stat& stat) {
  BK_RETURN_IF_ERROR(CheckPath(stat.path()));
  BK_RETURN_IF_ERROR(CheckOrder(stat));
  if (stat.mode() & (kModeDir | kModeSymlink)) return absl::OkStatus();
  if (stat.linkname().empty()) {
    files_.insert(stat.path());
  } else if (!files_.contains(stat.linkname())) {
    return InvalidArgument("invalid link ", stat.path(), " to unknown path: ", Quote(stat.linkname()));
  }
  return absl::OkStatus();
}

}  // namespace bk::fsutil
