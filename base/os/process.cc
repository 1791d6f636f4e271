#include "base/os/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/os/file.h"

extern char** environ;

namespace bk::os {
namespace {

constexpr size_t kOutputLimit = 16 << 20;

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// All that the child needs, prepared before the fork: nothing may allocate after it.
struct Plan {
  const char* program;
  char* const* argv;
  char* const* env;
  const char* root;
  const char* cwd;
  std::vector<std::pair<int, int>> fds;  // (source, target); sources are above every target
  int null_fd;
  int error_fd;
  bool new_session, reset_signals, keep_ignored;
  int parent_death_signal;
  int umask;
  uint64_t max_file_bytes;
};

[[noreturn]] void FailAfterFork(int error_fd) {
  int error = errno;
  [[maybe_unused]] ssize_t n = write(error_fd, &error, sizeof error);
  _exit(127);
}

[[noreturn]] void RunAfterFork(const Plan& plan) {
  if (plan.reset_signals) {
    for (int s = 1; s < NSIG; s++) {
      struct sigaction current;
      bool ignored = plan.keep_ignored && sigaction(s, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
      if (!ignored) signal(s, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }
  if (plan.new_session) setsid();
  if (plan.parent_death_signal != 0) prctl(PR_SET_PDEATHSIG, plan.parent_death_signal);
  if (plan.umask >= 0) umask(static_cast<mode_t>(plan.umask));
  if (plan.max_file_bytes > 0) {
    rlimit limit{plan.max_file_bytes, plan.max_file_bytes};
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0) FailAfterFork(plan.error_fd);
    signal(SIGXFSZ, SIG_IGN);  // programs say more of an error than of their helpers' deaths
  }
  for (auto [source, target] : plan.fds) {
    if (dup2(source, target) < 0) FailAfterFork(plan.error_fd);
  }
  if (plan.root != nullptr && (chroot(plan.root) < 0 || chdir("/") < 0)) FailAfterFork(plan.error_fd);
  if (plan.cwd != nullptr && chdir(plan.cwd) < 0) FailAfterFork(plan.error_fd);
  execve(plan.program, plan.argv, plan.env);
  FailAfterFork(plan.error_fd);
}

#ifdef BK_SANITIZED
// fork(2) itself, since sanitizers know it: a child that they do not know of may wait forever for a lock of theirs, which
// another thread held when it was made; and their bookkeeping must not be shared.
pid_t StartPlain(const Plan& plan, int* pidfd) {
  pid_t pid = fork();
  if (pid == 0) RunAfterFork(plan);
  if (pid > 0) *pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return pid;
}
#else
constexpr size_t kChildStackBytes = 64 << 10;

// As vfork(2): the child runs in the parent's memory, on a stack of its own, while this thread stands still. Copying the
// page tables of a large daemon costs more than the exec.
pid_t StartPlain(const Plan& plan, int* pidfd) {
  auto stack = std::make_unique_for_overwrite<char[]>(kChildStackBytes);
  auto run = [](void* argument) -> int { RunAfterFork(*static_cast<const Plan*>(argument)); };
  char* top = stack.get() + kChildStackBytes;
  top -= reinterpret_cast<uintptr_t>(top) % 16;
  return clone(run, top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, const_cast<Plan*>(&plan), pidfd);
}
#endif

// In new namespaces.
pid_t StartIn(const Plan& plan, uint64_t flags, int* pidfd) {
  clone_args args{};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  args.exit_signal = SIGCHLD;
  auto pid = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
  if (pid == 0) RunAfterFork(plan);
  return pid;
}

absl::StatusOr<ExitStatus> Reap(int pidfd) {
  siginfo_t info{};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) < 0) {
    if (errno != EINTR) return ErrnoError(errno, "waitid");
  }
  ExitStatus status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
  }
  return status;
}

}  // namespace

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return ErrnoError(errno, "pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) == 0) return name;
    return ErrnoError(errno, StrCat("exec ", Quote(name)));
  }
  const char* path = getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (true) {
    size_t end = std::min(rest.find(':'), rest.size());
    std::string candidate = StrCat(end == 0 ? "." : rest.substr(0, end), "/", name);
    struct stat st;
    if (stat(candidate.c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(candidate.c_str(), X_OK) == 0) return candidate;
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  return NotFound("exec: ", Quote(name), ": executable file not found in $PATH");
}

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  if (options.argv.empty()) return InvalidArgument("no program to run");
  std::string program = options.argv[0];
  if (options.root.empty()) BK_ASSIGN(program, FindProgram(options.argv[0]));
  BK_TRY(Pipe errors, MakePipe());
  BK_TRY(UniqueFd null_fd, os::Open("/dev/null", O_RDWR));

  int highest = 2;
  for (auto [source, target] : options.fds) highest = std::max(highest, target);
  std::vector<UniqueFd> lifted;  // sources moved above every target, so that no dup2 overwrites a later source
  Plan plan{};
  auto add = [&](int source, int target) -> absl::Status {
    UniqueFd copy(fcntl(source, F_DUPFD_CLOEXEC, highest + 1));
    if (!copy) return ErrnoError(errno, "dup");
    plan.fds.emplace_back(copy.get(), target);
    lifted.push_back(std::move(copy));
    return absl::OkStatus();
  };
  for (int target = 0; target < 3; target++) {
    bool given = std::any_of(options.fds.begin(), options.fds.end(), [&](auto& p) { return p.second == target; });
    if (!given && !options.inherit_stdio) BK_RETURN_IF_ERROR(add(null_fd.get(), target));
  }
  for (auto [source, target] : options.fds) BK_RETURN_IF_ERROR(add(source, target));
  UniqueFd error_fd(fcntl(errors.write.get(), F_DUPFD_CLOEXEC, highest + 1));
  errors.write.Reset();

  std::vector<char*> argv = Pointers(options.argv), env = Pointers(options.env);
  plan.program = program.c_str();
  plan.argv = argv.data();
  plan.env = options.replace_env ? env.data() : environ;
  plan.root = options.root.empty() ? nullptr : options.root.c_str();
  plan.cwd = options.cwd.empty() ? nullptr : options.cwd.c_str();
  plan.error_fd = error_fd.get();
  plan.new_session = options.new_session;
  plan.reset_signals = options.reset_signals;
  plan.keep_ignored = options.keep_ignored;
  plan.parent_death_signal = options.parent_death_signal;
  plan.umask = options.umask;
  plan.max_file_bytes = options.max_file_bytes;

  int pidfd = -1;
  // All signals are blocked over the fork: a handler must not run in the child before it resets them.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  pid_t pid = options.clone_flags == 0 ? StartPlain(plan, &pidfd) : StartIn(plan, options.clone_flags, &pidfd);
  int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) return ErrnoError(clone_error, StrCat("start ", Quote(options.argv[0])));

  Process process;
  process.pid_ = pid;
  process.own_group_ = options.new_session;
  process.pidfd_ = UniqueFd(pidfd);
  error_fd.Reset();
  int error = 0;
  ssize_t n;
  do {
    n = read(errors.read.get(), &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof error) {
    Reap(pidfd).IgnoreError();
    process.pid_ = -1;
    return ErrnoError(error, StrCat("start ", Quote(options.argv[0])));
  }
  return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), own_group_(other.own_group_), pidfd_(std::move(other.pidfd_)) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(own_group_, other.own_group_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

Process::~Process() {
  if (pid_ <= 0) return;
  KillGroup(SIGKILL);
  Kill(SIGKILL);
  Reap(pidfd_.get()).IgnoreError();
}

absl::StatusOr<ExitStatus> Process::Wait(const CancelToken& cancel) {
  if (pid_ <= 0) return FailedPrecondition("process was already waited for");
  pollfd waits[2] = {{pidfd_.get(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}};
  while ((waits[0].revents & POLLIN) == 0) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    if ((waits[0].revents & POLLIN) == 0) BK_RETURN_IF_ERROR(cancel.Check());
  }
  auto status = Reap(pidfd_.get());
  pid_ = -1;
  return status;
}

absl::StatusOr<ExitStatus> Process::WaitFor(std::chrono::milliseconds timeout) {
  if (pid_ <= 0) return FailedPrecondition("process was already waited for");
  auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd wait{pidfd_.get(), POLLIN, 0};
    int n = poll(&wait, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (n > 0) break;
    if (n < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    if (n == 0) return DeadlineExceeded("process ", pid_, " did not end in time");
  }
  auto status = Reap(pidfd_.get());
  pid_ = -1;
  return status;
}

void Process::Kill(int signal) {
  if (pid_ > 0) syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

void Process::KillGroup(int signal) {
  if (pid_ > 0 && own_group_) kill(-pid_, signal);
}

pid_t Process::Detach() {
  pidfd_.Reset();
  return std::exchange(pid_, -1);
}

absl::StatusOr<Output> Run(const CancelToken& cancel, ProcessOptions options, std::string_view input) {
  BK_TRY(Pipe in, MakePipe());
  BK_TRY(Pipe out, MakePipe());
  BK_TRY(Pipe err, MakePipe());
  options.fds.insert(options.fds.end(), {{in.read.get(), 0}, {out.write.get(), 1}, {err.write.get(), 2}});
  BK_TRY(Process process, Process::Start(options));
  in.read.Reset();
  out.write.Reset();
  err.write.Reset();
  fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  Output output;
  while (out.read || err.read) {
    if (input.empty()) in.write.Reset();
    pollfd waits[4] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {in.write.get(), POLLOUT, 0}, {cancel.fd(), POLLIN, 0}};
    if (poll(waits, 4, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    BK_RETURN_IF_ERROR(cancel.Check());
    auto drain = [](pollfd& wait, UniqueFd& fd, std::string& into) {
      if (wait.revents == 0) return;
      char buffer[32768];
      ssize_t n = read(fd.get(), buffer, sizeof buffer);
      if (n > 0 && into.size() < kOutputLimit) into.append(buffer, static_cast<size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) fd.Reset();
    };
    drain(waits[0], out.read, output.out);
    drain(waits[1], err.read, output.err);
    if (waits[2].revents != 0) {
      ssize_t n = write(in.write.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<size_t>(n));
      if (n < 0 && errno != EINTR && errno != EAGAIN) input = {};  // the child closed its stdin
    }
  }
  BK_TRY(output.status, process.Wait(cancel));
  return output;
}

}  // namespace bk::os
