// What frontends may ask of a build, built-in ones and those that run in the client (daemon/frontend/bridge.h).
//
// Thread-safe. Refs that it gives out must not outlive the build.
#pragma once

#include <functional>

#include "daemon/llb/build.h"

namespace bk::llb {

class BuildBridge final : public frontend::Bridge {
 public:
  explicit BuildBridge(Build& build) : build_(build) {}

  absl::StatusOr<frontend::Result> Solve(const CancelToken& cancel, const frontend::SolveRequest& request) override;
  absl::StatusOr<std::string> ReadFile(const CancelToken& cancel, frontend::Ref& ref, const std::string& path, int64_t offset, int64_t length) override;
  absl::StatusOr<std::vector<frontend::FileStat>> ReadDir(const CancelToken& cancel, frontend::Ref& ref, const std::string& path, const std::string& include_pattern) override;
  absl::StatusOr<frontend::FileStat> StatFile(const CancelToken& cancel, frontend::Ref& ref, const std::string& path) override;
  absl::StatusOr<ImageConfig> ResolveImageConfig(const CancelToken& cancel, const std::string& ref, const ResolveOptions& options) override;
  absl::StatusOr<frontend::SourceMetadata> ResolveSourceMeta(const CancelToken& cancel, const pb::SourceOp& source, const ResolveOptions& options) override;
  absl::Status Warn(const Digest& vertex, const solver::WarningEvent& warning) override;
  absl::StatusOr<std::unique_ptr<frontend::Container>> NewContainer(const CancelToken& cancel, const frontend::ContainerRequest& request) override;
  void Log(const std::string& vertex_name, const std::string& text) override;
  std::vector<frontend::WorkerInfo> Workers() const override { return build_.parts().workers; }
  std::string SessionId() const override { return build_.session_id(); }
  std::string BuildId() const override { return build_.job().id(); }

  // As Solve, without evaluating and without the Solve detail that errors have for frontends: the build's own request.
  absl::StatusOr<frontend::Result> SolveRoot(const CancelToken& cancel, const frontend::SolveRequest& request);

 private:
  absl::StatusOr<frontend::Result> RunFrontend(const CancelToken& cancel, const frontend::SolveRequest& request);
  absl::StatusOr<source::ResolvedImage> ResolveImage(const CancelToken& cancel, const std::string& identifier, const ResolveOptions& options);
  // Asks as a vertex, and holds the value that `ask` gives to what the build's sources may be.
  absl::Status AskInGate(const pb::SourceOp& op, const std::string& log_name, const std::function<absl::StatusOr<std::string>(const cache::FetchContext&)>& ask);
  absl::StatusOr<frontend::SourceMetadata::Http> ResolveHttp(const CancelToken& cancel, const pb::SourceOp& op, const ResolveOptions& options);
  absl::StatusOr<frontend::SourceMetadata::Git> ResolveGit(const CancelToken& cancel, const pb::SourceOp& op, const ResolveOptions& options);

  Build& build_;
};

}  // namespace bk::llb
