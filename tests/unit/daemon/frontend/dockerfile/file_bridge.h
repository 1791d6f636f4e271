// A build for tests: one Dockerfile, one image for every name, and what was warned of.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/frontend/bridge.h"

namespace bk {

class FixedRef final : public frontend::Ref {
 public:
  explicit FixedRef(std::shared_ptr<const pb::Definition> d) : definition_(std::move(d)) {}
  const pb::Definition& definition() const override { return *definition_; }
  absl::Status Evaluate(const CancelToken&) override { return absl::OkStatus(); }

 private:
  std::shared_ptr<const pb::Definition> definition_;
};

// A build with one file and one image, which fires `onbuild`.
class FileBridge : public frontend::Bridge {
 public:
  explicit FileBridge(std::string text, std::string onbuild = "") : text_(std::move(text)), onbuild_(std::move(onbuild)) {}
  std::vector<solver::WarningEvent> warnings;  // what was warned of
  std::string answered;  // what a policy answers for every image
  absl::StatusOr<frontend::Result> Solve(const CancelToken&, const frontend::SolveRequest& request) override {
    frontend::Result result;
    result.ref = std::make_shared<FixedRef>(request.definition);
    return result;
  }
  absl::StatusOr<std::string> ReadFile(const CancelToken&, frontend::Ref&, const std::string& path, int64_t, int64_t) override {
    if (path == "Dockerfile") return text_;
    return NotFound("open ", path, ": no such file or directory");
  }
  absl::StatusOr<std::vector<frontend::FileStat>> ReadDir(const CancelToken&, frontend::Ref&, const std::string&, const std::string&) override {
    return Unimplemented("ReadDir");
  }
  absl::StatusOr<frontend::FileStat> StatFile(const CancelToken&, frontend::Ref&, const std::string&) override { return Unimplemented("StatFile"); }
  absl::StatusOr<ImageConfig> ResolveImageConfig(const CancelToken&, const std::string& ref, const ResolveOptions&) override {
    if (!answered.empty()) return ImageConfig{answered, "", ""};
    std::string trigger = onbuild_.empty() ? "" : ",\"OnBuild\":[\"" + onbuild_ + "\"]";
    return ImageConfig{ref, "", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=1\"]" + trigger +
                                    "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" + std::string(64, 'a') + "\"]}}"};
  }
  absl::StatusOr<frontend::SourceMetadata> ResolveSourceMeta(const CancelToken&, const pb::SourceOp&, const ResolveOptions&) override {
    return Unimplemented("ResolveSourceMeta");
  }
  absl::Status Warn(const Digest&, const solver::WarningEvent& warning) override {
    warnings.push_back(warning);
    return absl::OkStatus();
  }
  std::vector<frontend::WorkerInfo> Workers() const override { return {}; }
  std::string SessionId() const override { return "session"; }
  std::string BuildId() const override { return "build"; }

 private:
  std::string text_, onbuild_;
};

}  // namespace bk
