#include "snapshotter/driver/driver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/os/file.h"
#include "snapshotter/driver/copy_tree.h"

namespace bk::snapshotter {
namespace {

std::string Dir(const std::string& root, SnapshotId id) { return StrCat(root, "/", id); }

bool InUserNamespace() {
  auto map = os::ReadFile("/proc/self/uid_map");
  if (!map.ok()) return false;
  // The initial namespace maps everything: 0 0 4294967295.
  return map->find("4294967295") == std::string::npos;
}

absl::Status RemoveSnapshot(const std::string& root, SnapshotId id) { return os::RemoveAll(Dir(root, id)); }

class OverlayDriver : public Driver {
 public:
  struct Options {
    bool fuse = false, user_xattr = false, is_volatile = false;
  };
  OverlayDriver(std::string root, Options options) : root_(std::move(root)), fuse_(options.fuse), user_xattr_(options.user_xattr), volatile_(options.is_volatile) {}
  const char* Name() const override { return fuse_ ? "fuse-overlayfs" : "overlayfs"; }
  absl::Status Prepare(const CancelToken&, SnapshotId id, const Parents& parents) override {
    BK_RETURN_IF_ERROR(os::MakeDirs(StrCat(Dir(root_, id), "/work"), 0711));
    std::string upper = UpperDir(id);
    if (mkdir(upper.c_str(), 0755) < 0 && errno != EEXIST) return ErrnoError(errno, StrCat("mkdir ", upper));
    // The merged root shows the upper directory's own attributes: they are the parent's root's.
    if (parents.empty()) return absl::OkStatus();
    struct stat st;
    std::string parent = UpperDir(parents.front());
    if (stat(parent.c_str(), &st) < 0) return ErrnoError(errno, StrCat("stat ", parent));
    if (chown(upper.c_str(), st.st_uid, st.st_gid) < 0) return ErrnoError(errno, StrCat("chown ", upper));
    if (chmod(upper.c_str(), st.st_mode & 07777) < 0) return ErrnoError(errno, StrCat("chmod ", upper));
    timespec times[2] = {st.st_atim, st.st_mtim};
    utimensat(AT_FDCWD, upper.c_str(), times, 0);
    return absl::OkStatus();
  }
  std::vector<os::Mount> WritableMounts(SnapshotId id, const Parents& parents) const override {
    if (parents.empty()) return {{"bind", UpperDir(id), {"rw", "rbind"}}};
    std::vector<std::string> options = {StrCat("workdir=", Dir(root_, id), "/work"), StrCat("upperdir=", UpperDir(id))};
    AddCommon(options, Lower(parents));
    if (volatile_) {
      ForgetVolatile(id);
      options.push_back("volatile");
    }
    return {{Type(), "overlay", options}};
  }
  std::vector<os::Mount> ReadOnlyMounts(const Parents& chain) const override {
    if (chain.size() == 1) return {{"bind", UpperDir(chain[0]), {"ro", "rbind"}}};
    std::vector<std::string> options;
    AddCommon(options, Lower(chain));
    if (fuse_) options.push_back("ro");
    return {{Type(), "overlay", options}};
  }
  std::string UpperDir(SnapshotId id) const override { return StrCat(Dir(root_, id), "/fs"); }
  absl::Status Remove(SnapshotId id) override { return RemoveSnapshot(root_, id); }
  bool IsOverlay() const override { return true; }
  std::string XattrPrefix() const override { return user_xattr_ || fuse_ ? "user." : "trusted."; }
  bool InUserNamespace() const override { return snapshotter::InUserNamespace(); }

 private:
  std::string Type() const { return fuse_ ? "fuse3.fuse-overlayfs" : "overlay"; }
  std::string Lower(const Parents& parents) const {
    std::string lower = "lowerdir=";
    for (size_t i = 0; i < parents.size(); i++) lower += StrCat(i == 0 ? "" : ":", UpperDir(parents[i]));
    return lower;
  }
  void AddCommon(std::vector<std::string>& options, std::string lower) const {
    options.push_back(std::move(lower));
    if (fuse_) return;
    options.push_back("index=off");
    options.push_back(user_xattr_ ? "userxattr" : "redirect_dir=off");
  }
  // Without "volatile" each unmount writes out the whole file system below (ovl_sync_fs), and whoever touches it meanwhile
  // waits for the journal. The kernel marks the work directory of such a mount and refuses to mount it again, because
  // after a crash its content would be doubtful; the store itself decides about that (docs/store.md, Power cuts).
  void ForgetVolatile(SnapshotId id) const {
    std::string mark = StrCat(Dir(root_, id), "/work/work/incompat");
    unlink((mark + "/volatile/dirty").c_str());
    rmdir((mark + "/volatile").c_str());
    rmdir(mark.c_str());
  }
  const std::string root_;
  const bool fuse_, user_xattr_, volatile_;
};

class NativeDriver : public Driver {
 public:
  explicit NativeDriver(std::string root) : root_(std::move(root)) {}
  const char* Name() const override { return "native"; }
  absl::Status Prepare(const CancelToken& cancel, SnapshotId id, const Parents& parents) override {
    BK_RETURN_IF_ERROR(os::MakeDirs(Dir(root_, id), 0755));
    if (parents.empty()) return absl::OkStatus();
    return CopyTree(cancel, Dir(root_, parents.front()), Dir(root_, id));
  }
  std::vector<os::Mount> WritableMounts(SnapshotId id, const Parents&) const override { return {{"bind", Dir(root_, id), {"rw", "rbind"}}}; }
  std::vector<os::Mount> ReadOnlyMounts(const Parents& chain) const override { return {{"bind", Dir(root_, chain.front()), {"ro", "rbind"}}}; }
  std::string UpperDir(SnapshotId) const override { return ""; }
  absl::Status Remove(SnapshotId id) override { return RemoveSnapshot(root_, id); }
  bool IsOverlay() const override { return false; }
  std::string XattrPrefix() const override { return "trusted."; }
  bool InUserNamespace() const override { return snapshotter::InUserNamespace(); }

 private:
  const std::string root_;
};

// Mounts a small overlay below `root`, writes through it and removes a lower directory, as builds do.
absl::Status TryOverlay(const std::string& root, const OverlayDriver::Options& options) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("probe-", root));
  std::string probe = dir.path();
  OverlayDriver driver(probe, options);
  BK_RETURN_IF_ERROR(driver.Prepare(CancelToken::Never(), 1, {}));
  BK_RETURN_IF_ERROR(os::MakeDirs(driver.UpperDir(1) + "/gone/below", 0755));
  BK_RETURN_IF_ERROR(driver.Prepare(CancelToken::Never(), 2, {1}));
  BK_TRY(os::TempMount mount, os::TempMount::Make(driver.WritableMounts(2, {1}), root));
  BK_RETURN_IF_ERROR(os::RemoveAll(mount.path() + "/gone"));
  BK_RETURN_IF_ERROR(os::MakeDirs(mount.path() + "/gone", 0755));
  if (os::Exists(mount.path() + "/gone/below")) return Unknown("opaque directories do not work");
  return absl::OkStatus();
}

absl::StatusOr<DriverChoice> Try(const std::string& name, const std::string& root, bool user_namespace) {
  DriverChoice choice;
  if (name == "native") {
    choice.driver = std::make_unique<NativeDriver>(root);
    return choice;
  }
  bool fuse = name == "fuse-overlayfs";
  OverlayDriver::Options options{.fuse = fuse, .user_xattr = user_namespace && !fuse, .is_volatile = !fuse};
  absl::Status status = TryOverlay(root, options);
  if (!status.ok() && std::exchange(options.is_volatile, false)) status = TryOverlay(root, options);  // Linux before 5.10
  if (!status.ok()) return status;
  choice.driver = std::make_unique<OverlayDriver>(root, options);
  return choice;
}

const char* Advice(const std::string& name) {
  if (name == "fuse-overlayfs") return " (install fuse-overlayfs and make /dev/fuse accessible, or use --oci-worker-snapshotter=native)";
  return " (the state directory must not lie on an overlay or, in a user namespace, on tmpfs; or use --oci-worker-snapshotter=fuse-overlayfs or native)";
}

}  // namespace

absl::StatusOr<DriverChoice> MakeDriver(const std::string& name, const std::string& root) {
  BK_RETURN_IF_ERROR(os::MakeDirs(root, 0700));
  bool user_namespace = InUserNamespace();
  if (name == "overlayfs" || name == "fuse-overlayfs" || name == "native") {
    auto choice = Try(name, root, user_namespace);
    if (!choice.ok()) return FailedPrecondition("snapshotter ", Quote(name), " does not work here: ", Message(choice.status()), Advice(name));
    choice->reason = "as configured";
    return choice;
  }
  if (name != "auto" && !name.empty()) return InvalidArgument("unknown snapshotter ", Quote(name), " (use auto, overlayfs, fuse-overlayfs or native)");
  std::string reasons;
  for (const char* candidate : {"overlayfs", "fuse-overlayfs", "native"}) {
    auto choice = Try(candidate, root, user_namespace);
    if (choice.ok()) {
      choice->reason = reasons.empty() ? "it works here" : reasons;
      return choice;
    }
    reasons += StrCat(reasons.empty() ? "" : "; ", candidate, ": ", Message(choice.status()));
  }
  return Internal("no snapshotter works: ", reasons);
}

}  // namespace bk::snapshotter
