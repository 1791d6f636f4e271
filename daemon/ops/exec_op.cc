// The exec op: prepares the mounts of a step, runs its process, commits what it wrote.
#include "daemon/ops/build_error.h"
#include "daemon/ops/cache_map.h"
#include "daemon/ops/emulation.h"
#include "daemon/ops/exec_mounts.h"
#include "daemon/ops/fetch_context.h"
#include "daemon/ops/op_base.h"
#include "daemon/ops/result.h"
#include "daemon/ops/step_log.h"
#include "daemon/ops/step_process.h"
#include "daemon/ops/step_secrets.h"

namespace bk::ops {
namespace {

class ExecOp : public OpBase {
 public:
  ExecOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override {
    BK_TRY(MapPlan plan, PlanExec(op(), request_.platform, inputs()));
    return MakeCacheMap(plan, ForMap());
  }

  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext& context, const std::vector<solver::ResultPtr>& inputs) override {
    std::vector<cache::ImmutablePtr> refs;
    for (const solver::ResultPtr& input : inputs) refs.push_back(RefOf(input));
    cache::FetchContext fetch = FetchOf(context);
    BK_RETURN_IF_ERROR(BuildError(CheckPlatform(cancel, fetch, refs)));
    auto mounts = PrepareMounts(cancel, {parts_.cache, parts_.sessions, parts_.cache_mounts, fetch}, op(), refs);
    if (!mounts.ok()) return BuildError(mounts.status());
    auto process = Process(cancel, fetch);
    if (!process.ok()) return BuildError(process.status());
    process->readonly_root = mounts->readonly_root;
    process->trace_socket = parts_.trace_socket;
    absl::Status ran = RunStep(cancel, context, *mounts, *process);
    if (ran.ok()) return Commit(cancel, *mounts);
    if (!cancel.cancelled()) KeepFailed(context, *mounts, refs);
    return ran;
  }

  absl::StatusOr<Permit> Acquire(const CancelToken& cancel) override { return AcquireSlot(cancel); }

 private:
  const pb::ExecOp& op() const { return request_.op->exec(); }

  // What the step's devices change in it. They were allowed when the definition was loaded.
  absl::StatusOr<exec::ContainerEdits> DeviceEdits() const {
    if (op().cdidevices().empty()) return exec::ContainerEdits();
    if (parts_.devices == nullptr) return FailedPrecondition("CDI device injection failed: the daemon runs with CDI disabled");
    std::vector<cdi::Request> requests;
    for (const pb::CDIDevice& device : op().cdidevices()) requests.push_back({device.name(), device.optional()});
    auto names = parts_.devices->Find(requests);
    if (!names.ok()) return Annotate(names.status(), "CDI device injection failed");
    return parts_.devices->EditsOf(*names);
  }

  // A foreign platform without emulator is refused before the runtime fails without a reason, unless the program turns out
  // to be for this machine.
  absl::Status CheckPlatform(const CancelToken& cancel, const cache::FetchContext& fetch, const std::vector<cache::ImmutablePtr>& inputs) const {
    absl::Status supported = CheckCanRun(request_.platform, HostPlatform());
    if (supported.ok() || request_.platform.os != HostPlatform().os) return supported;
    cache::ImmutablePtr root;
    for (const pb::Mount& mount : op().mounts()) {
      if (mount.dest() == "/" && mount.input() >= 0 && static_cast<size_t>(mount.input()) < inputs.size()) root = inputs[static_cast<size_t>(mount.input())];
    }
    if (root == nullptr) return supported;
    BK_TRY(auto active, root->Mount(cancel, fetch, true));
    BK_TRY(os::TempMount tree, os::TempMount::Make(active->mounts()));
    BK_TRY(os::RootDir dir, os::RootDir::Open(tree.path()));
    const pb::Meta& meta = op().meta();
    return IsForThisMachine(dir, {meta.args(0), {meta.env().begin(), meta.env().end()}, meta.cwd()}) ? absl::OkStatus() : supported;
  }

  absl::StatusOr<exec::ProcessSpec> Process(const CancelToken& cancel, const cache::FetchContext& fetch) {
    BK_TRY(exec::ProcessSpec process, ProcessOf(op(), request_));
    for (const pb::SecretEnv& secret : op().secretenv()) {
      if (secret.id().empty()) return Unknown("secret ID missing for ", Quote(secret.name()), " environment variable");
      BK_TRY(auto value, FetchSecret(cancel, *parts_.sessions, fetch.session_ids, secret.id(), secret.optional()));
      process.env.push_back(StrCat(secret.name(), "=", value.value_or("")));
    }
    return process;
  }

  absl::Status RunStep(const CancelToken& cancel, solver::OpContext& context, const PreparedMounts& mounts, exec::ProcessSpec& process) {
    std::string command = CommandLine(op());
    if (auto modes = CheckModes(op()); !modes.ok()) return StartError(command, modes);
    auto edits = DeviceEdits();
    if (!edits.ok()) return StartError(command, edits.status());
    process.edits = *std::move(edits);
    if (process.resources.any() && !parts_.limits_resources) context.Progress().Warning(UnlimitedWarning());
    StepLog log(context.Progress());
    exec::Stdio stdio;
    stdio.output = [&](int stream, std::string_view bytes) { log.Write(stream, bytes); };
    auto exit = parts_.executor->Run(cancel, "", mounts.root, mounts.mounts, process, stdio);
    bool failed = !exit.ok() || !IsValidExit(process.valid_exit_codes, exit->code);
    log.Finish(failed);
    if (!exit.ok()) return StartError(command, exit.status());
    return failed ? ExitError(command, *exit) : absl::OkStatus();
  }

  absl::StatusOr<std::vector<solver::ResultPtr>> Commit(const CancelToken& cancel, PreparedMounts& mounts) {
    mounts.Unmount();
    mounts.scratch.clear();
    std::vector<solver::ResultPtr> results;
    for (PreparedMounts::Output& output : mounts.outputs) {
      cache::ImmutablePtr ref = output.unchanged;
      if (output.written != nullptr) {
        std::string id = output.written->Id();
        auto committed = output.written->Commit(cancel);
        if (!committed.ok()) return Annotate(committed.status(), StrCat("error committing ", id));
        ref = *std::move(committed);
      }
      results.push_back(std::make_shared<RefResult>(std::move(ref)));
    }
    return results;
  }

  // For those who look into what a failed step worked on.
  void KeepFailed(solver::OpContext& context, PreparedMounts& mounts, const std::vector<cache::ImmutablePtr>& refs) {
    std::vector<cache::ImmutablePtr> inputs;
    for (const pb::Mount& mount : op().mounts()) inputs.push_back(mount.input() < 0 ? nullptr : refs[static_cast<size_t>(mount.input())]);
    std::vector<LeftTree> left;
    for (const cache::ImmutablePtr& input : inputs) left.push_back({nullptr, input});
    mounts.Unmount();
    for (PreparedMounts::Output& output : mounts.outputs) left[output.mount].written = std::move(output.written);
    for (PreparedMounts::Scratch& scratch : mounts.scratch) left[scratch.mount].written = std::move(scratch.written);
    failures_->Keep(*parts_.failed_steps, context.Progress().vertex(), MakeFailedStep({}, std::move(inputs), std::move(left)));
  }
};

absl::Status CheckExec(const pb::ExecOp& op) {
  if (!op.has_meta()) return InvalidArgument("invalid exec op with no meta");
  if (op.meta().args_size() == 0) return InvalidArgument("invalid exec op with no args");
  if (op.mounts_size() == 0) return InvalidArgument("invalid exec op with no mounts");
  for (const pb::Mount& mount : op.mounts()) {
    if (mount.dest() == "/") return absl::OkStatus();
  }
  return InvalidArgument("invalid exec op with no rootfs");
}

}  // namespace

absl::StatusOr<OpPtr> MakeExecOp(const SharedParts& parts, const OpRequest& request) {
  BK_RETURN_IF_ERROR(CheckExec(request.op->exec()));
  return std::make_unique<ExecOp>(parts, request);
}

}  // namespace bk::ops
