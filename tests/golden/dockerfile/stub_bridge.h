// The gateway of the golden cases: answers from the case and images.jsonl, and remembers what was asked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "daemon/frontend/bridge.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::dockerfile {

class StubRef final : public frontend::Ref {
 public:
  StubRef(std::shared_ptr<const pb::Definition> definition, std::vector<frontend::CacheImport> imports, bool evaluate)
      : imports(std::move(imports)), evaluate(evaluate), definition_(std::move(definition)) {}
  const pb::Definition& definition() const override { return *definition_; }
  absl::Status Evaluate(const CancelToken&) override { return absl::OkStatus(); }
  // "identifier", or "identifier!file" when a file operation follows the source.
  std::string Key() const;

  std::vector<frontend::CacheImport> imports;
  const bool evaluate;
  bool was_read = false;

 private:
  std::shared_ptr<const pb::Definition> definition_;
};

class StubBridge final : public frontend::Bridge {
 public:
  StubBridge(const Json& input, const std::string& dir);

  absl::StatusOr<frontend::Result> Solve(const CancelToken&, const frontend::SolveRequest& request) override;
  absl::StatusOr<std::string> ReadFile(const CancelToken&, frontend::Ref& ref, const std::string& path, int64_t offset, int64_t length) override;
  absl::StatusOr<std::vector<frontend::FileStat>> ReadDir(const CancelToken&, frontend::Ref&, const std::string&, const std::string&) override {
    return Unimplemented("ReadDir");
  }
  absl::StatusOr<frontend::FileStat> StatFile(const CancelToken&, frontend::Ref&, const std::string&) override { return Unimplemented("StatFile"); }
  absl::StatusOr<ImageConfig> ResolveImageConfig(const CancelToken&, const std::string& ref, const ResolveOptions& options) override;
  absl::StatusOr<frontend::SourceMetadata> ResolveSourceMeta(const CancelToken&, const pb::SourceOp& source, const ResolveOptions& options) override;
  absl::Status Warn(const Digest& vertex, const solver::WarningEvent& warning) override;
  std::vector<frontend::WorkerInfo> Workers() const override;
  std::string SessionId() const override { return "sess0123456789"; }
  std::string BuildId() const override { return "build"; }

  // What was asked, as the golden files list it.
  Json Resolves() const;
  Json MetadataRequests() const { return metadata_requests_; }
  Json Warnings() const { return warnings_; }
  Json Forwarded() const { return forwarded_; }
  const std::vector<std::shared_ptr<StubRef>>& refs() const { return refs_; }

 private:
  absl::StatusOr<std::string> WholeFile(frontend::Ref& given, const std::string& path);

  const Json& input_;
  std::vector<Json> images_;
  Guarded<std::vector<Json>> resolves_;
  Json forwarded_ = Json::array(), metadata_requests_ = Json::array(), warnings_ = Json::array();
  std::vector<std::shared_ptr<StubRef>> refs_;
};

// The frontend on a case's input.
absl::StatusOr<frontend::Result> BuildCase(StubBridge& bridge, const Json& input);

}  // namespace bk::golden::dockerfile
