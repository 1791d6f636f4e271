#include "sandbox/exec/runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/os/file.h"
#include "sandbox/exec/cgroup.h"

extern char** environ;

namespace bk::exec {
namespace {

constexpr std::chrono::seconds kCallLimit(30);

// Variables of the daemon that would change what a runtime does: sockets that it passes on to steps (systemd's), and
// where it keeps its state.
bool Withheld(std::string_view entry) {
  for (std::string_view name : {"NOTIFY_SOCKET=", "LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES=", "XDG_RUNTIME_DIR=", "USER="}) {
    if (entry.starts_with(name)) return true;
  }
  return false;
}

// The first line that says something, without the runtime's prefixes of time and level.
std::string LastWords(const std::string& text) {
  std::string last;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) last = text.substr(at, end - at);
    at = end + 1;
  }
  return last.empty() ? "it said nothing" : last;
}

}  // namespace

std::string RuntimeFix(bool is_crun, bool cgroup2_alone, const std::string& words) {
  if (is_crun && !cgroup2_alone) {
    return "crun needs cgroup2 alone at /sys/fs/cgroup, and this host mounts v1 there: use --oci-worker-binary=runc, or start the daemon where only cgroup2 is mounted, as with "
           "unshare -mC sh -c 'umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec buildkitd …'";
  }
  if (words.find("proc") != std::string::npos && words.find("not permitted") != std::string::npos) {
    return "a fresh /proc cannot be mounted here, as in an unprivileged container: give that container an unmasked /proc, or use --oci-worker-no-process-sandbox";
  }
  return "name another runtime with --oci-worker-binary, or give the daemon the right that is missing";
}

absl::StatusOr<Runtime> Runtime::Find(const std::string& program, const std::string& root, bool rootless) {
  BK_TRY(std::string path, os::FindProgram(program));
  Runtime runtime(path, root, rootless);
  os::ProcessOptions options = runtime.Call({});
  options.argv = {path, "--version"};
  auto output = os::Run(CancelToken::Never(), options);
  if (!output.ok()) return FailedPrecondition("OCI runtime ", Quote(program), " does not run: ", Message(output.status()));
  if (!output->status.success()) return FailedPrecondition("OCI runtime ", Quote(program), " does not run: ", LastWords(output->err));
  runtime.is_crun_ = output->out.starts_with("crun");
  return runtime;
}

os::ProcessOptions Runtime::Call(const std::vector<std::string>& arguments) const {
  os::ProcessOptions options;
  options.argv = {program_, "--log", root_ + "/runc-log.json", "--log-format", "json"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.replace_env = true;
  for (char** entry = environ; *entry != nullptr; entry++) {
    if (!Withheld(*entry)) options.env.emplace_back(*entry);
  }
  // Both runtimes keep state there when they run in a user namespace; /run may belong to somebody else.
  if (rootless_) options.env.push_back(StrCat("XDG_RUNTIME_DIR=", root_, "/runtime"));
  return options;
}

os::ProcessOptions Runtime::RunOptions(const std::string& id, const std::string& bundle, const std::string& pid_file) const {
  std::vector<std::string> arguments = {"run", "--bundle", bundle};
  if (!limits_.pivot_root) arguments.emplace_back("--no-pivot");
  if (!is_crun_) arguments.emplace_back("--keep");
  if (!pid_file.empty()) arguments.insert(arguments.end(), {"--pid-file", pid_file});
  arguments.push_back(id);
  os::ProcessOptions options = Call(arguments);
  // A daemon that dies takes the runtime along; its thread waits for it, so the signal never comes early.
  options.parent_death_signal = SIGKILL;
  return options;
}

os::ProcessOptions Runtime::ExecOptions(const std::string& id, const std::string& process_file, const std::string& pid_file) const {
  os::ProcessOptions options = Call({"exec", "--process", process_file, "--pid-file", pid_file, id});
  options.parent_death_signal = SIGKILL;
  return options;
}

bool Runtime::IsRunning(const std::string& id) const {
  auto output = os::Run(CancelToken::Never(), Call({"state", id}));
  if (!output.ok() || !output->status.success()) return false;
  auto state = nlohmann::json::parse(output->out, nullptr, false);
  return state.is_object() && state.contains("status") && state["status"] == "running";
}

void Runtime::Kill(const std::string& id) const { os::Run(CancelToken::Never(), Call({"kill", id, "9"})).IgnoreError(); }

void Runtime::Delete(const std::string& id, bool force) const {
  if (force) {
    os::Run(CancelToken::Never(), Call({"delete", "--force", id})).IgnoreError();
    return;
  }
  if (is_crun_) return;
  auto output = os::Run(CancelToken::Never(), Call({"delete", id}));
  if (!output.ok() || !output->status.success()) Delete(id, true);
}

absl::Status Runtime::TryOnce(const oci::SpecInput& input, const RuntimeLimits& limits) const {
  BK_TRY(os::TempDir bundle, os::TempDir::Make("trial-", root_));
  std::string rootfs = bundle.path() + "/rootfs", empty = bundle.path() + "/empty", words = bundle.path() + "/words";
  BK_RETURN_IF_ERROR(os::MakeDirs(rootfs + "/bin", 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(rootfs + "/bin/step", "", 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(empty, "", 0644));
  ProcessSpec process;
  process.args = {"/bin/step"};
  process.cwd = "/";
  oci::SpecInput trial = input;
  trial.process = &process;
  trial.id = os::BaseName(bundle.path());
  trial.root_path = rootfs;
  trial.hosts = trial.resolv_conf = empty;
  trial.device_filter = limits.device_filter;
  trial.old_version = is_crun_;
  BK_TRY(oci::Spec spec, oci::MakeSpec(trial));
  BK_RETURN_IF_ERROR(os::WriteFile(bundle.path() + "/config.json", oci::SpecJson(spec), 0600));
  std::vector<std::string> arguments = {"create", "--bundle", bundle.path()};
  if (!limits.pivot_root) arguments.emplace_back("--no-pivot");
  arguments.push_back(trial.id);
  os::ProcessOptions options = Call(arguments);
  // A file, not a pipe: the container holds it open for as long as it stands.
  BK_TRY(os::UniqueFd out, os::Open(words, O_WRONLY | O_CREAT | O_APPEND, 0600));
  options.fds = {{out.get(), 1}, {out.get(), 2}};
  BK_TRY(os::Process create, os::Process::Start(options));
  auto status = create.WaitFor(kCallLimit);
  if (!status.ok()) create.KillGroup(SIGKILL);
  Delete(trial.id, true);
  RemoveStepCgroup(spec.cgroups_path);  // crun leaves it
  if (!status.ok()) return status.status();
  if (status->success()) return absl::OkStatus();
  return Unknown(LastWords(os::ReadFile(words, 1 << 20).value_or("")));
}

absl::Status Runtime::Try(oci::SpecInput input) {
  constexpr struct {
    RuntimeLimits limits;
    const char* loss;
  } kTrials[] = {
      {{true, true}, ""},
      {{false, true}, "no device filter can be loaded here: steps are kept from devices by their missing capabilities alone"},
      {{true, false}, "pivot_root does not work here: steps run with --no-pivot, and the host's root stays mounted below theirs"},
      {{false, false}, "neither a device filter nor pivot_root works here: steps are kept from devices and from the host's root by their missing capabilities alone"},
  };
  absl::Status first;
  for (const auto& trial : kTrials) {
    if (!trial.limits.device_filter && input.rootless) continue;  // a rootless spec has none
    absl::Status status = TryOnce(input, trial.limits);
    if (status.ok()) {
      limits_ = trial.limits;
      if (!first.ok()) log::Warning(trial.loss, {{"runtime", program_}, {"error", Message(first)}});
      return absl::OkStatus();
    }
    if (first.ok()) first = status;
  }
  return FailedPrecondition("OCI runtime ", Quote(program_), " cannot run steps here: ", Message(first), " (", RuntimeFix(is_crun_, input.host.cgroup2_alone, Message(first)), ")");
}

}  // namespace bk::exec
