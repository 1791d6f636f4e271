#include "sandbox/exec/step_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/id.h"
#include "base/os/file.h"
#include "base/os/root_path.h"

namespace bk::exec {
namespace {

// Options of an overlay that a runtime can still hand to mount(2) in one page.
constexpr size_t kOptionLimit = 4096 - 512;

bool IsOverlay(const os::Mount& mount) { return mount.type == "overlay"; }

bool Writable(const os::Mount& overlay) {
  return std::any_of(overlay.options.begin(), overlay.options.end(), [](const std::string& o) { return o.starts_with("upperdir="); });
}

// What must be mounted by us: helpers' file systems, overlays with a writable layer (two of them must never share it),
// and overlays with more options than fit.
bool MountedByUs(const os::Mount& mount) {
  if (mount.type.starts_with("fuse3.")) return true;
  if (!IsOverlay(mount)) return false;
  size_t size = 0;
  for (const std::string& option : mount.options) size += option.size() + 1;
  return Writable(mount) || size >= kOptionLimit;
}

bool IsRoot(const std::string& selector) { return os::CleanPath("/" + selector) == "/"; }

// A new directory whose name ends in digits.
absl::StatusOr<std::string> MakeMountDir(const std::string& dir) {
  for (int attempt = 0; attempt < 1000; attempt++) {
    uint32_t number = 0;
    for (unsigned char byte : RandomBytes(4)) number = number << 8 | byte;
    std::string path = StrCat(dir, "/buildkit-mount", number);
    if (mkdir(path.c_str(), 0700) == 0) return path;
    if (errno != EEXIST) return ErrnoError(errno, StrCat("mkdir ", path));
  }
  return Internal("no free name for a mount in ", dir);
}

}  // namespace

std::string MountTarget(const std::string& dest, const std::string& cwd) { return dest.starts_with('/') ? dest : os::CleanPath(StrCat("/", cwd, "/", dest)); }

absl::StatusOr<StepMounts> StepMounts::Make(const std::vector<StepMount>& mounts, const std::string& cwd, const std::string& dir) {
  std::vector<StepMount> sorted = mounts;
  for (StepMount& mount : sorted) mount.dest = MountTarget(mount.dest, cwd);
  std::stable_sort(sorted.begin(), sorted.end(), [](const StepMount& a, const StepMount& b) { return a.dest < b.dest; });
  StepMounts made;
  for (const StepMount& mount : sorted) BK_RETURN_IF_ERROR(made.Add(mount, dir));
  return made;
}

StepMounts::~StepMounts() {
  while (!temporary_.empty()) temporary_.pop_back();  // last mounted, first unmounted
  for (const std::string& path : directories_) rmdir(path.c_str());
}

absl::StatusOr<std::string> StepMounts::MountBelow(const std::vector<os::Mount>& mounts, const std::string& dir) {
  BK_TRY(std::string path, MakeMountDir(dir));
  directories_.push_back(path);
  BK_RETURN_IF_ERROR(os::MountAllAt(mounts, path));
  BK_TRY(os::TempMount mounted, os::TempMount::Adopt(path));
  temporary_.push_back(std::move(mounted));
  return path;
}

// Where the whole of `mount` can be seen; made once for all selectors.
absl::StatusOr<std::string> StepMounts::BasePath(const os::Mount& mount, const std::string& dir) {
  if (mount.type == "bind" && !mount.readonly()) return mount.source;
  for (const Base& base : bases_) {
    if (base.mount == mount) return base.path;
  }
  BK_TRY(std::string path, MountBelow({mount}, dir));
  bases_.push_back({mount, path});
  return path;
}

absl::StatusOr<std::string> StepMounts::Select(const std::string& base, const std::string& selector, const std::string& dir) {
  BK_TRY(os::RootDir root, os::RootDir::Open(base));
  BK_TRY(os::UniqueFd fd, root.OpenAt(selector, O_PATH));
  struct stat st;
  if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", selector));
  os::Mount bind = {"bind", StrCat("/proc/self/fd/", fd.get()), {"rbind"}};
  if (S_ISDIR(st.st_mode)) return MountBelow({bind}, dir);
  BK_TRY(std::string holder, MakeMountDir(dir));
  directories_.push_back(holder);
  std::string path = holder + "/file";
  BK_RETURN_IF_ERROR(os::WriteFile(path, "", 0600));
  absl::Status mounted = os::MountAt(bind, path);
  if (!mounted.ok()) {
    unlink(path.c_str());
    return mounted;
  }
  BK_TRY(os::TempMount owned, os::TempMount::Adopt(path));
  temporary_.push_back(std::move(owned));
  return path;
}

absl::Status StepMounts::Add(const StepMount& step, const std::string& dir) {
  if (step.mounts.empty()) return Internal("mount ", step.dest, " has no source");
  os::Mount mount = step.mounts[0];
  std::vector<std::string> options = mount.options;
  // An overlay without a writable layer is read-only whatever its options say.
  bool readonly = mount.readonly() || (step.readonly && !IsOverlay(mount));
  std::string type = mount.type, source = mount.source;
  auto as_bind = [&](std::string path, std::vector<std::string> words) {
    type = "bind";
    source = std::move(path);
    options = std::move(words);
  };
  if (!IsRoot(step.selector)) {
    std::string base;
    if (step.mounts.size() > 1) {
      BK_ASSIGN(base, MountBelow(step.mounts, dir));
    } else {
      BK_ASSIGN(base, BasePath(mount, dir));
    }
    BK_TRY(std::string path, Select(base, step.selector, dir));
    as_bind(path, readonly ? std::vector<std::string>{"rbind", "ro"} : std::vector<std::string>{"rbind"});
  } else if (step.mounts.size() > 1 || MountedByUs(mount)) {
    BK_TRY(std::string path, MountBelow(step.mounts, dir));
    as_bind(path, step.readonly || readonly ? std::vector<std::string>{"rbind", "ro"} : std::vector<std::string>{"rw", "rbind"});
  } else if (readonly && !mount.readonly()) {
    std::erase(options, "rw");
    options.emplace_back("ro");
  }
  spec_.push_back({step.dest, type, source, options});
  return absl::OkStatus();
}

}  // namespace bk::exec
