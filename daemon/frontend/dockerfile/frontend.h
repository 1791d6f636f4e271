// The built-in frontend "dockerfile.v0": a Dockerfile of the client, built for one or several platforms.
//
// Stateless; thread-safe. Opts and results: reference, frontend/dockerui and frontend/dockerfile/builder.
#pragma once

#include "daemon/frontend/frontend.h"

namespace bk::dockerfile {

class DockerfileFrontend final : public frontend::Frontend {
 public:
  // `supports`: whether an LLB capability may be used.
  explicit DockerfileFrontend(bool (*supports)(std::string_view)) : supports_(supports) {}
  // Errors in the Dockerfile carry Source details, one a place.
  absl::StatusOr<frontend::Result> Solve(const CancelToken& cancel, frontend::Bridge& bridge, const std::map<std::string, std::string>& opts,
                                         const std::map<std::string, std::shared_ptr<const pb::Definition>>& inputs) override;

 private:
  bool (*supports_)(std::string_view);
};

}  // namespace bk::dockerfile
