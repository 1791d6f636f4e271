#include "client/cli/daemonless.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/os/file.h"
#include "base/os/process.h"
#include "client/conn/connection.h"

namespace bk::client {
namespace {

constexpr char kDaemon[] = "buildkitd", kName[] = "buildkit-daemonless";
constexpr std::chrono::milliseconds kPoll(20), kReadyPoll(250), kStartTimeout(60'000), kStopTimeout(60'000);
constexpr size_t kLogTailBytes = 4096;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<std::string> FindDaemon() {
  BK_TRY(std::string self, os::ReadLink("/proc/self/exe"));
  std::string beside = os::JoinPath(os::DirName(self), kDaemon);
  if (access(beside.c_str(), X_OK) == 0) return beside;
  auto found = os::FindProgram(kDaemon);
  if (!found.ok()) return NotFound("cannot find ", kDaemon, " beside ", self, " or in PATH (install it, or drop --daemonless)");
  return found;
}

// A directory of ours that nobody else can write to.
absl::Status MakePrivateDirectory(const std::string& path) {
  BK_RETURN_IF_ERROR(os::MakeDirs(path, 0700));
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return ErrnoError(errno, "lstat " + path);
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022) != 0) {
    return PermissionDenied("directory ", Quote(path), " must belong to this user alone (chmod 700, or remove it)");
  }
  return absl::OkStatus();
}

absl::StatusOr<os::UniqueFd> OpenLock(const std::string& path) { return os::Open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); }

// flock(2) that can be cancelled.
absl::Status Lock(const CancelToken& cancel, int fd, int operation) {
  while (flock(fd, operation | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoError(errno, "flock");
    BK_RETURN_IF_ERROR(cancel.SleepFor(kPoll));
  }
  return absl::OkStatus();
}

bool KeeperRuns(const DaemonPlaces& places) {
  auto fd = OpenLock(places.run_dir + "/keeper.lock");
  if (!fd.ok()) return false;
  bool held = flock(fd->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return held;
}

std::string LogTail(const DaemonPlaces& places) {
  std::string text = os::ReadFile(places.log_file()).value_or("");
  if (text.size() > kLogTailBytes) text = text.substr(text.find('\n', text.size() - kLogTailBytes) + 1);
  return text;
}

absl::StatusOr<os::Process> StartKeeper(const DaemonPlaces& places) {
  BK_TRY(std::string self, os::ReadLink("/proc/self/exe"));
  BK_TRY(os::UniqueFd log, os::Open(places.log_file(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  os::ProcessOptions options;
  options.argv = {self, "daemon-keeper", places.run_dir, places.state_dir, places.program};
  options.fds = {{log.get(), 1}, {log.get(), 2}};
  return os::Process::Start(options);
}

// Blocks until the daemon answers. `keeper` is ours, or holds no process when another call started it.
absl::Status WaitUntilReady(const CancelToken& cancel, const DaemonPlaces& places, os::Process& keeper) {
  BK_TRY(Address address, ParseAddress(places.address()));
  Connection connection(std::move(address));
  auto end = std::chrono::steady_clock::now() + kStartTimeout;
  while (true) {
    absl::Status ready = connection.WaitUntilReady(cancel, kReadyPoll);
    if (ready.ok()) return absl::OkStatus();
    BK_RETURN_IF_ERROR(cancel.Check());
    bool runs = keeper.running() ? !keeper.WaitFor(std::chrono::milliseconds(0)).ok() : KeeperRuns(places);
    if (!runs) return Unavailable("the private daemon ended before it was ready:\n", LogTail(places));
    if (std::chrono::steady_clock::now() > end) return DeadlineExceeded("the private daemon does not answer (see ", places.log_file(), "):\n", LogTail(places));
  }
}

}  // namespace

absl::StatusOr<DaemonPlaces> FindDaemonPlaces() {
  DaemonPlaces places;
  std::string runtime = Variable("XDG_RUNTIME_DIR"), data = Variable("XDG_DATA_HOME"), home = Variable("HOME");
  struct stat st;
  if (std::string own = Variable("BUILDKIT_DAEMONLESS_DIR"); !own.empty()) {
    places.state_dir = os::JoinPath(own, "state");
    places.run_dir = os::JoinPath(own, "run");
  } else if (geteuid() == 0) {
    places.state_dir = StrCat("/var/lib/", kName);
    places.run_dir = StrCat("/run/", kName);
  } else {
    if (data.empty() && home.empty()) return FailedPrecondition("--daemonless needs HOME or XDG_DATA_HOME");
    places.state_dir = os::JoinPath(data.empty() ? home + "/.local/share" : data, kName);
    bool usable = !runtime.empty() && stat(runtime.c_str(), &st) == 0 && st.st_uid == geteuid();
    places.run_dir = os::JoinPath(usable ? runtime : places.state_dir, usable ? kName : "run");
  }
  BK_ASSIGN(places.program, FindDaemon());
  BK_RETURN_IF_ERROR(MakePrivateDirectory(places.state_dir));
  BK_RETURN_IF_ERROR(MakePrivateDirectory(places.run_dir));
  return places;
}

absl::StatusOr<std::unique_ptr<PrivateDaemon>> PrivateDaemon::Join(const CancelToken& cancel) {
  BK_TRY(DaemonPlaces places, FindDaemonPlaces());
  BK_TRY(os::UniqueFd users, OpenLock(places.run_dir + "/users.lock"));
  // Waits here while a keeper ends the daemon of earlier calls.
  BK_RETURN_IF_ERROR(Lock(cancel, users.get(), LOCK_SH));
  std::unique_ptr<PrivateDaemon> daemon(new PrivateDaemon(places, std::move(users)));
  BK_TRY(os::UniqueFd starting, OpenLock(places.run_dir + "/start.lock"));
  BK_RETURN_IF_ERROR(Lock(cancel, starting.get(), LOCK_EX));
  os::Process keeper;
  if (!KeeperRuns(places)) BK_ASSIGN(keeper, StartKeeper(places));
  absl::Status ready = WaitUntilReady(cancel, places, keeper);
  if (keeper.running()) daemon->keeper_pid_ = keeper.Detach();  // it lives as long as there are users
  BK_RETURN_IF_ERROR(ready);
  return daemon;
}

PrivateDaemon::~PrivateDaemon() {
  // Alone: the exclusive lock is to be had, or the keeper has it already. Otherwise others still build.
  bool alone = flock(users_.get(), LOCK_EX | LOCK_NB) == 0 || flock(users_.get(), LOCK_SH | LOCK_NB) != 0;
  users_.Reset();
  if (!alone) return;
  auto end = std::chrono::steady_clock::now() + kStopTimeout;
  while (KeeperRuns(places_) && std::chrono::steady_clock::now() < end) (void)CancelToken::Never().SleepFor(kPoll);
  if (keeper_pid_ > 0 && !KeeperRuns(places_)) waitpid(keeper_pid_, nullptr, 0);
}

}  // namespace bk::client
