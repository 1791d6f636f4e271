#include "daemon/llb/engine.h"

#include <algorithm>
#include <thread>

#include "base/task_group.h"
#include "base/unicode.h"
#include "daemon/exporter/platform_check.h"
#include "daemon/llb/bridge.h"
#include "daemon/llb/build_ref.h"
#include "daemon/llb/entitlements.h"
#include "daemon/llb/error_details.h"
#include "daemon/llb/export.h"
#include "daemon/llb/extras.h"
#include "daemon/llb/source_check.h"

namespace bk::llb {
namespace {

// A build that finds everything in the cache takes less, also where as many others work beside it.
constexpr std::chrono::milliseconds kYoung(100);
constexpr size_t kYoungPerProcessor = 2;  // one computes while another waits for its client
constexpr std::chrono::milliseconds kStatusWait(6000);  // clients ask for the status before they send the build

// Every problem that the sources of a result have, of all its refs at once, before any of them is computed.
absl::Status CheckAll(const CancelToken& cancel, const frontend::Result& result, Build& build) {
  if (!build.gate().rules().active()) return absl::OkStatus();
  if (result.ref != nullptr) BK_RETURN_IF_ERROR(static_cast<BuildRef*>(result.ref.get())->Check(cancel));
  for (const auto& [key, ref] : result.refs) {
    if (ref != nullptr) BK_RETURN_IF_ERROR(static_cast<BuildRef*>(ref.get())->Check(cancel));
  }
  return build.gate().Verdict();
}

// Computes every ref of `result`, all at once. The first error ends the others.
absl::StatusOr<exporter::Result> EvaluateAll(const CancelToken& cancel, const frontend::Result& result) {
  exporter::Result out;
  out.is_map = result.is_map;
  out.metadata = result.metadata;
  std::vector<std::pair<frontend::Ref*, cache::ImmutablePtr*>> wanted;
  if (result.ref != nullptr) wanted.emplace_back(result.ref.get(), &out.ref);
  for (const auto& [key, ref] : result.refs) {
    cache::ImmutablePtr& slot = out.refs[key];
    if (ref != nullptr) wanted.emplace_back(ref.get(), &slot);
  }
  CancelSource both(cancel);
  Guarded<absl::Status> first_error;
  TaskGroup tasks;
  for (auto [ref, slot] : wanted) {
    tasks.Run([&, ref = ref, slot = slot] {
      auto tree = static_cast<BuildRef*>(ref)->Result(both.token());
      if (tree.ok()) {
        *slot = *std::move(tree);
        return;
      }
      first_error.With([&](absl::Status& s) { s = s.ok() ? tree.status() : s; });
      both.Cancel();
    });
  }
  tasks.Wait();
  BK_RETURN_IF_ERROR(first_error.With([](absl::Status& s) { return s; }));
  if (!out.refs.empty() && !out.metadata.contains("refs.platforms")) {
    return Unknown("build result contains multiple refs without platforms mapping");
  }
  return out;
}

frontend::SolveRequest RequestOf(const BuildRequest& request) {
  frontend::SolveRequest out;
  out.definition = request.definition;
  out.frontend = request.frontend;
  out.frontend_opts = request.frontend_attrs;
  out.frontend_inputs = request.frontend_inputs;
  out.cache_imports = request.cache_imports;
  return out;
}

}  // namespace

Engine::Engine(EngineParts parts) : parts_(std::move(parts)), admission_(kYoungPerProcessor * std::max(1u, std::thread::hardware_concurrency()), kYoung) {}

struct Engine::Plan {
  Exports exports;
  std::vector<std::string> notices;
  EntitlementSet entitlements;
};

absl::StatusOr<Engine::Plan> Engine::MakePlan(const BuildRequest& request) {
  Plan plan;
  BK_RETURN_IF_ERROR(CheckPolicies(request.source_policies));
  if (request.source_rules.offline) BK_RETURN_IF_ERROR(CheckOffline(request));
  BK_ASSIGN(plan.exports, ResolveExports(parts_.exporters, request.exporters));
  BK_ASSIGN(plan.notices, CheckCacheExports(request.cache_exports));
  BK_TRY(auto attestations, CheckAttestations(request.frontend_attrs));
  plan.notices.insert(plan.notices.end(), attestations.begin(), attestations.end());
  BK_ASSIGN(plan.entitlements, GrantEntitlements(request.entitlements, parts_.allowed_entitlements));
  return plan;
}

absl::StatusOr<frontend::Result> Engine::RunFrontend(const CancelToken& cancel, const BuildRequest& request, Build& build) {
  BuildBridge bridge(build);
  if (request.definition != nullptr || !request.frontend.empty()) return bridge.SolveRoot(cancel, RequestOf(request));
  // The client runs the frontend: it calls LLBBridge with this build's id until it returns a result (trap 1).
  auto forwarder = std::make_shared<frontend::gateway::Forwarder>(bridge, request.frontend_inputs);
  forwarders_.Register(request.ref, forwarder);
  auto result = forwarder->Wait(cancel);
  // Calls that are still under way end first: they use the bridge.
  forwarders_.Unregister(request.ref);
  return result;
}

absl::StatusOr<BuildResponse> Engine::Run(const CancelToken& cancel, const BuildRequest& request) {
  BK_TRY(Plan plan, MakePlan(request));
  BK_TRY(std::unique_ptr<solver::Job> job, parts_.solver->NewJob(request.ref));
  job->SetSession(request.session_id);
  if (request.listener != nullptr) request.listener->Started();
  Build build(parts_, *job, request.session_id, std::move(plan.entitlements), request.source_policies, request.source_rules, &admission_);
  int64_t started_ns = solver::NowNs();
  auto response = RunJob(cancel, request, std::move(plan), build);
  if (parts_.journal != nullptr && !request.internal) build.steps().Finish(request.ref, started_ns, request.frontend_attrs, job->Steps(), *parts_.ops, *parts_.journal);
  return response;
}

absl::StatusOr<BuildResponse> Engine::RunJob(const CancelToken& cancel, const BuildRequest& request, Plan plan, Build& build) {
  auto result = RunFrontend(cancel, request, build);
  // What a frontend makes of images that it did not get is not what is wrong.
  if (!result.ok()) return build.gate().HasProblems() && !cancel.cancelled() ? build.gate().Verdict() : result.status();
  BK_RETURN_IF_ERROR(CheckAll(cancel, *result, build));
  BK_TRY(exporter::Result trees, EvaluateAll(cancel, *result));
  if (request.listener != nullptr) request.listener->HasResult(trees.metadata);
  BK_RETURN_IF_ERROR(build.gate().Verdict());
  std::string lock_text;
  if (request.source_rules.record) BK_ASSIGN(lock_text, build.gate().LockText());
  for (const std::string& notice : plan.notices) build.Notice(notice);
  auto platform = request.frontend_attrs.find("platform");
  BK_TRY(auto warnings, exporter::CheckPlatforms(platform == request.frontend_attrs.end() ? std::nullopt : std::optional(platform->second), trees));
  BK_TRY(BuildResponse response, RunExports(cancel, plan.exports, trees, warnings, build));
  for (const auto& [key, value] : trees.metadata) {
    // Bytes of strangers in a message of texts, which a client could not read otherwise.
    if (key.starts_with("frontend.")) response.exporter_response[ValidUtf8(key)] = ValidUtf8(value);
  }
  response.sources = build.gate().All();
  response.lock_text = std::move(lock_text);
  return response;
}

absl::StatusOr<BuildResponse> Engine::Solve(const CancelToken& cancel, const BuildRequest& request) {
  auto response = Run(cancel, request);
  if (response.ok() || cancel.cancelled()) return response;  // what ended a cancelled build is for its canceller to name
  return ForClients(response.status());
}

absl::Status Engine::Status(const CancelToken& cancel, const std::string& ref, solver::ProgressSink& sink) {
  return parts_.solver->Watch(cancel, ref, kStatusWait, sink);
}

}  // namespace bk::llb
