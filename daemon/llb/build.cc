#include "daemon/llb/build.h"

namespace bk::llb {

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
