#include "base/os/mount.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <sstream>
#include <thread>

#include "base/os/file.h"
#include "base/os/process.h"

namespace bk::os {
namespace {

struct FlagWord {
  unsigned long set = 0, clear = 0;
};

const std::map<std::string_view, FlagWord>& FlagWords() {
  static const std::map<std::string_view, FlagWord> words = {
      {"ro", {MS_RDONLY, 0}},         {"rw", {0, MS_RDONLY}},          {"bind", {MS_BIND, 0}},        {"rbind", {MS_BIND | MS_REC, 0}},
      {"nosuid", {MS_NOSUID, 0}},     {"suid", {0, MS_NOSUID}},        {"nodev", {MS_NODEV, 0}},      {"dev", {0, MS_NODEV}},
      {"noexec", {MS_NOEXEC, 0}},     {"exec", {0, MS_NOEXEC}},        {"noatime", {MS_NOATIME, 0}},  {"nodiratime", {MS_NODIRATIME, 0}},
      {"relatime", {MS_RELATIME, 0}}, {"strictatime", {MS_STRICTATIME, 0}}, {"sync", {MS_SYNCHRONOUS, 0}}, {"private", {MS_PRIVATE, 0}},
      {"rprivate", {MS_PRIVATE | MS_REC, 0}}, {"slave", {MS_SLAVE, 0}}, {"rslave", {MS_SLAVE | MS_REC, 0}},
  };
  return words;
}

struct Parsed {
  unsigned long flags = 0;
  std::string data;
};

Parsed ParseOptions(const std::vector<std::string>& options) {
  Parsed parsed;
  for (const std::string& option : options) {
    auto word = FlagWords().find(option);
    if (word != FlagWords().end()) {
      parsed.flags = (parsed.flags | word->second.set) & ~word->second.clear;
    } else {
      if (!parsed.data.empty()) parsed.data += ',';
      parsed.data += option;
    }
  }
  return parsed;
}

absl::Status RunHelper(const Mount& mount, const std::string& program, const std::string& target) {
  ProcessOptions options;
  options.argv = {program};
  if (!mount.options.empty()) {
    std::string joined;
    for (const std::string& option : mount.options) joined += (joined.empty() ? "" : ",") + option;
    options.argv.insert(options.argv.end(), {"-o", joined});
  }
  options.argv.push_back(target);
  BK_TRY(Output output, Run(CancelToken::Never(), options));
  if (!output.status.success()) return Unknown("mount with ", Quote(program), " failed: ", output.err);
  return absl::OkStatus();
}

// A bind keeps its source's flags; ro and friends need a second mount (mount(2)). Flags that a user namespace has locked
// on the source must be given again, or the kernel refuses.
absl::Status RemountBind(const std::string& target, unsigned long flags) {
  struct statvfs fs;
  if (statvfs(target.c_str(), &fs) == 0) {
    if (fs.f_flag & ST_NODEV) flags |= MS_NODEV;
    if (fs.f_flag & ST_NOSUID) flags |= MS_NOSUID;
    if (fs.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
    if (fs.f_flag & ST_NOATIME) flags |= MS_NOATIME;
  }
  flags &= ~static_cast<unsigned long>(MS_REC);
  if (::mount("", target.c_str(), "", flags | MS_REMOUNT | MS_BIND, "") < 0) return ErrnoError(errno, StrCat("remount ", target));
  return absl::OkStatus();
}

// mount(2) takes one page of options. An overlay of many layers needs more: from the directory that holds all of them the
// names get short. Only this thread's working directory changes.
constexpr size_t kOptionPage = 4096;

std::string CommonDirectory(const std::string& layers) {
  std::string common = layers.substr(0, layers.find(':'));
  for (size_t at = 0; at < layers.size();) {
    size_t end = std::min(layers.find(':', at), layers.size());
    while (layers.compare(at, std::min(common.size(), end - at), common) != 0) common.pop_back();
    at = end + 1;
  }
  return common.substr(0, common.rfind('/') + 1);
}

int MountFromDirectory(const std::string& directory, const Mount& mount, const std::string& target, unsigned long flags, const std::string& data) {
  int error = 0;
  std::thread([&] {
    bool ready = unshare(CLONE_FS) == 0 && chdir(directory.c_str()) == 0;
    if (!ready || ::mount(mount.source.c_str(), target.c_str(), mount.type.c_str(), flags, data.c_str()) < 0) error = errno;
  }).join();
  errno = error;
  return error == 0 ? 0 : -1;
}

int MountWithData(const Mount& mount, const std::string& target, const char* type, unsigned long flags, const std::string& data) {
  size_t lower = data.find("lowerdir=/");
  if (data.size() < kOptionPage || lower == std::string::npos) return ::mount(mount.source.c_str(), target.c_str(), type, flags, data.c_str());
  size_t start = lower + 9, end = std::min(data.find(',', start), data.size());
  std::string layers = data.substr(start, end - start), directory = CommonDirectory(layers), shortened;
  for (size_t at = 0; at < layers.size();) {
    size_t stop = std::min(layers.find(':', at), layers.size());
    shortened += (at == 0 ? "" : ":") + layers.substr(at + directory.size(), stop - at - directory.size());
    at = stop + 1;
  }
  return MountFromDirectory(directory, mount, target, flags, data.substr(0, start) + shortened + data.substr(end));
}

// The kernel's own limit of an overlay; with longer names the page of options is the tighter one.
constexpr long kOverlayLayers = 500;
constexpr size_t kQuotedOptions = 1000;  // of an error: it has to fit into what a client takes

absl::Status MountError(int error, const Mount& mount, const std::string& target, const std::string& data) {
  size_t lower = data.find("lowerdir=");
  long layers = lower == std::string::npos ? 0 : 1 + std::count(data.begin() + static_cast<long>(lower), data.end(), ':');
  if (mount.type == "overlay" && error == EINVAL && (layers > kOverlayLayers || data.size() > kOptionPage)) {
    return FailedPrecondition("cannot mount an overlay of ", layers, " layers: the kernel takes ", kOverlayLayers,
                              ", less with long paths (use fewer steps, or the native snapshotter: --oci-worker-snapshotter=native)");
  }
  std::string quoted = data.size() > kQuotedOptions ? data.substr(0, kQuotedOptions) + "…" : data;
  return ErrnoError(error, StrCat("mount ", mount.type, " ", mount.source, " on ", target, quoted.empty() ? "" : " (" + quoted + ")"));
}

}  // namespace

bool Mount::readonly() const { return std::find(options.begin(), options.end(), "ro") != options.end(); }

absl::Status MountAt(const Mount& mount, const std::string& target) {
  if (mount.type.starts_with("fuse3.")) return RunHelper(mount, mount.type.substr(6), target);
  Parsed parsed = ParseOptions(mount.options);
  bool bind = (parsed.flags & MS_BIND) != 0 || mount.type == "bind";
  if (bind) parsed.flags |= MS_BIND;
  constexpr unsigned long kPropagation = MS_PRIVATE | MS_SLAVE;
  unsigned long propagation = parsed.flags & kPropagation;
  unsigned long first = parsed.flags & ~kPropagation;
  const char* type = bind ? "" : mount.type.c_str();
  if (MountWithData(mount, target, type, first, bind ? "" : parsed.data) < 0) {
    return MountError(errno, mount, target, parsed.data);
  }
  if (propagation != 0 && ::mount("", target.c_str(), "", propagation | (parsed.flags & MS_REC), "") < 0) {
    return ErrnoError(errno, StrCat("change propagation of ", target));
  }
  constexpr unsigned long kNeedRemount = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (bind && (first & kNeedRemount) != 0) {
    absl::Status status = RemountBind(target, first);
    if (!status.ok()) UnmountAll(target).IgnoreError();
    return status;
  }
  return absl::OkStatus();
}

absl::Status MountAllAt(const std::vector<Mount>& mounts, const std::string& target) {
  for (size_t done = 0; done < mounts.size(); done++) {
    absl::Status status = MountAt(mounts[done], target);
    if (status.ok()) continue;
    for (; done > 0; done--) umount2(target.c_str(), 0);
    return status;
  }
  return absl::OkStatus();
}

absl::Status UnmountAll(const std::string& target, bool lazy) {
  for (int attempt = 0; attempt < 100; attempt++) {
    if (umount2(target.c_str(), (lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) return absl::OkStatus();
    // A helper's last file may still be open for a moment.
    if (errno == EBUSY && attempt < 50) {
      CancelToken::Never().SleepFor(std::chrono::milliseconds(5)).IgnoreError();
      continue;
    }
    return ErrnoError(errno, StrCat("unmount ", target));
  }
  return Internal("too many mounts on ", target);
}

absl::StatusOr<std::vector<MountInfo>> ReadMountInfo() {
  BK_TRY(std::string text, ReadFile("/proc/self/mountinfo"));
  std::vector<MountInfo> mounts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    MountInfo mount;
    std::string device, word;
    words >> mount.id >> mount.parent >> device >> mount.root >> mount.mount_point >> mount.options;
    while (words >> word && word != "-") {
    }
    words >> mount.type >> mount.source >> mount.super_options;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

absl::StatusOr<TempMount> TempMount::Make(const std::vector<Mount>& mounts, const std::string& parent) {
  TempMount made;
  // A single plain bind that may be written needs no mount at all.
  if (mounts.size() == 1 && mounts[0].type == "bind" && !mounts[0].readonly()) {
    made.path_ = mounts[0].source;
    made.owned_ = false;
    return made;
  }
  BK_TRY(TempDir dir, TempDir::Make("bk-mount-", parent));
  BK_RETURN_IF_ERROR(MountAllAt(mounts, dir.path()));
  TempDir released = std::move(dir);
  made.path_ = released.Release();
  return made;
}

absl::StatusOr<TempMount> TempMount::Adopt(const std::string& path) {
  TempMount made;
  made.path_ = path;
  return made;
}

TempMount::~TempMount() {
  if (path_.empty() || !owned_) return;
  if (!UnmountAll(path_).ok()) UnmountAll(path_, true).IgnoreError();
  if (rmdir(path_.c_str()) < 0 && errno == ENOTDIR) unlink(path_.c_str());
}

}  // namespace bk::os
