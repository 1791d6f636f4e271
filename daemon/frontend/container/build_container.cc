#include "daemon/frontend/container/build_container.h"

#include <signal.h>

#include <algorithm>

#include "base/path.h"
#include "daemon/ops/build_error.h"
#include "daemon/ops/step_process.h"
#include "daemon/ops/step_secrets.h"
#include "sandbox/exec/executor.h"

namespace bk::frontend {
namespace {

constexpr int kKilled = 128 + SIGKILL, kUnknownExit = 255;

constexpr char kWindowsPath[] = "c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0";

void AddDefault(std::vector<std::string>& env, std::string_view name, std::string_view value) {
  std::string prefix = StrCat(name, "=");
  bool has = std::any_of(env.begin(), env.end(), [&](const std::string& entry) { return entry.starts_with(prefix); });
  if (!has) env.push_back(prefix + std::string(value));
}

// `cause`: why it was killed, if it was.
ProcessEnd EndOf(const absl::StatusOr<exec::StepExit>& exit, const absl::Status& cause) {
  if (exit.ok() && exit->code == 0) return {};
  if (!exit.ok() && cause.ok()) return {kUnknownExit, ops::BuildError(exit.status())};
  int code = exit.ok() ? exit->code : kKilled;
  absl::Status error = Unknown("exit code: ", code, exit.ok() && exit->out_of_memory ? ": cannot allocate memory" : "", cause.ok() ? "" : ": ", Message(cause));
  AddDetail(error, {"gatewayapi.ExitMessage", StrCat("{\"Code\":", code, "}")});
  for (ErrorDetail& detail : Details(cause)) AddDetail(error, std::move(detail));
  return {code, error};
}

// Paths of calls are absolute (the reference's words).
absl::Status CheckPath(const std::string& path) { return CleanPath(path).starts_with('/') ? absl::OkStatus() : Unknown("can't make ", path, " relative to /"); }

}  // namespace

// What a process and its owner share.
class BuildContainer::Process {
 public:
  explicit Process(const CancelToken& container) : cancel(container) {}
  struct State {
    std::shared_ptr<exec::RunningProcess> running;
    bool killed = false, over = false;
    ProcessEnd end;
  };
  // Null once it is over.
  std::shared_ptr<exec::RunningProcess> Running() {
    return state.WaitThen([](const State& s) { return s.running != nullptr || s.over; }, [](const State& s) { return s.over ? nullptr : s.running; });
  }
  CancelSource cancel;
  Guarded<State> state;

  class Handle final : public ContainerProcess {
   public:
    explicit Handle(std::shared_ptr<Process> process) : process_(std::move(process)) {}
    ~Handle() override {
      Kill();
      Wait();
    }
    void Signal(int number) override {
      if (auto running = process_->Running()) running->Signal(number);
    }
    void Resize(uint16_t rows, uint16_t columns) override {
      if (auto running = process_->Running()) running->Resize(rows, columns);
    }
    void Kill() override {
      process_->state.With([](State& s) { s.killed = true; });
      process_->cancel.Cancel();
    }
    ProcessEnd Wait() override {
      return process_->state.WaitThen([](const State& s) { return s.over; }, [](const State& s) { return s.end; });
    }
    bool WaitFor(std::chrono::milliseconds time) override {
      return process_->state.WaitFor(time, [](const State& s) { return s.over; });
    }
    bool ReadsInput() override {
      auto running = process_->state.With([](const State& s) { return s.running; });
      return running == nullptr || running->ReadsInput();
    }

   private:
    const std::shared_ptr<Process> process_;
  };
};

absl::StatusOr<exec::ProcessSpec> BuildContainer::SpecOf(const CancelToken& cancel, const ProcessRequest& request) const {
  if (request.meta.args_size() == 0) return InvalidArgument("a process of container ", order_.request.id, " has no arguments");
  pb::ExecOp op;
  pb::Meta& meta = *op.mutable_meta();
  *meta.mutable_args() = request.meta.args();
  std::vector<std::string> env(request.meta.env().begin(), request.meta.env().end());
  if (order_.request.platform_os == "windows") AddDefault(env, "PATH", kWindowsPath);
  for (const std::string& entry : env) meta.add_env(entry);
  meta.set_cwd(request.meta.cwd().empty() ? "/" : request.meta.cwd());
  meta.set_user(request.meta.user());
  meta.set_removemountstubsrecursive(request.meta.removemountstubsrecursive());
  meta.set_hostname(order_.request.hostname);
  for (const pb::HostIP& host : order_.request.extra_hosts) *meta.add_extrahosts() = host;
  op.set_network(order_.request.network);
  op.set_security(request.security);
  BK_TRY(exec::ProcessSpec spec, ops::ProcessOf(op, {}));
  spec.tty = request.tty;
  spec.readonly_root = mounts_->readonly_root();
  spec.trace_socket = parts_.trace_socket;
  if (request.tty) AddDefault(spec.env, "TERM", "xterm");
  for (const pb::SecretEnv& secret : request.secret_env) {
    if (secret.id().empty()) return Unknown("secret ID missing for ", Quote(secret.name()), " environment variable");
    BK_TRY(auto value, ops::FetchSecret(cancel, *parts_.sessions, order_.fetch.session_ids, secret.id(), secret.optional()));
    spec.env.push_back(StrCat(secret.name(), "=", value.value_or("")));
  }
  return spec;
}

absl::Status BuildContainer::CheckAllowed(const exec::ProcessSpec& spec) const {
  auto granted = [&](const char* name) { return order_.entitlements.contains(name); };
  if (spec.network == exec::NetworkMode::kHost && !granted("network.host")) return Unknown("network.host is not allowed");
  if (spec.security == exec::SecurityMode::kInsecure && !granted("security.insecure")) return Unknown("security.insecure is not allowed");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ContainerProcess>> BuildContainer::Start(const CancelToken& cancel, ProcessRequest request) {
  BK_TRY(exec::ProcessSpec spec, SpecOf(cancel, request));
  auto process = std::make_shared<Process>(ending_.token());
  bool first = false;
  absl::Status begun = state_.With([&](State& s) {
    if (s.released) return Unknown("container ", order_.request.id, " was released");
    first = !std::exchange(s.started, true);
    processes_.Run([this, process, spec, request = std::move(request), first] {
      ProcessEnd end = Run(*process, spec, request, first);
      bool alone = !first && process->state.With([](const Process::State& p) { return p.killed; });
      if (!end.error.ok() && !alone) Fail(end.error);
      process->state.Change([&](Process::State& p) {
        p.over = true;
        p.running = nullptr;
        p.end = std::move(end);
      });
    });
    return absl::OkStatus();
  });
  BK_RETURN_IF_ERROR(begun);
  if (first) process->Running();  // others can join from here on
  return std::make_unique<Process::Handle>(std::move(process));
}

ProcessEnd BuildContainer::Run(Process& process, const exec::ProcessSpec& spec, const ProcessRequest& request, bool first) {
  pb::ExecOp modes;
  modes.set_network(order_.request.network);
  modes.set_security(request.security);
  for (const absl::Status& status : {ops::CheckModes(modes), CheckAllowed(spec)}) {
    if (!status.ok()) return {kUnknownExit, status};
  }
  exec::Stdio stdio;
  stdio.output = request.output;
  stdio.stdin_fd = request.stdin_fd;
  stdio.stdout_fd = request.stdout_fd;
  stdio.started = [&](std::shared_ptr<exec::RunningProcess> running) {
    process.state.Change([&](Process::State& s) { s.running = std::move(running); });
  };
  CancelToken cancel = process.cancel.token();
  auto exit = first ? parts_.executor->Run(cancel, id_, mounts_->root(), mounts_->mounts(), spec, stdio) : parts_.executor->Exec(cancel, id_, spec, stdio);
  if (exit.ok()) return EndOf(exit, cancel.Check());
  // The client knows it by another id.
  std::string text = Message(exit.status());
  if (size_t at = text.find(id_); at != std::string::npos) exit = absl::Status(exit.status().code(), text.replace(at, id_.size(), order_.request.id));
  return EndOf(exit, cancel.Check());
}

void BuildContainer::Fail(const absl::Status& error) {
  state_.With([&](State& s) {
    if (s.error.ok()) s.error = error;
  });
  ending_.Cancel(error);
}

// A look into the mounts while they stand.
class BuildContainer::Reading {
 public:
  static absl::StatusOr<std::unique_ptr<Reading>> Begin(BuildContainer& of, int mount) {
    bool stands = of.state_.With([](State& s) {
      if (!s.released) s.readers++;
      return !s.released;
    });
    if (!stands) return Unknown("container ", of.order_.request.id, " was released");
    std::unique_ptr<Reading> reading(new Reading(of));
    BK_ASSIGN(reading->files_, of.mounts_->Files(mount));
    return reading;
  }
  ~Reading() {
    of_.state_.Change([](State& s) { s.readers--; });
  }
  const TreeReader& files() const { return *files_; }

 private:
  explicit Reading(BuildContainer& of) : of_(of) {}
  BuildContainer& of_;
  const TreeReader* files_ = nullptr;
};

absl::StatusOr<std::string> BuildContainer::ReadFile(int mount, const std::string& path, int64_t offset, int64_t length) {
  BK_RETURN_IF_ERROR(CheckPath(path));
  BK_TRY(auto reading, Reading::Begin(*this, mount));
  return reading->files().ReadFile(path, offset, length);
}

absl::StatusOr<std::vector<FileStat>> BuildContainer::ReadDir(const CancelToken& cancel, int mount, const std::string& path, const std::string& include_pattern) {
  BK_RETURN_IF_ERROR(CheckPath(path));
  BK_TRY(auto reading, Reading::Begin(*this, mount));
  return reading->files().ReadDir(cancel, path, include_pattern);
}

absl::StatusOr<FileStat> BuildContainer::StatFile(int mount, const std::string& path) {
  BK_RETURN_IF_ERROR(CheckPath(path));
  BK_TRY(auto reading, Reading::Begin(*this, mount));
  BK_TRY(FileStat stat, reading->files().StatFile(path));
  stat.path = BaseName(path);  // by the name that was asked for, whatever links say
  return stat;
}

absl::Status BuildContainer::Release() {
  state_.With([](State& s) { s.released = true; });
  ending_.Cancel();
  processes_.Wait();
  bool mine = state_.WaitThen([](const State& s) { return s.readers == 0; }, [](State& s) { return !std::exchange(s.unmounted, true); });
  if (mine) mounts_.reset();
  return state_.With([](const State& s) { return s.error; });
}

}  // namespace bk::frontend
