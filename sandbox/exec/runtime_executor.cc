#include "sandbox/exec/runtime_executor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/id.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "sandbox/exec/afterwards.h"
#include "sandbox/exec/cgroup.h"
#include "sandbox/exec/containers.h"
#include "sandbox/exec/leftovers.h"
#include "sandbox/exec/mount_stubs.h"
#include "sandbox/exec/runtime.h"
#include "sandbox/exec/runtime_process.h"
#include "sandbox/exec/step_io.h"
#include "sandbox/exec/step_mounts.h"
#include "sandbox/oci/hosts.h"
#include "sandbox/oci/seccomp_program.h"
#include "sandbox/oci/spec.h"

namespace bk::exec {
namespace {

constexpr std::chrono::milliseconds kKillPause(200), kKillLimit(1500);
constexpr std::chrono::milliseconds kRunningPause(20);
constexpr const char* kPrograms[] = {"buildkit-runc", "runc", "crun"};  // the first that works is taken

// Ids become file names and cgroup names.
absl::Status CheckId(const std::string& id) {
  bool good = !id.empty() && id.size() <= 128 && id[0] != '.';
  for (unsigned char c : id) good = good && (std::isalnum(c) || c == '-' || c == '_' || c == '.');
  return good ? absl::OkStatus() : InvalidArgument("invalid container id ", Quote(id), " (letters, digits, -, _ and . only)");
}

// <root>/<id> with the step's root mounted on rootfs. Nothing is removed recursively: a mount that cannot be taken away
// must not lose its files.
class Bundle {
 public:
  static absl::StatusOr<Bundle> Make(const std::string& path, const std::vector<os::Mount>& root) {
    if (mkdir(path.c_str(), 0711) < 0) return ErrnoError(errno, StrCat("mkdir ", path));
    Bundle bundle(path);
    if (mkdir(bundle.rootfs().c_str(), 0700) < 0) return ErrnoError(errno, StrCat("mkdir ", bundle.rootfs()));
    BK_RETURN_IF_ERROR(os::MountAllAt(root, bundle.rootfs()));
    return bundle;
  }
  Bundle(Bundle&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Bundle& operator=(Bundle&&) = delete;
  ~Bundle() {
    if (path_.empty()) return;
    absl::Status unmounted = os::UnmountAll(rootfs());
    if (!unmounted.ok()) unmounted = os::UnmountAll(rootfs(), true);
    if (!unmounted.ok()) log::Warning("cannot unmount the root of a step", {{"error", Message(unmounted)}});
    unlink((path_ + "/config.json").c_str());
    unlink(pid_file().c_str());
    rmdir(rootfs().c_str());
    rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string rootfs() const { return path_ + "/rootfs"; }
  std::string pid_file() const { return path_ + "/pid"; }

 private:
  explicit Bundle(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// What describes a joining process, and its number, beside the container's bundle.
class JoinFiles {
 public:
  explicit JoinFiles(const std::string& bundle) : base_(StrCat(bundle, "/join-", NewId())) {}
  JoinFiles(const JoinFiles&) = delete;
  JoinFiles& operator=(const JoinFiles&) = delete;
  ~JoinFiles() {
    unlink(process().c_str());
    unlink(pid().c_str());
  }
  std::string process() const { return base_ + ".json"; }
  std::string pid() const { return base_ + ".pid"; }

 private:
  const std::string base_;
};

// Times that the kernel killed a process of the cgroup for lack of memory; 0 where that cannot be told.
int64_t OutOfMemoryKills(const std::string& cgroup_path) {
  auto text = os::ReadFile(StrCat("/sys/fs/cgroup", cgroup_path, "/memory.events"), 1 << 16);
  size_t at = text.ok() ? text->find("oom_kill ") : std::string::npos;
  return at == std::string::npos ? 0 : std::atoll(text->c_str() + at + 9);
}

class RuntimeExecutor : public Executor {
 public:
  RuntimeExecutor(RuntimeOptions options, Runtime runtime, oci::HostFacts host)
      : options_(std::move(options)), runtime_(std::move(runtime)), host_(std::move(host)), resolv_conf_(options_.root) {}

  ~RuntimeExecutor() override {
    afterwards_.reset();
    if (!options_.rootless) RemoveEmptyCgroup(os::DirName(oci::CgroupPath(options_.cgroup_parent, "step")));
  }

  absl::StatusOr<StepExit> Run(const CancelToken& cancel, const std::string& given_id, const std::vector<os::Mount>& root, const std::vector<StepMount>& mounts,
                               const ProcessSpec& process, const Stdio& stdio) override {
    BK_RETURN_IF_ERROR(cancel.Check());
    Afterwards::Step step(*afterwards_);
    oci::SpecInput input = Input();
    input.process = &process;
    input.id = given_id.empty() ? NewId() : given_id;
    BK_RETURN_IF_ERROR(CheckId(input.id));
    BK_ASSIGN(input.resolv_conf, resolv_conf_.Get(options_.dns, process.network));
    std::unique_ptr<net::Namespace> network;  // lent until the step is gone
    if (options_.network != nullptr && process.network == NetworkMode::kUnset) {
      BK_ASSIGN(network, options_.network->Get(cancel, process.hostname));
      input.network_namespace = network->path();
    }
    BK_TRY(oci::StepFile hosts, oci::MakeHostsFile(options_.root, process.hostname, process.extra_hosts));
    input.hosts = hosts.path();
    BK_TRY(Bundle bundle, Bundle::Make(StrCat(options_.root, "/", input.id), root));
    input.root_path = bundle.rootfs();
    BK_TRY(os::RootDir rootfs, os::RootDir::Open(bundle.rootfs()));
    std::vector<std::string> targets;
    for (const StepMount& mount : mounts) targets.push_back(MountTarget(mount.dest, process.cwd));
    MountStubs stubs = MountStubs::Note(rootfs, targets, process.remove_mount_stubs_recursive);
    absl::StatusOr<StepExit> exit = RunIn(cancel, bundle, rootfs, mounts, input, stdio);
    stubs.Remove(rootfs);
    return exit;
  }

  absl::StatusOr<StepExit> Exec(const CancelToken& cancel, const std::string& id, const ProcessSpec& process, const Stdio& stdio) override {
    auto found = containers_.Find(id);
    auto visit = found == nullptr ? nullptr : JoinableContainer::Visit::Begin(std::move(found));
    if (visit == nullptr) return Unknown("container ", id, " not found");
    JoinableContainer& container = visit->container();
    CancelSource ended(cancel);  // by either
    CancelCallback on_over(container.over(), [&] { ended.Cancel(Unknown("container ", id, " has stopped")); });
    while (!container.seen_running && !(container.seen_running = runtime_.IsRunning(id))) BK_RETURN_IF_ERROR(ended.token().SleepFor(kRunningPause));

    JoinFiles files(container.bundle());
    oci::Spec spec = container.spec();
    BK_RETURN_IF_ERROR(Joining(process, container.bundle() + "/rootfs", spec));
    BK_RETURN_IF_ERROR(os::WriteFile(files.process(), oci::ProcessJson(spec), 0600));
    BK_TRY(auto io, StepIo::Make(stdio, process.tty));
    os::ProcessOptions options = runtime_.ExecOptions(id, files.process(), files.pid());
    options.fds = io->fds();
    BK_TRY(os::Process runtime, os::Process::Start(options));
    BK_TRY(auto running, RuntimeProcess::Make(runtime, files.pid(), io));
    if (stdio.started) stdio.started(running);
    absl::Status begun = io->Begin();
    auto status = begun.ok() ? runtime.Wait(ended.token()) : absl::StatusOr<os::ExitStatus>(begun);
    if (!status.ok()) {
      running->Signal(SIGKILL);
      status = runtime.WaitFor(kKillLimit);
      if (!status.ok()) runtime.KillGroup(SIGKILL);
    }
    io->Stop();
    BK_RETURN_IF_ERROR(cancel.Check());
    BK_RETURN_IF_ERROR(begun);
    BK_RETURN_IF_ERROR(status.status());
    return StepExit{status->ShellCode(), false};
  }

  oci::SpecInput Input() const {
    oci::SpecInput input;
    input.cgroup_parent = options_.cgroup_parent;
    input.rootless = options_.rootless;
    input.process_sandbox = options_.process_sandbox;
    input.no_network = options_.no_network;
    input.device_filter = runtime_.limits().device_filter;
    input.old_version = runtime_.is_crun();
    input.host = host_;
    return input;
  }

 private:
  absl::StatusOr<StepExit> RunIn(const CancelToken& cancel, const Bundle& bundle, const os::RootDir& rootfs, const std::vector<StepMount>& mounts, oci::SpecInput& input,
                                 const Stdio& stdio) {
    const ProcessSpec& process = *input.process;
    BK_ASSIGN(input.user, oci::LookUpUser(rootfs, process.user));
    BK_TRY(StepMounts step_mounts, StepMounts::Make(mounts, process.cwd, bundle.path()));
    input.mounts = step_mounts.spec();
    // What is there already, even a file, is the runtime's business.
    if (!rootfs.Stat(process.cwd).ok()) {
      auto made = rootfs.MakeDirs(process.cwd, 0755, input.user.uid, input.user.gid);
      if (!made.ok()) return Annotate(made.status(), StrCat("failed to create working directory ", process.cwd));
    }
    BK_TRY(oci::Spec spec, oci::MakeSpec(input));
    if (runtime_.is_crun() && spec.seccomp) spec.seccomp_program = oci::SeccompProgram(*spec.seccomp).value_or("");
    BK_RETURN_IF_ERROR(os::WriteFile(bundle.path() + "/config.json", oci::SpecJson(spec), 0600));
    return RunRuntime(cancel, input.id, bundle, spec, stdio);
  }

  absl::StatusOr<StepExit> RunRuntime(const CancelToken& cancel, const std::string& id, const Bundle& bundle, const oci::Spec& spec, const Stdio& stdio) {
    const std::string& cgroup_path = spec.cgroups_path;
    BK_TRY(auto io, StepIo::Make(stdio, spec.terminal));
    std::optional<Containers::Entry> joinable;
    if (stdio.started) joinable.emplace(containers_, id, std::make_shared<JoinableContainer>(bundle.path(), spec));
    os::ProcessOptions options = runtime_.RunOptions(id, bundle.path(), stdio.started ? bundle.pid_file() : "");
    options.fds = io->fds();
    BK_TRY(os::Process process, os::Process::Start(options));
    absl::Status begun = stdio.started ? Announce(process, bundle, io, stdio) : absl::OkStatus();
    if (begun.ok()) begun = io->Begin();
    auto status = begun.ok() ? process.Wait(cancel) : absl::StatusOr<os::ExitStatus>(begun);
    bool clean = status.ok() && status->signal == 0;
    if (!status.ok()) clean = KillStep(id, process);
    if (!options_.process_sandbox) KillProcessesBelow(bundle.rootfs());
    joinable.reset();
    StepExit exit;
    if (status.ok()) {
      exit.code = status->ShellCode();
      exit.out_of_memory = exit.code != 0 && !cgroup_path.empty() && host_.cgroup2_alone && OutOfMemoryKills(cgroup_path) > 0;
    }
    Forget(id, cgroup_path, clean);
    io->Stop();
    BK_RETURN_IF_ERROR(status.status());
    return exit;
  }

  static absl::Status Announce(const os::Process& runtime, const Bundle& bundle, const std::shared_ptr<StepIo>& io, const Stdio& stdio) {
    BK_TRY(auto running, RuntimeProcess::Make(runtime, bundle.pid_file(), io));
    stdio.started(running);
    return absl::OkStatus();
  }

  // The container's process in `spec` becomes the one that joins it.
  static absl::Status Joining(const ProcessSpec& process, const std::string& rootfs, oci::Spec& spec) {
    spec.args = process.args;
    spec.terminal = process.tty;
    if (!process.env.empty()) spec.env = process.env;
    if (!process.cwd.empty()) spec.cwd = process.cwd;
    if (process.user.empty()) return absl::OkStatus();
    BK_TRY(os::RootDir root, os::RootDir::Open(rootfs));
    BK_TRY(oci::User user, oci::LookUpUser(root, process.user));
    spec.uid = user.uid;
    spec.gid = user.gid;
    spec.additional_gids = oci::AdditionalGroups(user);
    return absl::OkStatus();
  }

  // Removes what the runtime and the kernel keep of a step that is over. runc takes longer for this than for the next
  // step's set-up: it is left for a moment without steps.
  void Forget(const std::string& id, const std::string& cgroup_path, bool clean) {
    // The bundle does not last as long as this may: the note tells a next start what there is to remove.
    std::string note = StrCat(options_.root, "/", id, kOverSuffix);
    auto forget = [this, id, cgroup_path, clean, note] {
      runtime_.Delete(id, !clean);
      if (!RemoveStepCgroup(cgroup_path)) log::Warning("the control group of a step cannot be removed", {{"cgroup", cgroup_path}});
      unlink(note.c_str());
    };
    bool later = clean && !runtime_.is_crun() && os::WriteFile(note, cgroup_path, 0600).ok();
    if (later) {
      afterwards_->Add(forget);
    } else {
      forget();
    }
  }

  // Ends a running step. False when the runtime had to be killed as well, and its container may stand.
  bool KillStep(const std::string& id, os::Process& process) const {
    auto deadline = std::chrono::steady_clock::now() + kKillLimit;
    while (std::chrono::steady_clock::now() < deadline) {
      runtime_.Kill(id);  // has no effect while the container is being made: hence the loop
      if (process.WaitFor(kKillPause).ok()) return true;
    }
    process.KillGroup(SIGKILL);
    process.Kill(SIGKILL);
    process.WaitFor(kKillLimit).IgnoreError();
    return false;
  }

  const RuntimeOptions options_;
  const Runtime runtime_;
  const oci::HostFacts host_;
  oci::ResolvConfFiles resolv_conf_;
  Containers containers_;
  std::optional<Afterwards> afterwards_{std::in_place};
};

absl::StatusOr<std::unique_ptr<Executor>> MakeWith(const RuntimeOptions& options, const std::string& program) {
  BK_TRY(Runtime runtime, Runtime::Find(program, options.root, options.rootless));
  BK_RETURN_IF_ERROR(RemoveLeftovers({runtime}, options.root));
  oci::SpecInput trial;
  trial.rootless = options.rootless;
  trial.process_sandbox = options.process_sandbox;
  trial.cgroup_parent = options.cgroup_parent;
  trial.host = options.host ? *options.host : oci::FindHostFacts();
  BK_RETURN_IF_ERROR(runtime.Try(trial));
  return std::make_unique<RuntimeExecutor>(options, std::move(runtime), trial.host);
}

}  // namespace

absl::Status EndStepsOfEarlierDaemon(const RuntimeOptions& options) {
  if (!HasBundles(options.root)) return absl::OkStatus();
  std::vector<std::string> programs = {options.binary};
  if (options.binary.empty()) programs.assign(std::begin(kPrograms), std::end(kPrograms));
  std::vector<Runtime> runtimes;
  for (const std::string& program : programs) {
    if (auto runtime = Runtime::Find(program, options.root, options.rootless); runtime.ok()) runtimes.push_back(*runtime);
  }
  return RemoveLeftovers(runtimes, options.root);
}

absl::StatusOr<std::unique_ptr<Executor>> MakeRuntimeExecutor(const RuntimeOptions& options) {
  BK_RETURN_IF_ERROR(os::MakeDirs(options.root, 0711));
  if (options.rootless) BK_RETURN_IF_ERROR(os::MakeDirs(options.root + "/runtime", 0700));
  if (!options.binary.empty()) {
    if (auto found = os::FindProgram(options.binary); !found.ok()) {
      return FailedPrecondition("OCI runtime ", Quote(options.binary), " is not there: ", Message(found.status()), " (install it, or name another one with --oci-worker-binary)");
    }
    return MakeWith(options, options.binary);
  }
  absl::Status last = FailedPrecondition("no OCI runtime in PATH (install runc or crun)");
  for (const char* program : kPrograms) {
    if (!os::FindProgram(program).ok()) continue;
    auto executor = MakeWith(options, program);
    if (executor.ok()) {
      log::Info("chose the OCI runtime", {{"runtime", program}});
      return executor;
    }
    log::Warning("an OCI runtime cannot be used", {{"runtime", program}, {"error", Message(executor.status())}});
    last = executor.status();
  }
  return last;
}

}  // namespace bk::exec
