#include "sandbox/exec/runtime_executor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <algorithm>
#include <thread>

#include "base/id.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "sandbox/exec/mount_stubs.h"
#include "sandbox/oci/spec.h"

namespace bk::exec {
namespace {

constexpr char kDefaultPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::chrono::milliseconds kKillWait(2000);

bool Cgroup2Alone() {
  struct statfs fs;
  return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

class RuntimeExecutor : public Executor {
 public:
  RuntimeExecutor(RuntimeOptions options, std::string program) : options_(std::move(options)), program_(std::move(program)), is_crun_(os::BaseName(program_).find("crun") != std::string::npos) {}

  // Ends containers of a daemon that is gone and removes their bundles.
  absl::Status Init() {
    BK_RETURN_IF_ERROR(os::MakeDirs(options_.root, 0711));
    BK_TRY(std::vector<std::string> names, os::ListDir(options_.root));
    for (const std::string& name : names) {
      std::string path = StrCat(options_.root, "/", name);
      struct stat st;
      if (lstat(path.c_str(), &st) < 0 || !S_ISDIR(st.st_mode)) continue;
      Delete(name, true);
      os::UnmountAll(path + "/rootfs", true).IgnoreError();
      BK_RETURN_IF_ERROR(os::RemoveAll(path));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<StepExit> Run(const CancelToken& cancel, const std::string& given_id, const std::vector<os::Mount>& root, const std::vector<StepMount>& mounts,
                               const ProcessSpec& process, const Stdio& stdio) override {
    std::string id = given_id.empty() ? NewId() : given_id;
    Bundle bundle{StrCat(options_.root, "/", id)};
    BK_RETURN_IF_ERROR(os::MakeDirs(bundle.path + "/rootfs", 0711));
    BK_RETURN_IF_ERROR(os::MountAllAt(root, bundle.path + "/rootfs"));
    bundle.mounted = true;
    BK_TRY(os::RootDir rootfs, os::RootDir::Open(bundle.path + "/rootfs"));

    oci::SpecInput spec;
    ProcessSpec complete = process;
    bool has_path = std::any_of(process.env.begin(), process.env.end(), [](const std::string& e) { return e.starts_with("PATH="); });
    if (!has_path) complete.env.push_back(kDefaultPath);
    std::erase_if(complete.env, [](const std::string& e) { return e.find('=') == std::string::npos; });
    spec.process = &complete;
    BK_ASSIGN(spec.user, oci::LookUpUser(rootfs, process.user));
    spec.root_path = bundle.path + "/rootfs";
    spec.cgroup_path = StrCat(options_.cgroup_parent, "/", id);
    spec.rootless = options_.rootless;
    spec.process_sandbox = options_.process_sandbox;
    spec.cgroup2_alone = Cgroup2Alone();
    BK_RETURN_IF_ERROR(WriteFiles(bundle, complete, spec));
    std::vector<os::TempMount> selected;
    std::vector<std::string> targets;
    for (const StepMount& mount : mounts) {
      targets.push_back(mount.dest);
      BK_RETURN_IF_ERROR(AddMount(bundle, mount, spec, selected));
    }
    MountStubs stubs = MountStubs::Note(rootfs, targets, process.remove_mount_stubs_recursive);
    BK_RETURN_IF_ERROR(rootfs.MakeDirs(process.cwd, 0755, spec.user.uid, spec.user.gid).status());

    auto exit = RunBundle(cancel, id, bundle, spec, stdio);
    stubs.Remove(rootfs);
    return exit;
  }

 private:
  struct Bundle {
    std::string path;
    bool mounted = false;
    ~Bundle() {
      if (mounted && !os::UnmountAll(path + "/rootfs").ok()) os::UnmountAll(path + "/rootfs", true).IgnoreError();
      os::RemoveAll(path).IgnoreError();
    }
  };

  absl::Status WriteFiles(const Bundle& bundle, const ProcessSpec& process, oci::SpecInput& spec) const {
    std::string hosts = StrCat("127.0.0.1\tlocalhost ", process.hostname.empty() ? "buildkitsandbox" : process.hostname, "\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (const HostIp& extra : process.extra_hosts) hosts += StrCat(extra.ip, "\t", extra.host, "\n");
    spec.hosts = bundle.path + "/hosts";
    spec.resolv_conf = bundle.path + "/resolv.conf";
    BK_RETURN_IF_ERROR(os::WriteFile(spec.hosts, hosts, 0644));
    std::string resolv = os::ReadFile("/etc/resolv.conf", 1 << 20).value_or("");
    return os::WriteFile(spec.resolv_conf, resolv, 0644);
  }

  absl::Status AddMount(const Bundle& bundle, const StepMount& mount, oci::SpecInput& spec, std::vector<os::TempMount>& selected) const {
    if (mount.mounts.size() != 1) return Internal("mount of ", mount.dest, " has ", mount.mounts.size(), " parts");
    const os::Mount& source = mount.mounts[0];
    bool plain = source.type != "bind" && source.type != "overlay" && !source.type.starts_with("fuse3.");
    if (plain) {  // tmpfs and the like: the runtime makes them
      spec.mounts.push_back({mount.dest, source.type, source.source, source.options});
      return absl::OkStatus();
    }
    std::string path;
    if (source.type == "bind") {
      path = source.source;
    } else {
      BK_TRY(os::TempMount made, os::TempMount::Make(mount.mounts, bundle.path));
      path = made.path();
      selected.push_back(std::move(made));
    }
    if (!mount.selector.empty() && mount.selector != "/") BK_ASSIGN(path, Select(bundle, path, mount.selector, selected));
    std::vector<std::string> options = {"rbind"};
    options.push_back(mount.readonly || source.readonly() ? "ro" : "rw");
    spec.mounts.push_back({mount.dest, "bind", path, options});
    return absl::OkStatus();
  }

  // A path inside a mount, held by a bind mount of its own: a link swapped in later leads nowhere else (CVE-2024-23651).
  absl::StatusOr<std::string> Select(const Bundle& bundle, const std::string& base, const std::string& selector, std::vector<os::TempMount>& selected) const {
    BK_TRY(os::RootDir dir, os::RootDir::Open(base));
    BK_TRY(os::UniqueFd fd, dir.OpenAt(selector, O_PATH));
    struct stat st;
    if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", selector));
    std::string source = StrCat("/proc/self/fd/", fd.get());
    if (!S_ISDIR(st.st_mode)) {
      BK_TRY(os::TempDir holder, os::TempDir::Make("file-", bundle.path));
      std::string target = holder.path() + "/file";
      BK_RETURN_IF_ERROR(os::WriteFile(target, "", 0600));
      BK_RETURN_IF_ERROR(os::MountAt({"bind", source, {"bind"}}, target));
      BK_TRY(os::TempMount made, os::TempMount::Adopt(target));
      selected.push_back(std::move(made));
      holder.Release();
      return target;
    }
    // "ro" first makes TempMount mount it at all; the step's own option decides what the step sees.
    BK_TRY(os::TempDir holder, os::TempDir::Make("dir-", bundle.path));
    BK_RETURN_IF_ERROR(os::MountAt({"bind", source, {"rbind"}}, holder.path()));
    BK_TRY(os::TempMount made, os::TempMount::Adopt(holder.path()));
    selected.push_back(std::move(made));
    return holder.Release();
  }

  std::vector<std::string> Global() const {
    return {program_, "--log", options_.root + "/runc-log.json", "--log-format", "json"};
  }

  void Delete(const std::string& id, bool force) const {
    os::ProcessOptions options;
    options.argv = Global();
    options.argv.push_back("delete");
    if (force) options.argv.push_back("--force");
    options.argv.push_back(id);
    os::Run(CancelToken::Never(), options).IgnoreError();
  }

  absl::StatusOr<StepExit> RunBundle(const CancelToken& cancel, const std::string& id, const Bundle& bundle, oci::SpecInput& spec, const Stdio& stdio) {
    while (true) {
      spec.device_filter = device_filter_;
      BK_RETURN_IF_ERROR(os::WriteFile(bundle.path + "/config.json", oci::MakeSpec(spec), 0600));
      std::string errors;
      BK_TRY(StepExit exit, RunOnce(cancel, id, bundle, stdio, errors));
      // Only a runtime that could not start says this; a step's own words come on its own stream as well, so the
      // failed trial is recognised by the runtime's own log.
      bool filter_failed = exit.code != 0 && spec.device_filter && !spec.rootless && errors.find("bpf") != std::string::npos;
      if (!filter_failed) return exit;
      device_filter_ = false;
      log::Warning("the runtime cannot load a device filter here: steps are not kept from devices that their capabilities reach", {{"runtime", program_}, {"error", errors}});
    }
  }

  absl::StatusOr<StepExit> RunOnce(const CancelToken& cancel, const std::string& id, const Bundle& bundle, const Stdio& stdio, std::string& errors) {
    BK_TRY(os::Pipe out, os::MakePipe());
    BK_TRY(os::Pipe err, os::MakePipe());
    std::string log = StrCat(bundle.path, "/runtime.log");
    os::ProcessOptions options;
    options.argv = {program_, "--log", log, "--log-format", "json", "run", "--bundle", bundle.path};
    if (!is_crun_) options.argv.push_back("--keep");
    options.argv.push_back(id);
    options.cwd = bundle.path;
    if (stdio.stdin_fd >= 0) options.fds.emplace_back(stdio.stdin_fd, 0);
    options.fds.emplace_back(stdio.stdout_fd >= 0 ? stdio.stdout_fd : out.write.get(), 1);
    options.fds.emplace_back(stdio.stderr_fd >= 0 ? stdio.stderr_fd : err.write.get(), 2);
    BK_TRY(os::Process runtime, os::Process::Start(options));
    out.write.Reset();
    err.write.Reset();
    std::thread read_out([&] { Drain(out.read.get(), 1, stdio); });
    std::thread read_err([&] { Drain(err.read.get(), 2, stdio); });
    auto status = runtime.Wait(cancel);
    if (!status.ok()) {
      Kill(id);
      if (!runtime.WaitFor(kKillWait).ok()) runtime.KillGroup(SIGKILL);
    }
    Delete(id, !status.ok() || is_crun_);
    if (runtime.running()) runtime.WaitFor(kKillWait).IgnoreError();
    read_out.join();
    read_err.join();
    BK_RETURN_IF_ERROR(status.status());
    StepExit exit;
    exit.code = status->ShellCode();
    if (exit.code != 0) errors = os::ReadFile(log, 1 << 20).value_or("");
    return exit;
  }

  void Kill(const std::string& id) const {
    os::ProcessOptions options;
    options.argv = Global();
    options.argv.insert(options.argv.end(), {"kill", id, "KILL"});
    os::Run(CancelToken::Never(), options).IgnoreError();
  }

  static void Drain(int fd, int stream, const Stdio& stdio) {
    char buffer[32768];
    while (true) {
      ssize_t n = read(fd, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      if (stdio.output) stdio.output(stream, {buffer, static_cast<size_t>(n)});
    }
  }

  const RuntimeOptions options_;
  const std::string program_;
  const bool is_crun_;
  std::atomic<bool> device_filter_{true};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Executor>> MakeRuntimeExecutor(const RuntimeOptions& options) {
  std::string program;
  for (const std::string& candidate : options.binary.empty() ? std::vector<std::string>{"buildkit-runc", "runc", "crun"} : std::vector<std::string>{options.binary}) {
    if (auto found = os::FindProgram(candidate); found.ok()) {
      program = *found;
      break;
    }
  }
  if (program.empty()) {
    if (!options.binary.empty()) return FailedPrecondition("OCI runtime ", Quote(options.binary), " is not in PATH (install it, or name another one with --oci-worker-binary)");
    return FailedPrecondition("no OCI runtime in PATH (install runc or crun)");
  }
  bool crun = os::BaseName(program).find("crun") != std::string::npos;
  if (crun && !Cgroup2Alone()) {
    return FailedPrecondition("crun needs cgroup2 alone on /sys/fs/cgroup, and this host mounts v1 beside it (use --oci-worker-binary=runc, or start the daemon where only cgroup2 is mounted: unshare -mC sh -c 'mount -t cgroup2 none /sys/fs/cgroup && exec buildkitd …')");
  }
  auto executor = std::make_unique<RuntimeExecutor>(options, program);
  BK_RETURN_IF_ERROR(executor->Init());
  return executor;
}

}  // namespace bk::exec
