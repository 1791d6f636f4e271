#include "daemon/llb/build.h"

#include <algorithm>

#include "daemon/ops/failed_steps.h"

namespace bk::llb {

void Build::AwaitTurn(const CancelToken& cancel) {
  if (admission_ != nullptr) std::call_once(came_, [&] { place_.emplace(admission_->Enter(cancel)); });
}

cache::FetchContext Build::Fetch() const {
  cache::FetchContext fetch;
  fetch.offline = gate_.rules().offline;
  if (!session_id_.empty()) fetch.session_ids.push_back(session_id_);
  return fetch;
}

absl::StatusOr<std::function<absl::Status(pb::SourceOp&)>> Build::PolicyWith(const PolicyList& more) const {
  BK_RETURN_IF_ERROR(CheckPolicies(more));
  PolicyList all = policies_;
  all.insert(all.end(), more.begin(), more.end());
  return [gate = &gate_, sources = parts_.sources, policy = std::make_shared<const SourcePolicy>(all)](pb::SourceOp& op) {
    // What does not parse is left as it is: the op says what is wrong with it.
    if (auto text = sources->Canonical(op.identifier()); text.ok()) op.set_identifier(*text);
    BK_RETURN_IF_ERROR(policy->Apply(op));
    gate->Pin(op);
    return absl::OkStatus();
  };
}

Platform Build::DefaultPlatform() const {
  if (!parts_.workers.empty() && !parts_.workers[0].platforms.empty()) return parts_.workers[0].platforms[0];
  return HostPlatform();
}

SolveIds Build::KeepFailed(const Digest& vertex) {
  SolveIds ids;
  auto step = parts_.ops->FailedStepOf(vertex);
  if (step == nullptr) return ids;
  ids.subject = step->subject();
  std::string worker = parts_.workers.empty() ? "" : parts_.workers[0].id;
  auto name = [&](const std::string& tree) { return tree.empty() ? tree : StrCat(worker, "::", tree); };
  for (const auto& input : step->inputs()) ids.inputs.push_back(name(input == nullptr ? "" : input->Id()));
  for (const std::string& id : step->MountIds()) ids.mounts.push_back(name(id));
  failed_.With([&](auto& failed) {
    for (size_t i = 0; i < ids.inputs.size(); i++) failed.insert_or_assign(ids.inputs[i], FailedMount{step, i, false});
    for (size_t i = 0; i < ids.mounts.size(); i++) {
      bool is_input = std::find(ids.inputs.begin(), ids.inputs.end(), ids.mounts[i]) != ids.inputs.end();
      if (!is_input) failed.insert_or_assign(ids.mounts[i], FailedMount{step, i, true});
    }
    failed.erase("");
  });
  return ids;
}

absl::StatusOr<cache::ImmutablePtr> Build::FailedTree(const CancelToken& cancel, const std::string& id) {
  FailedMount found = failed_.With([&](auto& failed) {
    auto it = failed.find(id);
    return it == failed.end() ? FailedMount() : it->second;
  });
  if (found.step == nullptr) return Unknown("return reference ", id, " not found");
  if (!found.after) return found.step->inputs()[found.mount];
  return found.step->Mount(cancel, found.mount);
}

void Build::Notice(const std::string& text) {
  if (!told_.With([&](auto& told) { return told.insert(text).second; })) return;
  job_.InContext(StrCat("[warning] ", text), "", [&](solver::OpContext& context) {
        solver::WarningEvent warning;
        warning.level = 1;
        warning.short_text = text;
        context.Progress().Warning(std::move(warning));
        return absl::OkStatus();
      })
      .IgnoreError();
}

}  // namespace bk::llb
