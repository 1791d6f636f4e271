#include "rootlesskit/parent/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/file.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr char kLockName[] = "lock";

absl::Status Failed(const absl::Status& status) { return WithExitCode(status, ExitCode::kStateDirectory); }

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  if (path[0] == '/') return os::CleanPath(path);
  char* here = get_current_dir_name();
  if (here == nullptr) return ErrnoError(errno, "getcwd");
  std::string absolute = os::JoinPath(here, path);
  free(here);
  return absolute;
}

absl::StatusOr<os::UniqueFd> TakeLock(const std::string& path) {
  BK_TRY(os::UniqueFd fd, os::Open(path, O_RDWR | O_CREAT, 0600));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return ErrnoError(errno, StrCat("failed to lock ", path));
  return FailedPrecondition("failed to lock ", path, ", another RootlessKit is running with the same state directory?");
}

absl::Status Empty(const std::string& path) {
  BK_TRY(auto names, os::ListDir(path));
  for (const std::string& name : names) {
    if (name != kLockName) BK_RETURN_IF_ERROR(os::RemoveAll(os::JoinPath(path, name)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StateDir> StateDir::Open(const std::string& path) {
  StateDir state;
  if (path.empty()) {
    auto made = os::TempDir::Make("rootlesskit");
    if (!made.ok()) return Failed(Annotate(made.status(), "creating a state directory"));
    state.path_ = made->Release();
    state.remove_ = true;
  } else {
    BK_ASSIGN(state.path_, AbsolutePath(path));
    if (auto made = os::MakeDirs(state.path_, 0755); !made.ok()) return Failed(made);
  }
  auto lock = TakeLock(os::JoinPath(state.path_, kLockName));
  if (!lock.ok()) return Failed(lock.status());
  state.lock_ = *std::move(lock);
  if (auto emptied = Empty(state.path_); !emptied.ok()) return Failed(emptied);
  auto directory = os::Open(state.path_, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return Failed(directory.status());
  state.directory_ = *std::move(directory);
  if (flock(state.directory_.get(), LOCK_SH) < 0) Warn(StrCat("Failed to lock the state dir ", state.path_));
  return state;
}

StateDir::~StateDir() {
  if (!remove_ || !directory_) return;  // moved from, or left as it is
  auto removed = os::RemoveAll(path_);
  if (!removed.ok()) Warn(StrCat("the state directory stays: ", Message(removed)));
}

}  // namespace bk::rootlesskit
