#include "daemon/llb/export.h"

#include "base/id.h"
#include "base/task_group.h"

namespace bk::llb {

absl::StatusOr<Exports> ResolveExports(const std::map<std::string, exporter::Exporter*>& exporters, const std::vector<ExportRequest>& requests) {
  Exports out;
  for (const ExportRequest& request : requests) {
    auto found = exporters.find(request.type);
    if (found == exporters.end()) return Unknown("exporter ", Quote(request.type), " could not be found");
    BK_TRY(auto instance, found->second->Resolve(request.attrs));
    out.push_back(std::move(instance));
  }
  return out;
}

namespace {

void Warn(const std::vector<std::string>& texts, solver::OpContext& context) {
  for (const std::string& text : texts) {
    solver::WarningEvent warning;
    warning.short_text = text;
    context.Progress().Warning(std::move(warning));
  }
}

}  // namespace

absl::StatusOr<BuildResponse> RunExports(const CancelToken& cancel, const Exports& exports, const exporter::Result& result, const std::vector<std::string>& warnings, Build& build) {
  if (exports.empty() && !warnings.empty()) {
    BK_RETURN_IF_ERROR(build.job().InContext("Verifying build result", NewId(), [&](solver::OpContext& context) {
      Warn(warnings, context);
      return absl::OkStatus();
    }));
  }
  std::vector<exporter::ExportOutcome> outcomes(exports.size());
  CancelSource both(cancel);
  Guarded<absl::Status> first_error;
  TaskGroup tasks;
  for (size_t i = 0; i < exports.size(); i++) {
    tasks.Run([&, i] {
      std::string vertex = StrCat(build.session_id(), "-export-", i);
      absl::Status status = build.job().InContext(exports[i]->Name(), vertex, [&](solver::OpContext& context) -> absl::Status {
        if (i == 0) Warn(warnings, context);
        exporter::ExportContext where{build.session_id(), std::to_string(i), build.FetchFor(context)};
        BK_ASSIGN(outcomes[i], exports[i]->Export(both.token(), result, where));
        return absl::OkStatus();
      });
      if (status.ok()) return;
      first_error.With([&](absl::Status& s) { s = s.ok() ? status : s; });
      both.Cancel();
    });
  }
  tasks.Wait();
  BK_RETURN_IF_ERROR(first_error.With([](absl::Status& s) { return s; }));
  BuildResponse response;
  for (size_t i = 0; i < outcomes.size(); i++) {
    for (auto& [key, value] : outcomes[i].response) response.exporter_response[key] = std::move(value);
    if (!outcomes[i].descriptors.empty()) response.descriptors[static_cast<int64_t>(i)] = std::move(outcomes[i].descriptors[0]);
  }
  return response;
}

}  // namespace bk::llb
