#include "client/solve/capabilities.h"

#include <algorithm>
#include <set>

#include "base/status.h"
#include "proto/llb/caps.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::apicaps::APICap;

// How the reference's table differs from "experimental, without a name or a version".
constexpr char kFileBase[] = "file.base", kFileBaseHint[] = " (added in BuildKit v0.5.0)", kEpoch[] = "exporter.sourcedateepoch", kEpochName[] = "(source date epoch)";

absl::Status Refusal(const std::string& id, const APICap* state) {
  std::string text = StrCat("requested ", id == kFileBase ? "prerelease" : "experimental", " feature ", id, " ", id == kEpoch ? kEpochName : "");
  if (state == nullptr) return Unknown(text, " is not supported by build server", id == kFileBase ? kFileBaseHint : "", ", please update buildkit");
  const std::string& reason = state->disabledreasonmsg();
  return Unknown(text, " has been disabled on the build server", reason.empty() ? "" : ": ", reason);
}

}  // namespace

absl::Status CheckCapabilities(const pb::Definition& definition, const moby::buildkit::v1::frontend::PongResponse& daemon) {
  std::set<std::string> wanted;
  for (const auto& [digest, metadata] : definition.metadata()) {
    for (const auto& [id, needed] : metadata.caps()) wanted.insert(id);
  }
  auto known = llb::LlbCapabilities();
  for (const std::string& id : wanted) {
    bool ours = std::any_of(known.begin(), known.end(), [&](const llb::Capability& capability) { return capability.id == id; });
    if (!ours) return Unknown("unknown API capability ", id);
    auto state = std::find_if(daemon.llbcaps().begin(), daemon.llbcaps().end(), [&](const APICap& cap) { return cap.id() == id; });
    if (state == daemon.llbcaps().end()) return Refusal(id, nullptr);
    if (!state->enabled()) return Refusal(id, &*state);
  }
  return absl::OkStatus();
}

}  // namespace bk::client
